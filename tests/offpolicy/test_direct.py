"""The model of outcomes, against the house's own regression and against numpy's."""

import numpy as np

import policies
from bandit_service.evaluation.offpolicy.direct import (
    CONSTANT_RIDGE,
    RIDGE,
    RidgeByArm,
    mrdr_weights,
)


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
