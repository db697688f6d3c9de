"""The static hull, against linear programs and by hand."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import integrate, optimize

from bandit_service.evaluation.curves import area
from bandit_service.evaluation.hull import corners, static_hull, upper_hull
from bandit_service.evaluation.optimal import ArmMeans
from bandit_service.evaluation.results import Point
from tests.evaluation.judging import a_table_with_holes
from tests.evaluation.small_tables import a_table


def best_mixture(amounts: Any, qualities: Any, most: float) -> Any:
    """The linear program that the hull solves."""
    return optimize.linprog(
        -qualities,
        A_ub=amounts[None],
        b_ub=[most],
        A_eq=np.ones((1, len(amounts))),
        b_eq=[1.0],
        bounds=(0, 1),
    )


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_best_mixture_that_linear_programming_finds(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 12))
    # Prices as far apart as real ones; rounding makes some of the points tie.
    amounts = np.array(np.round(np.exp(rng.normal(0.0, 2.0, count)), 1) + 0.1, dtype=np.float64)
    qualities = np.round(rng.random(count), 1)
    hull = upper_hull(amounts, qualities)

    for most in [*np.linspace(amounts.min(), 1.2 * amounts.max(), 25), *amounts]:
        program = best_mixture(amounts, qualities, float(most))

        assert program.status == 0
        assert hull.quality_at(float(most)) == pytest.approx(-program.fun, abs=1e-9)


def test_nothing_is_cheaper_than_the_cheapest_but_for_rounding():
    hull = upper_hull(np.array([0.3, 1.0]), np.array([0.5, 0.9]))

    assert hull.quality_at(0.29) is None
    assert best_mixture(np.array([0.3, 1.0]), np.array([0.5, 0.9]), 0.29).status == 2  # infeasible
    assert hull.quality_at(0.1 + 0.1 + 0.1 - 1e-16) == 0.5


def test_a_point_on_or_below_the_line_between_others_is_no_corner():
    # A corner, on the line, a corner, dearer and as good, dearer and worse, unknown.
    amounts = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 0.5])
    qualities = np.array([0.25, 0.375, 0.5, 0.5, 0.49, np.nan])

    hull = upper_hull(amounts, qualities)

    assert hull.sources.tolist() == [0, 2]
    assert hull.quality_at(1000.0) == 0.5


def test_of_equally_cheap_points_the_best_is_the_corner():
    hull = upper_hull(np.array([1.0, 1.0, 1.0]), np.array([0.2, 0.7, 0.7]))

    assert hull.sources.tolist() == [1]


def test_without_points_there_is_no_hull():
    hull = upper_hull(np.array([np.nan]), np.array([0.5]))

    assert hull.quality_at(1.0) is None
    assert hull.mean_quality(0.0, 1.0) is None


def test_its_mean_height_is_the_integral():
    rng = np.random.default_rng(3)
    amounts, qualities = rng.random(20), rng.random(20)
    hull = upper_hull(amounts, qualities)
    low, high = float(amounts.min()), 1.5

    found, _ = integrate.quad(hull.quality_at, low, high, points=list(hull.amounts), limit=200)

    assert hull.mean_quality(low, high) == pytest.approx(found / (high - low))


def test_corners_are_arms_with_the_means_of_what_is_known():
    table = a_table_with_holes(seed=2)
    means = ArmMeans.of(table)

    assert corners(static_hull(means, "energy_joules"), table, means) == ()  # a half is missing
    hull = static_hull(means, "cost_usd")
    assert len(hull.sources) > 1
    points = corners(hull, table, means)

    assert [point.cost_usd for point in points] == hull.amounts.tolist()
    for point in points:
        ((name, share),) = point.mixture.items()
        arm = table.arm_names.index(name)
        known = table.offered[:, arm] & ~np.isnan(table.cost_usd[:, arm])
        assert share == 1.0
        assert point.quality == pytest.approx(np.nanmean(table.quality[:, arm]))
        assert point.cost_usd == pytest.approx(table.cost_usd[known, arm].mean())


def test_arms_without_costs_are_left_out():
    table = a_table([[0.4, 0.9], [0.6, 0.9]], cost_usd=np.array([[1.0, np.nan], [3.0, np.nan]]))
    means = ArmMeans.of(table)

    (only,) = corners(static_hull(means, "cost_usd"), table, means)

    assert only == Point(quality=0.5, cost_usd=2.0, mixture={"a": 1.0})
    assert corners(static_hull(means, "energy_joules"), table, means) == ()


# Two arms: (cost 1, quality .4) and (cost 3, quality .8); the range is [1, 3], its width 2.
TWO_ARMS = ArmMeans.of(a_table([[0.4, 0.8]], cost_usd=np.array([[1.0, 3.0]])))


def at(cost: float | None, quality: float) -> Point:
    return Point(quality=quality, cost_usd=cost)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        # From the cheapest arm (1, .4) straight to (2, .8), then flat: (.6 + .8) / 2.
        ([at(2.0, 0.8)], 0.7),
        # Reaches below the range: no arm is needed. (.5, .5) to (2, .8) is .6 at 1: (.7 + .8) / 2.
        ([at(0.5, 0.5), at(2.0, 0.8)], 0.75),
        # Worse than the cheapest arm everywhere: the better half of the hull is that arm alone.
        ([at(2.0, 0.3)], 0.4),
        # A point below the line between others changes nothing: (1, .4) to (3, .8), mean .6.
        ([at(1.0, 0.4), at(2.0, 0.5), at(3.0, 0.8)], 0.6),
        ([at(None, 0.9)], None),
        ([], None),
    ],
)
def test_the_area_of_a_sweep_by_hand(points, expected):
    found = area(tuple(points), TWO_ARMS)

    assert found == (None if expected is None else pytest.approx(expected))


def test_arms_of_one_cost_have_an_area_without_width():
    alike = ArmMeans.of(a_table([[0.4, 0.8]], cost_usd=np.array([[1.0, 1.0]])))

    assert area((at(1.0, 0.6),), alike) == pytest.approx(0.6)
    assert not math.isnan(area((at(1.5, 0.9),), alike) or math.nan)
