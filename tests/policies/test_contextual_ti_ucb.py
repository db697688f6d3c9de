"""TI-UCB on residuals: its regression and line, its detector, and a rising arm among queries that
differ."""

from typing import Any

import numpy as np
import pytest

from benchmarks.rising import losses
from policies import build
from policies.contextual_ti_ucb import ContextualTIUCB
from policies.policy import Array, Policy
from policies.residual_state import INTERCEPT_RIDGE, ResidualState
from policies.ti_ucb import TIUCB

DIM = 4
WEIGHTS = np.array([0.3, -0.2, 0.1])  # of the features that are not the constant


def some_contexts(rng: np.random.Generator, count: int) -> Array:
    made = rng.uniform(-1.0, 1.0, size=(count, DIM))
    made[:, -1] = 1.0
    return made


def taught(
    contexts: Array, rewards: Array, weights: Array | None = None, **settings: Any
) -> tuple[ContextualTIUCB, ResidualState]:
    """One arm that earned these, one after another."""
    policy = ContextualTIUCB(dim=contexts.shape[1], **settings)
    state = policy.start(1)
    weights = np.ones(len(rewards)) if weights is None else weights
    for clock, (x, reward, weight) in enumerate(zip(contexts, rewards, weights, strict=True)):
        policy.update(state, 0, x, float(reward), weight=float(weight), clock=float(clock))
    return policy, state


@pytest.mark.parametrize("block", [1, 5])
@pytest.mark.parametrize("count", [15, 60, 400])  # 400 are more than are kept as they are
def test_the_line_is_that_of_least_squares_through_the_residuals(count: int, block: int) -> None:
    rng = np.random.default_rng(count)
    contexts, weights = some_contexts(rng, count), rng.choice([0.5, 1.0, 2.0], count)
    rewards = 0.4 + contexts[:, :-1] @ WEIGHTS + 0.1 * rng.normal(size=count)
    policy, state = taught(contexts, rewards, weights, window=20, block=block, alarm=100, ridge=2.0)

    precision = np.diag([2.0, 2.0, 2.0, INTERCEPT_RIDGE]) + (contexts.T * weights) @ contexts
    theta = np.linalg.solve(precision, contexts.T @ (weights * rewards))
    residuals = (rewards - contexts[:, :-1] @ theta[:-1]).reshape(-1, block)
    shares = weights.reshape(-1, block)
    points = (residuals * shares).sum(axis=1) / shares.sum(axis=1)
    places = np.arange(1, len(points) + 1)
    slope, level = np.polyfit(places, points, 1)
    ahead = level + slope * (len(points) + 1)
    assert state.line(0).points == len(points)
    assert state.line(0).ahead == pytest.approx(ahead, abs=1e-9)

    asked = some_contexts(rng, 3)
    found = policy.estimates(state, asked)
    wanted = np.clip(ahead + asked[:, :-1] @ theta[:-1], 0.0, 1.0)
    np.testing.assert_allclose(found.mean[:, 0], wanted, atol=1e-9)
    bare = asked * [1, 1, 1, 0]
    spread = np.einsum("nd,de,ne->n", bare, np.linalg.inv(precision), bare)
    line = state.line(0)
    deviation = line.noise * np.sqrt(line.leverage + block * spread)
    np.testing.assert_allclose(found.deviation[:, 0], deviation, rtol=1e-9)


def test_without_features_it_is_ti_ucb() -> None:
    rewards = np.random.default_rng(3).random(300)
    _, state = taught(np.ones((300, 1)), rewards, window=20)
    plain = TIUCB(dim=1, window=20)
    other = plain.start(1)
    for clock, reward in enumerate(rewards.tolist()):
        plain.update(other, 0, np.ones(1), reward, clock=float(clock))

    for name, array in other.canonical().items():
        np.testing.assert_array_equal(state.canonical()[name], array)
    assert state.line(0) == other.line(0)


def alarms(policy: Policy[Any], drop: float, seed: int) -> float:
    """How often it restarts an arm that is as good as ever for 600 queries, and worse by `drop`
    for 200 more, on queries that differ by much more than that."""
    rng = np.random.default_rng(seed)
    contexts = some_contexts(rng, 800)
    rewards = 0.5 + contexts[:, :-1] @ WEIGHTS + 0.05 * rng.normal(size=800)
    rewards[600:] -= drop
    state = policy.start(1)
    for clock, (x, reward) in enumerate(zip(contexts, rewards.tolist(), strict=True)):
        policy.update(state, 0, x, reward, clock=float(clock))
    return float(state.alarms[0])


def test_it_notices_what_the_queries_hide_from_ti_ucb() -> None:
    contextual = ContextualTIUCB(dim=DIM, window=60, ridge=1.0)
    plain = TIUCB(dim=DIM, window=60)
    seeds = range(8)

    assert sum(alarms(contextual, 0.25, seed) > 0 for seed in seeds) == 8
    assert sum(alarms(plain, 0.25, seed) > 0 for seed in seeds) < 4
    assert sum(alarms(contextual, 0.0, seed) for seed in seeds) <= 1


def test_an_alarm_does_not_depend_on_who_has_read_what_in_between() -> None:
    rng = np.random.default_rng(5)
    contexts = some_contexts(rng, 400)
    rewards = 0.5 + contexts[:, :-1] @ WEIGHTS + 0.1 * rng.normal(size=400)
    rewards[200:] -= 0.4
    policy = ContextualTIUCB(dim=DIM, window=30)
    read, unread = policy.start(1), policy.start(1)
    for clock, (x, reward) in enumerate(zip(contexts, rewards.tolist(), strict=True)):
        policy.probabilities(read, contexts[:2], clock=float(clock))
        for state in (read, unread):
            policy.update(state, 0, x, reward, clock=float(clock))
    resumed = policy.restore(unread.canonical())

    assert unread.alarms[0] > 0
    for name, array in unread.canonical().items():
        assert read.canonical()[name].tobytes() == array.tobytes()
        assert resumed.canonical()[name].tobytes() == array.tobytes()


def test_a_rising_arm_is_found_among_queries_that_differ() -> None:
    """TI-UCB finds it and takes it for every query; LinUCB never finds it."""
    contextual, plain, linear = (
        np.array([losses(build(name, dim=DIM), seed) for seed in range(3)])
        for name in ("contextual_ti_ucb", "ti_ucb", "linucb")
    )

    assert contextual.sum() < 0.7 * plain.sum()
    assert contextual[:, 1000:].sum() < 0.7 * linear[:, 1000:].sum()
