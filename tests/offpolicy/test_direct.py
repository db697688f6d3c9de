"""The model of outcomes, against the house's own regression and against numpy's."""

import numpy as np
import pytest

import policies
from bandit_service.evaluation.offpolicy.direct import (
    CONSTANT_RIDGE,
    RIDGE,
    RidgeByArm,
    mrdr_weights,
)
from bandit_service.evaluation.offpolicy.duels import win_rates


def some_data(count=200, arms=3, dim=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, dim)), rng.integers(0, arms, count), rng.random(count)


def test_it_is_the_regression_that_the_linear_policies_learn():
    contexts, chosen, outcomes = some_data()
    model = RidgeByArm(3, 4)
    model.learn(contexts[:120], chosen[:120], outcomes[:120])
    model.learn(contexts[120:], chosen[120:], outcomes[120:])
    settings = {
        "ridge": RIDGE,
        "intercept_ridge": CONSTANT_RIDGE,
        "prior_mean": float(outcomes.mean()),
    }
    policy = policies.build("linear_thompson", dim=5, settings=settings)
    state = policy.start(3)
    wide = np.column_stack([contexts, np.ones(200)])
    for x, arm, y in zip(wide, chosen.tolist(), outcomes.tolist(), strict=True):
        policy.update(state, arm, x, y)
    new = np.random.default_rng(1).normal(size=(10, 4))
    theirs = policy.estimates(state, np.column_stack([new, np.ones(10)])).mean

    np.testing.assert_allclose(model.predict(new), theirs, atol=1e-10)


def test_weights_are_repetitions():
    contexts, chosen, outcomes = some_data()
    counts = np.random.default_rng(2).integers(0, 4, 200)
    weighted, repeated = RidgeByArm(3, 4), RidgeByArm(3, 4)
    weighted.learn(contexts, chosen, outcomes, counts.astype(float))
    rows = np.repeat(np.arange(200), counts)
    repeated.learn(contexts[rows], chosen[rows], outcomes[rows])

    np.testing.assert_allclose(weighted.predict(contexts), repeated.predict(contexts), atol=1e-10)


def test_unknown_outcomes_teach_nothing_and_an_unseen_arm_earns_the_mean():
    contexts, chosen, outcomes = some_data()
    chosen[chosen == 2] = 0
    silent = outcomes.copy()
    silent[::2] = np.nan
    some, less = RidgeByArm(3, 4), RidgeByArm(3, 4)
    some.learn(contexts, chosen, silent)
    less.learn(contexts[1::2], chosen[1::2], outcomes[1::2])

    np.testing.assert_allclose(some.predict(contexts), less.predict(contexts), atol=1e-12)
    np.testing.assert_allclose(some.predict(contexts)[:, 2], np.nanmean(silent))


def test_before_anything_was_learned_it_expects_nothing():
    model = RidgeByArm(2, 3)
    model.learn(np.ones((2, 3)), np.array([0, 1]), np.array([np.nan, np.nan]))

    assert not model.is_taught
    np.testing.assert_array_equal(model.predict(np.ones((4, 3))), 0.0)


def test_mrdr_weights_by_hand():
    found = mrdr_weights(np.array([1.0, 0.5]), np.array([0.25, 0.5]))

    np.testing.assert_allclose(found, [0.75 / 0.0625, 0.5 * 0.5 / 0.25])


def test_win_rates_by_hand():
    """Two duels of 0 and 1, one each way round, and one of 1 and 2."""
    found = win_rates(
        np.array([0, 1, 1]),
        np.array([1, 0, 2]),
        np.array([0.5, 0.25, 1.0]),
        np.array([1.0, 1.0, 0.5]),
        3,
    )

    assert found.rate[0, 1] == pytest.approx(2 / 6)  # weights 2 (won) and 4 (lost)
    assert found.rate[1, 0] == pytest.approx(4 / 6)
    assert found.rate[1, 2] == found.rate[2, 1] == 0.5
    assert np.isnan(found.rate[0, 2])
    assert found.duels.tolist() == [[0, 2, 0], [2, 0, 1], [0, 1, 0]]
    assert found.effective_size[0, 1] == pytest.approx(36 / 20)


def test_win_rates_are_over_all_queries_not_over_those_that_met():
    """Easy queries, where the first arm wins, bring the pair together nine times as often."""
    rng = np.random.default_rng(0)
    easy = rng.random(20_000) < 0.5
    chance = np.where(easy, 0.9, 0.1)
    met = rng.random(20_000) < chance
    won = (rng.random(20_000) < np.where(easy, 0.8, 0.2)).astype(float)
    count = int(met.sum())
    first, second = np.zeros(count, dtype=int), np.ones(count, dtype=int)
    found = win_rates(first, second, chance[met], won[met], 2)

    assert abs(found.rate[0, 1] - 0.5) < 4 * found.standard_error[0, 1]
    assert won[met].mean() > 0.7
    with pytest.raises(ValueError, match=r"in \(0, 1\]"):
        win_rates(first[:1], second[:1], np.array([0.0]), np.ones(1), 2)
    with pytest.raises(ValueError, match="cannot meet itself"):
        win_rates(first[:1], first[:1], np.array([0.5]), np.ones(1), 2)
