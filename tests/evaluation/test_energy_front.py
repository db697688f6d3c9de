"""The area that a front dominates, against a count of points, and the sweep that makes it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit_service.model import Arm
from benchmarks.budgets.front import hypervolume, known_of, mixed_hypervolume, swept
from tests.evaluation.small_tables import a_table

POINTS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=7)


@settings(deadline=None, max_examples=100)
@given(POINTS)
def test_the_area_is_that_of_the_squares_that_are_dominated(points):
    """On whole numbers, a unit square is dominated if its lower right corner's upper left is."""
    amounts, qualities = np.array(points, dtype=float).T

    squares = sum(
        any(amount <= x and quality >= y + 1 for amount, quality in points)
        for x in range(10)
        for y in range(2, 12)
    )
    assert hypervolume(amounts, qualities, most=10.0, least=2.0) == pytest.approx(squares)


def test_where_points_can_be_mixed_it_is_the_area_under_the_line():
    """A triangle from (1, .2) to (3, .6), flat from there to 4; the point below adds nothing."""
    amounts, qualities = np.array([3.0, 1.0, 2.0]), np.array([0.6, 0.2, 0.3])

    found = mixed_hypervolume(amounts, qualities, most=4.0, least=0.2)

    assert found == pytest.approx(2 * 0.4 / 2 + 0.4)
    assert found > hypervolume(amounts, qualities, most=4.0, least=0.2)


def test_the_dial_goes_from_the_best_arm_to_the_one_that_takes_least():
    """Three arms alike on every query; of a fourth nobody knows the joules, so it has no part."""
    quality = np.tile([0.2, 0.5, 0.9, 1.0], (300, 1))
    joules = np.tile([1.0, 30.0, 100.0, np.nan], (300, 1))
    contexts = np.random.default_rng(0).normal(size=(300, 2))
    arms = tuple(
        Arm(name=name, declared_joules_per_output_token=declared)
        for name, declared in (("a", 0.002), ("b", 0.06), ("c", 0.2), ("d", None))
    )
    table = known_of(a_table(quality, energy_joules=joules, contexts=contexts, arms=arms))

    found = swept(table, (0.0, 10.0), seeds=1)

    assert table.arm_names == ("a", "b", "c")
    assert found.qualities[0, 0] > 0.8
    assert found.joules[0, 0] > 80.0
    assert found.qualities[1, 0] < 0.3
    assert found.joules[1, 0] < 10.0
