"""The chance of being the largest, against quadrature by scipy, against draws, and by hand."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import integrate, special, stats

from policies.best import best_split
from policies.beta_thompson import beta_best
from policies.floor import with_floor
from policies.gaussian_best import chance_of_best
from policies.linear_thompson import student_best
from policies.policy import Array

DRAWS = 100_000

# mean and deviation of each arm
GAUSSIANS = {
    "alike": ([0.5, 0.55, 0.6], [0.1, 0.1, 0.1]),
    "one cold arm, 100 times as wide": ([0.7, 0.71, 0.5], [0.003, 0.004, 0.3]),
    "two cold arms of different width": ([0.7, 0.5, 0.5, 0.69], [0.002, 0.2, 2.0, 0.002]),
    "narrow ones apart": ([0.2, 0.5, 0.8, 0.75], [0.01, 0.01, 0.01, 0.02]),
    "a hopeless arm": ([0.9, 0.1, 0.88, 0.89], [0.01, 0.01, 0.02, 0.01]),
    "two": ([0.3, 0.4], [0.2, 0.01]),
    "twelve": (list(np.linspace(0.4, 0.6, 12)), list(np.geomspace(0.01, 0.3, 12))),
}
STUDENTS = {
    "warm and cold": ([0.5, 0.52, 0.4], [0.01, 0.012, 0.3], [400.0, 300.0, 4.0]),
    "all cold": ([0.5, 0.5, 0.6], [0.3, 0.3, 0.2], [4.0, 5.0, 7.0]),
    "heavy tails": ([0.5, 0.9], [0.3, 0.01], [1.0, 2.5]),
    "nearly Gaussian": ([0.5, 0.51, 0.49], [0.1, 0.1, 0.2], [1e6, 1e6, 1e6]),
}
# a, b and shift of each arm
BETAS = {
    "cold": ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]),
    "warm and cold": ([800.0, 1.0, 70.5], [200.0, 1.0, 20.25], [0.0, 0.0, 0.0]),
    "shifted": ([8.0, 1.0, 7.5], [2.0, 1.0, 2.3], [-0.1, 0.05, -0.3]),
    "singular ends": ([1.3, 1.0, 1.7], [1.1, 1.6, 1.0], [0.0, -0.2, 0.1]),
}


@dataclass(frozen=True)
class Law:
    """One variable: density, distribution function, and points between which both are smooth."""

    density: Callable[[float], float]
    below: Callable[[float], float]
    points: tuple[float, ...]


def gaussian(m: float, s: float) -> Law:
    return Law(
        lambda g: math.exp(-0.5 * ((g - m) / s) ** 2) / (s * math.sqrt(2.0 * math.pi)),
        lambda g: 0.5 * math.erfc((m - g) / (s * math.sqrt(2.0))),
        tuple(m + s * z for z in (-8.0, -3.0, -1.0, 0.0, 1.0, 3.0, 8.0)),
    )


def student(m: float, s: float, v: float) -> Law:
    norm = math.exp(math.lgamma((v + 1) / 2) - math.lgamma(v / 2)) / (s * math.sqrt(v * math.pi))
    reach = [10.0**k for k in range(int(14 / v) + 1)] if v < 50 else []
    return Law(
        lambda g: norm * math.exp(-(v + 1) / 2 * math.log1p(((g - m) / s) ** 2 / v)),
        lambda g: float(special.stdtr(v, (g - m) / s)),
        tuple(m + s * z for z in (0.0, 1.0, -1.0, 3.0, -3.0, 8.0, -8.0, *(8.0 * k for k in reach))),
    )


def beta(a: float, b: float, shift: float) -> Law:
    law, mean = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b), a / (a + b)
    deviation = math.sqrt(mean * (1 - mean) / (a + b + 1))

    def density(g: float) -> float:
        x = g - shift
        if not 0.0 < x < 1.0:
            return 0.0
        return math.exp(law + (a - 1) * math.log(x) + (b - 1) * math.log1p(-x))

    inner = [mean + deviation * z for z in (-8.0, -3.0, 0.0, 3.0, 8.0)]
    return Law(
        density,
        lambda g: float(special.betainc(a, b, min(max(g - shift, 0.0), 1.0))),
        tuple(shift + x for x in (0.0, *(x for x in inner if 0 < x < 1), 1.0)),
    )


def by_quad(laws: list[Law], arm: int) -> float:
    """Integral of the arm's density times the others' distribution functions."""
    others = [law.below for b, law in enumerate(laws) if b != arm]

    def integrand(g: float) -> float:
        return laws[arm].density(g) * math.prod(below(g) for below in others)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", integrate.IntegrationWarning)
        return float(
            sum(
                integrate.quad(integrand, a, b, epsabs=1e-12, epsrel=1e-10, limit=100)[0]
                for a, b in pairwise(sorted({p for law in laws for p in law.points}))
            )
        )


def assert_drawn_as_often(chances: Array, draws: Array) -> None:
    """Chi-square of the winners of the draws (DRAWS, K), on the arms expected 5 times or more."""
    wins = np.bincount(draws.argmax(axis=1), minlength=len(chances))
    rare = chances * DRAWS < 5.0
    seen = np.append(wins[~rare], wins[rare].sum())
    expected = np.append(chances[~rare], chances[rare].sum()) * DRAWS
    kept = expected > 0.5
    assert seen[~kept].sum() <= 5
    if kept.sum() > 1:
        fit = expected[kept] * seen[kept].sum() / expected[kept].sum()
        assert stats.chisquare(seen[kept], fit).pvalue > 1e-4  # 1 in 10,000 by chance alone


@pytest.mark.parametrize("case", GAUSSIANS)
def test_gaussians_agree_with_scipys_quadrature(case: str) -> None:
    mean, deviation = (np.array(values) for values in GAUSSIANS[case])
    laws = [gaussian(m, s) for m, s in zip(mean, deviation, strict=True)]

    chances = chance_of_best(mean[None], deviation[None])[0]

    arms = range(min(len(laws), 4))
    np.testing.assert_allclose(chances[arms], [by_quad(laws, arm) for arm in arms], atol=1e-9)


@pytest.mark.parametrize("case", STUDENTS)
def test_student_t_agrees_with_scipys_quadrature(case: str) -> None:
    centre, scale, freedom = (np.array(values) for values in STUDENTS[case])
    laws = [student(m, s, v) for m, s, v in zip(centre, scale, freedom, strict=True)]

    chances = student_best(centre, scale, freedom)

    wanted = [by_quad(laws, arm) for arm in range(len(laws))]
    np.testing.assert_allclose(chances, wanted, atol=1e-9)


@pytest.mark.parametrize("case", BETAS)
def test_betas_agree_with_scipys_quadrature(case: str) -> None:
    a, b, shift = (np.array(values) for values in BETAS[case])
    laws = [beta(p, q, c) for p, q, c in zip(a, b, shift, strict=True)]

    chances = beta_best(a, b, shift)

    wanted = [by_quad(laws, arm) for arm in range(len(laws))]
    np.testing.assert_allclose(chances, wanted, atol=1e-9)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("case", GAUSSIANS)
def test_gaussians_win_as_often_as_drawn(case: str, seed: int) -> None:
    mean, deviation = (np.array(values) for values in GAUSSIANS[case])
    draws = np.random.default_rng(seed).normal(mean, deviation, (DRAWS, len(mean)))

    assert_drawn_as_often(chance_of_best(mean[None], deviation[None])[0], draws)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("case", STUDENTS)
def test_student_t_wins_as_often_as_drawn(case: str, seed: int) -> None:
    centre, scale, freedom = (np.array(values) for values in STUDENTS[case])
    rng = np.random.default_rng(seed)
    draws = centre + scale * rng.standard_t(freedom, (DRAWS, len(centre)))

    assert_drawn_as_often(student_best(centre, scale, freedom), draws)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("case", BETAS)
def test_betas_win_as_often_as_drawn(case: str, seed: int) -> None:
    a, b, shift = (np.array(values) for values in BETAS[case])
    draws = shift + np.random.default_rng(seed).beta(a, b, (DRAWS, len(a)))

    assert_drawn_as_often(beta_best(a, b, shift), draws)


def test_two_betas_have_a_closed_form() -> None:
    # P(Beta(3, 2) > Beta(1, 4)) = sum over i < 3 of B(1 + i, 4 + 2) / ((2 + i) B(1 + i, 2) B(1, 4))
    # with Beta(1, 4) first: 1 - that of the other way round, by enumeration of order statistics.
    first, second = stats.beta(3, 2), stats.beta(1, 4)
    grid, width = np.linspace(0.0, 1.0, 2_000_001, retstep=True)
    wanted = float(np.trapezoid(first.pdf(grid) * second.cdf(grid), dx=width))

    chances = beta_best(np.array([3.0, 1.0]), np.array([2.0, 4.0]), np.zeros(2))

    np.testing.assert_allclose(chances[0], wanted, atol=1e-10)


@pytest.mark.parametrize("arms", [3, 8, 64, 256])
def test_equal_arms_have_equal_chances(arms: int) -> None:
    chances = chance_of_best(np.full((1, arms), 0.4), np.full((1, arms), 0.2))

    np.testing.assert_allclose(chances, 1.0 / arms, rtol=1e-12)


@pytest.mark.parametrize("arms", [8, 16, 64, 256])
def test_more_nodes_would_change_nothing(arms: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(arms)
    mean = rng.normal(0.5, 0.1, (20, arms))
    deviation = np.exp(rng.uniform(np.log(0.003), np.log(0.3), (20, arms)))
    deviation[10:] = 0.05 * np.exp(rng.normal(0.0, 0.2, (10, arms)))
    mean[15:] = 0.5

    coarse = chance_of_best(mean, deviation)
    monkeypatch.setattr("policies.gaussian_best.STEP", 0.009)
    fine = chance_of_best(mean, deviation)

    np.testing.assert_allclose(coarse, fine, atol=1e-9)


def test_known_qualities_leave_only_the_best_and_ties_share() -> None:
    mean = np.array([[0.3, 0.9, 0.9, 0.1], [0.3, 0.2, 0.1, 0.0]])

    chances = chance_of_best(mean, np.zeros((2, 4)))

    np.testing.assert_allclose(chances, [[0.0, 0.5, 0.5, 0.0], [1.0, 0.0, 0.0, 0.0]], atol=1e-12)


ROWS = hnp.arrays(np.float64, (3, 5), elements=st.floats(-2.0, 2.0))
WIDTHS = hnp.arrays(np.float64, (3, 5), elements=st.floats(1e-4, 3.0))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(ROWS, WIDTHS, st.floats(-5.0, 5.0), st.floats(0.01, 50.0))
def test_moving_or_stretching_the_scale_changes_no_chance(
    mean: Array, deviation: Array, shift: float, stretch: float
) -> None:
    chances = chance_of_best(mean, deviation)

    moved = chance_of_best(shift + stretch * mean, stretch * deviation)

    np.testing.assert_allclose(chances.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(moved, chances, atol=1e-8)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(ROWS, st.booleans())
def test_the_best_share_a_row_and_no_one_else_has_any(scores: Array, wide: bool) -> None:
    if wide:
        scores = np.tile(scores, (1, 4))
    batch = best_split(scores)

    np.testing.assert_allclose(batch.sum(axis=1), 1.0)
    assert (scores[batch > 0] >= scores.max(axis=1, keepdims=True).min() - 1e-8).all()
    np.testing.assert_array_equal(batch, np.concatenate([best_split(row[None]) for row in scores]))


@pytest.mark.parametrize("arms", [4, 40])
def test_scores_within_a_billionth_are_a_tie(arms: int) -> None:
    scores = np.zeros((1, arms))
    scores[0, [1, 3]] = 0.5, 0.5 + 1e-12

    np.testing.assert_array_equal(best_split(scores)[0, [1, 3]], [0.5, 0.5])
    scores[0, 3] = 0.5 + 1e-6
    np.testing.assert_array_equal(best_split(scores)[0, [1, 3]], [0.0, 1.0])


def test_the_floor_is_shared_by_eligible_arms_only() -> None:
    chances = np.array([[1.0, 0.0, 0.0, 0.0], [0.5, 0.0, 0.5, 0.0]])
    eligible = np.array([[True, True, False, False], [True, True, True, True]])

    np.testing.assert_allclose(
        with_floor(chances, eligible, 0.2), [[0.9, 0.1, 0.0, 0.0], [0.45, 0.05, 0.45, 0.05]]
    )
    np.testing.assert_allclose(with_floor(chances, None, 0.2)[0], [0.85, 0.05, 0.05, 0.05])


@pytest.mark.parametrize("floor", [-0.1, 1.1, float("nan")])
def test_a_floor_that_is_no_share_is_refused(floor: float) -> None:
    with pytest.raises(ValueError, match=r"floor must be in \[0, 1\]"):
        with_floor(np.ones((1, 1)), None, floor)
