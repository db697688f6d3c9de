"""Controllers on streams, against the best choice in hindsight."""

import numpy as np
import pytest

from policies.budget import KnapsackThreshold, Pacing, Purse, Resolving, VirtualQueue
from tests.policies.budget.streams import played, relaxed

AMOUNTS = np.array([[1.0], [6.0], [100.0]])
STEPS = 2000


def a_stream(seed=0, steps=STEPS):
    """Three arms at prices a hundredfold apart, the dearer the better, but not always."""
    return np.random.default_rng(seed).normal([0.5, 0.7, 0.8], 0.15, (steps, 3))


@pytest.mark.parametrize("rate", [3.0, 10.0, 30.0])
@pytest.mark.parametrize(
    "controller",
    [
        Resolving(),
        Resolving(leak=1000.0, every=25),
        Pacing(),
        Pacing(multiplicative=True, step=0.02),
    ],
    ids=["resolving", "slow", "additive", "multiplicative"],
)
def test_where_queries_come_alike_next_to_nothing_is_lost(controller, rate):
    values = a_stream()

    earned, spent = played(controller, values, AMOUNTS, np.array([rate]))

    assert earned >= 0.98 * relaxed(values, AMOUNTS, np.array([rate * STEPS]))
    assert spent[0] <= 1.02 * rate * STEPS


@pytest.mark.parametrize(
    "controller", [Resolving(), Pacing(), Pacing(multiplicative=True, step=0.02)]
)
def test_several_budgets_at_once(controller):
    rng = np.random.default_rng(8)
    values = rng.normal([0.6, 0.7, 0.75, 0.8], 0.2, (STEPS, 4))
    amounts = np.array([[1.0, 4.0], [2.0, 2.0], [5.0, 6.0], [9.0, 3.0]])
    rate = np.array([3.0, 3.2])

    earned, spent = played(controller, values, amounts, rate)

    assert earned >= 0.98 * relaxed(values, amounts, rate * STEPS)
    assert (spent <= 1.02 * rate * STEPS).all()


@pytest.mark.parametrize("controller", [Resolving(), Pacing(), Pacing(multiplicative=True)])
def test_a_rate_without_an_end_is_kept(controller):
    _, spent = played(controller, a_stream(2), AMOUNTS, np.array([10.0]), with_end=False)

    # What is not made up for yet may be as much as a leak's worth of requests.
    assert abs(spent[0] - 10.0 * STEPS) <= 0.5 * 200.0 * 10.0


def test_a_change_of_prices_acts_on_the_next_solution():
    controller, values = Resolving(every=1), a_stream(4)
    state = controller.start(1)
    purse = Purse(np.array([10.0]), np.array([3000.0]), 300)
    before = controller.prices(state, purse, AMOUNTS, values[:300])
    dearer = controller.prices(state, purse, 4.0 * AMOUNTS, values[300:301])
    cheaper = controller.prices(state, purse, 0.25 * AMOUNTS, values[301:302])

    def spending(prices, amounts):
        row = values[:300]
        return amounts[np.argmax(row - amounts @ prices.mean, axis=1)].mean()

    assert spending(before, AMOUNTS) == pytest.approx(10.0, rel=0.1)
    assert spending(dearer, 4.0 * AMOUNTS) == pytest.approx(10.0, rel=0.1)
    assert spending(cheaper, 0.25 * AMOUNTS) == pytest.approx(10.0, rel=0.1)


def test_debt_is_made_up_for_within_bounds():
    controller, rate = Resolving(leak=200.0), np.array([1.0])

    def target(spent, left=None):
        return controller.targets(Purse(rate, np.array([spent]), 1000, left))[0]

    assert target(1000.0) == 1.0
    assert target(1100.0) == pytest.approx(0.5)  # a hundred over two hundred requests
    assert target(1100.0, left=1000.0) == pytest.approx(0.9)
    assert target(5000.0) == 0.2
    assert target(0.0) == 3.0


# -- virtual queues -----------------------------------------------------------------------


def ceiling(patience, steps=3000):
    values, amounts, rate = a_stream(1, steps), AMOUNTS, np.array([10.0])
    earned, spent = played(VirtualQueue(patience=patience), values, amounts, rate, with_end=False)
    best = relaxed(values, amounts, rate * steps) / steps
    return best - earned / steps, spent[0] / steps - 10.0


def test_a_ceiling_is_met_but_for_the_queue_and_patience_buys_quality():
    gaps, excesses = zip(*(ceiling(patience) for patience in (10.0, 100.0, 1000.0)), strict=True)

    # gap = O(1 / V), queue = O(V): the excess is at most the queue over the stream's length
    assert gaps[0] > 2.0 * gaps[1] > 0.0
    assert gaps[1] < 0.01
    assert gaps[0] < 10.0 / 10.0
    assert excesses[0] < 0.1
    assert all(
        excess < 2.0 * v / 300.0 for excess, v in zip(excesses, (10, 100, 1000), strict=True)
    )


def test_a_floor_of_quality_is_met_at_the_least_cost():
    """Minimise cost: the score is minus cost, and quality is taken in the negative."""
    quality, cost = np.array([0.5, 0.7, 0.8]), np.array([1.0, 6.0, 100.0])
    steps = 3000
    scores = np.tile(-cost / 100.0, (steps, 1))

    earned, taken = played(
        VirtualQueue(patience=200.0), scores, -quality[:, None], np.array([-0.65]), with_end=False
    )

    best = relaxed(scores, -quality[:, None], np.array([-0.65 * steps]))  # a quarter of the first
    assert -taken[0] / steps >= 0.65 - 0.01
    assert earned / steps == pytest.approx(best / steps, abs=0.005)


# -- bad settings -------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("controller", [Resolving(), Pacing(), KnapsackThreshold()])
def test_a_budget_must_be_positive(controller, rate):
    purse = Purse(np.array([rate]), np.zeros(1), 0)
    with pytest.raises(ValueError, match="budget must be positive"):
        controller.prices(controller.start(1), purse, AMOUNTS, np.ones((1, 3)))


@pytest.mark.parametrize(
    "made",
    [
        lambda: Resolving(window=0),
        lambda: Resolving(least=2.0),
        lambda: Pacing(step=0.0),
        lambda: VirtualQueue(patience=0.0),
        lambda: KnapsackThreshold(bins=0),
        lambda: KnapsackThreshold(lower=2.0, upper=1.0),
        lambda: KnapsackThreshold(lower=2.0),
    ],
)
def test_settings_out_of_range_are_refused(made):
    with pytest.raises(ValueError, match="must"):
        made()
