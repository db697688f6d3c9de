"""The knapsack threshold: its three known points, and its guarantee on the worst of orders."""

from math import e, log

import numpy as np
import pytest

from benchmarks.budgets.optimum import best, collected
from policies.budget import KnapsackThreshold, Purse
from policies.budget.knapsack import threshold

BOUNDS = [(1.0, 2.0), (1.0, 100.0), (63.0, 27000.0)]


@pytest.mark.parametrize(("lower", "upper"), BOUNDS)
def test_known_points(lower, upper):
    assert threshold(0.0, lower, upper) == pytest.approx(lower / e)
    selective_from = 1.0 / (1.0 + log(upper / lower))  # of the capacity; below, all is taken
    assert threshold(selective_from, lower, upper) == pytest.approx(lower)
    assert threshold(1.0, lower, upper) == pytest.approx(upper)


def worst_first(rng, lower, upper, count, arms):
    """What is worth least comes first, and only then what is worth more: the adversary's order."""
    amounts = rng.uniform(0.5, 2.0, (arms, 1))
    levels = np.geomspace(lower, upper, count)[:, None] * rng.uniform(0.9, 1.0, (count, arms))
    return np.clip(levels, lower, upper) * amounts[:, 0], amounts


@pytest.mark.parametrize(("lower", "upper"), BOUNDS)
@pytest.mark.parametrize("stops", [0.1, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("arms", [1, 3])
def test_competitive_on_the_adversarys_order(lower, upper, stops, arms):
    """The stream may stop anywhere: the ratio holds against the best choice up to there."""
    rng = np.random.default_rng(int(10 * stops))
    values, amounts = worst_first(rng, lower, upper, 2000, arms)
    cut = int(stops * 2000)
    # After the cut comes nothing of worth, so the length of the stream tells nothing.
    values = values.copy()
    values[cut:] = 0.0
    capacity = 300.0

    earned = collected(
        values, amounts, capacity, KnapsackThreshold(bins=1, lower=lower, upper=upper)
    )

    ratio = log(upper / lower) + (1.0 if arms == 1 else 2.0)
    small = 1.0 + 2.0 * ratio / capacity  # items are small, not infinitely so
    assert earned >= best(values, amounts, capacity) / (ratio * small)


def test_bins_spill_over_what_they_leave():
    controller = KnapsackThreshold(bins=4, lower=1.0, upper=10.0)
    state, amounts, rate = controller.start(1), np.array([[1.0]]), np.array([1.0])

    def least(step, spent):
        """The threshold at that step, found by what it lets through."""
        values = np.geomspace(0.1, 20.0, 4000)[:, None]
        purse = Purse(rate, np.array([spent]), step, 400.0 - step)
        return values[controller.prices(state, purse, amounts, values).open].min()

    assert least(0, 0.0) == pytest.approx(threshold(0.0, 1.0, 10.0), rel=2e-3)
    assert least(50, 50.0) == pytest.approx(threshold(0.5, 1.0, 10.0), rel=2e-3)
    # 60 were spent of 100: the second bin has 140, of which 70 are half.
    assert least(100, 60.0) == pytest.approx(threshold(0.0, 1.0, 10.0), rel=2e-3)
    assert least(150, 130.0) == pytest.approx(threshold(0.5, 1.0, 10.0), rel=2e-3)
    # Nothing left: only what is worth the most.
    assert least(199, 200.0) == pytest.approx(10.0, rel=2e-3)


def test_bounds_are_learned_as_percentiles():
    rng = np.random.default_rng(0)
    controller = KnapsackThreshold(memory=2000)
    state = controller.start(1)
    values = rng.uniform(1.0, 3.0, (2000, 1))

    controller.prices(state, Purse(np.ones(1), np.zeros(1), 0), np.array([[0.5]]), values)

    expected = np.quantile(values / 0.5, (0.01, 0.99)) * [1 / 1.5, 1.5]
    np.testing.assert_allclose(controller.bounds(state), expected)


def test_two_budgets_are_refused():
    with pytest.raises(ValueError, match="one budget"):
        KnapsackThreshold().start(2)
