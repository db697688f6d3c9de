"""Budgets met by a price: against functions whose price is known, and against what would have been
spent."""

import numpy as np
import pytest

from bandit_service.errors import InvalidField
from bandit_service.evaluation.bundled import bundled_table
from bandit_service.evaluation.contestants import named
from bandit_service.evaluation.logs import Traffic
from bandit_service.evaluation.logs.rows import batch_of
from bandit_service.evaluation.logs.simulated import SAMPLE_POLICY, simulated_rows
from bandit_service.evaluation.offpolicy.budgeting import Price, held_to, solved
from bandit_service.evaluation.offpolicy.comparison import compare, split
from bandit_service.evaluation.offpolicy.gathering import dim_of
from bandit_service.evaluation.offpolicy.learner import Learner
from bandit_service.evaluation.offpolicy.settings import Settings
from tests.offpolicy.worlds import a_world, rows_of

QUICK = Settings(resamples=200)


def test_a_smooth_spend_is_met_at_its_price():
    price = solved(lambda at: 3.0 * np.exp(-0.5 * at), 0.6, "p")

    mixed = price.share * np.exp(-0.5 * price.low) + (1 - price.share) * np.exp(-0.5 * price.high)
    assert 3.0 * mixed == pytest.approx(0.6, rel=1e-12)
    assert price.low <= 2.0 * np.log(5.0) <= price.high
    assert price.high == pytest.approx(price.low, rel=0.02)


def test_a_spend_that_jumps_is_met_by_two_prices():
    price = solved(lambda at: 1.0 if at < 7.0 else 0.2, 0.5, "p")

    assert price.low < 7.0 <= price.high == pytest.approx(price.low, rel=2e-6)
    assert price.share == pytest.approx((0.5 - 0.2) / 0.8)


def test_a_budget_that_does_not_bind_needs_no_price():
    assert solved(lambda at: 0.1, 0.2, "p") == Price(0.0, 0.0)


def test_a_budget_below_the_cheapest_is_refused():
    with pytest.raises(InvalidField, match=r"spends an estimated 0.3 USD a query at the highest"):
        solved(lambda at: 0.3 + 1.0 / (1.0 + at), 0.2, "p")


@pytest.fixture(scope="module")
def sample():
    table = bundled_table()
    rows, served = simulated_rows(table, named(SAMPLE_POLICY), 3, rounds=2)
    batch = batch_of(rows, range(1, len(rows) + 1))
    return Traffic("log", lambda: iter([batch])), table.cost_usd[served], table.arm_names


def test_a_held_policy_is_estimated_to_spend_its_budget_and_would_have(sample):
    traffic, costs, names = sample
    budgets, learner = (0.002, 0.0005), Learner(named("linucb"), traffic.arms, dim_of(traffic), 0)
    training, rows = split(traffic, [learner], QUICK)
    held = [held_to(learner, each, traffic, training, rows) for each in budgets]
    found = compare(traffic, held, QUICK).candidates
    by_arm = costs[training:, [names.index(arm) for arm in traffic.arms]]
    judged = list(traffic.blocks(training))[1]

    for target, budget, said in zip(held, budgets, found, strict=True):
        (cost,) = [
            each for each in said.estimates if (each.measure, each.estimator) == ("cost_usd", "dr")
        ]
        assert cost.value == pytest.approx(budget, rel=1e-6)
        spent = float((target.probabilities(judged) * by_arm).sum(axis=1).mean())
        low, high = cost.intervals[0].low, cost.intervals[0].high
        slack = 0.5 * (high - low)
        assert low - slack <= spent <= high + slack
        assert "points a dollar" in said.description


def test_logs_that_cannot_hold_anybody_to_a_budget(sample):
    traffic, _, _ = sample
    learner = Learner(named("linucb"), traffic.arms, dim_of(traffic), 0)
    with pytest.raises(InvalidField, match="must be above 0, not 0"):
        held_to(learner, 0.0, traffic, 1000, 50)
    rows = rows_of(a_world(count=100), 1)
    free = Traffic("log", lambda: iter([batch_of(rows, range(1, 101))]))
    learner = Learner(named("linucb"), free.arms, dim_of(free), 0)
    with pytest.raises(InvalidField, match="the cost of no judged decision is known"):
        held_to(learner, 0.1, free, 50, 20)
