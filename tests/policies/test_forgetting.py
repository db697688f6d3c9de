"""Discounted and sliding-window LinUCB, against the published recursions and plain sums."""

from typing import Any

import numpy as np
import pytest

from policies import build
from policies.d_linucb import DLinUCB
from policies.linucb import LinUCB
from policies.policy import Array, Policy

DIM, RIDGE, HALF_LIFE = 4, 0.7, 64.0
GAMMA = 2.0 ** (-1.0 / HALF_LIFE)
# Steps of a tick are 1 with this half-life: clocks that are whole are read exactly.
PLAIN = {"ridge": RIDGE, "intercept_ridge": RIDGE, "prior_mean": 0.0}


def stream(count: int, arms: int, seed: int) -> list[tuple[int, Array, float]]:
    rng = np.random.default_rng(seed)
    return [
        (int(rng.integers(arms)), rng.normal(size=DIM), float(rng.random())) for _ in range(count)
    ]


def discounted(**settings: float) -> DLinUCB:
    made = build("d_linucb", dim=DIM, half_life=HALF_LIFE, settings={**PLAIN, **settings})
    assert isinstance(made, DLinUCB)
    return made


@pytest.mark.parametrize("asked", [1, 5])
def test_discounted_means_and_widths_are_those_of_the_papers_recursions(asked: int) -> None:
    """Russac et al. 2019, algorithm 1: V and V2 with their ridge put back at every round."""
    arms, seen = 3, stream(150, 3, seed=1)
    first = np.array([RIDGE * np.eye(DIM)] * arms)
    second, response = first.copy(), np.zeros((arms, DIM))
    policy = discounted()
    state = policy.start(arms)
    for clock, (arm, x, quality) in enumerate(seen, start=1):
        first = GAMMA * first + (1 - GAMMA) * RIDGE * np.eye(DIM)
        second = GAMMA**2 * second + (1 - GAMMA**2) * RIDGE * np.eye(DIM)
        response *= GAMMA
        first[arm] += np.outer(x, x)
        second[arm] += np.outer(x, x)
        response[arm] += quality * x
        policy.update(state, arm, x, quality, clock=float(clock))

    contexts = np.random.default_rng(2).normal(size=(asked, DIM))
    got = policy.estimates(state, contexts, clock=150.0)

    for arm in range(arms):
        inverse = np.linalg.inv(first[arm])
        sandwich = inverse @ second[arm] @ inverse
        np.testing.assert_allclose(got.mean[:, arm], contexts @ inverse @ response[arm], atol=1e-9)
        wide = np.sqrt(np.einsum("nd,de,ne->n", contexts, sandwich, contexts))
        np.testing.assert_allclose(got.deviation[:, arm], wide, atol=1e-9)


def test_the_discounted_oful_width_is_the_papers() -> None:
    policy = discounted(oful=True, bound=2.0, noise=0.4, delta=0.05)
    state = policy.start(1)
    for clock in range(1, 91):
        policy.update(state, 0, np.full(DIM, 0.5), 0.5, clock=float(clock))
    policy.estimates(state, np.ones((1, DIM)), clock=90.0)

    # beta_t = sqrt(lam) S + sigma sqrt(2 ln(1/delta) + d ln(1 + (1 - g^2t) / (d lam (1 - g^2))))
    seen = (1 - GAMMA ** (2 * 90)) / (1 - GAMMA**2)
    log_part = 2 * np.log(20.0) + DIM * np.log(1 + seen / (DIM * RIDGE))
    expected = np.sqrt(RIDGE) * 2.0 + 0.4 * np.sqrt(log_part)
    np.testing.assert_allclose(policy.radius(state), [expected], rtol=1e-9)


def test_without_a_half_life_discounted_linucb_is_linucb() -> None:
    plain = LinUCB(dim=DIM, width=0.6)
    other = DLinUCB(dim=DIM, width=0.6)
    states = plain.start(3), other.start(3)
    contexts = np.random.default_rng(3).normal(size=(20, DIM))
    for clock, (arm, x, quality) in enumerate(stream(40, 3, seed=4)):
        for policy, state in zip((plain, other), states, strict=True):
            policy.update(state, arm, x, quality, clock=float(clock))

    np.testing.assert_array_equal(
        plain.probabilities(states[0], contexts), other.probabilities(states[1], contexts)
    )


def test_an_arm_that_rests_becomes_uncertain_again_and_only_as_far_as_the_prior() -> None:
    policy = discounted()
    state, x = policy.start(1), np.ones((1, DIM))
    for clock in range(300):
        policy.update(state, 0, x[0], 0.5, clock=float(clock))

    widths = [
        policy.estimates(state, x, clock=300.0 + HALF_LIFE * age).deviation.item()
        for age in (0, 2, 5, 60)
    ]

    assert widths == sorted(widths)
    assert widths[-1] == pytest.approx(2.0 / np.sqrt(RIDGE), rel=1e-6)  # |x| / sqrt(ridge)


def windowed(window: int) -> Policy[Any]:
    return build("sw_linucb", dim=DIM, settings={**PLAIN, "window": window})


def over(seen: list[tuple[int, Array, float]], arm: int) -> tuple[Array, Array]:
    """theta and A^-1 of one arm over these observations."""
    rows = np.array([x for a, x, _ in seen if a == arm]).reshape(-1, DIM)
    qualities = np.array([quality for a, _, quality in seen if a == arm])
    inverse = np.linalg.inv(RIDGE * np.eye(DIM) + rows.T @ rows)
    return inverse @ rows.T @ qualities, inverse


@pytest.mark.parametrize("read_often", [True, False])
def test_a_window_is_least_squares_over_the_newest_observations(read_often: bool) -> None:
    policy, seen = windowed(40), stream(333, 3, seed=5)
    state, contexts = policy.start(3), np.random.default_rng(6).normal(size=(4, DIM))
    for clock, (arm, x, quality) in enumerate(seen):
        if read_often:
            policy.probabilities(state, contexts[:1], clock=float(clock))
        policy.update(state, arm, x, quality, clock=float(clock))

    got = policy.estimates(state, contexts)

    for arm in range(3):
        theta, inverse = over(seen[-40:], arm)
        np.testing.assert_allclose(got.mean[:, arm], contexts @ theta, atol=1e-9)
        wide = np.sqrt(np.einsum("nd,de,ne->n", contexts, inverse, contexts))
        np.testing.assert_allclose(got.deviation[:, arm], wide, atol=1e-9)
    np.testing.assert_array_equal(
        state.observations, [sum(a == arm for a, _, _ in seen) for arm in range(3)]
    )


def test_late_feedback_takes_its_own_place_in_the_window_or_none() -> None:
    policy, seen = windowed(10), stream(30, 2, seed=7)
    in_time, late, state = policy.start(2), policy.start(2), policy.start(2)
    order = [*range(5, 24), *range(25, 30), 24, 3]  # 24 comes late, 3 too late
    for clock in order:
        policy.update(late, *seen[clock], clock=float(clock))
    for clock in range(5, 30):
        policy.update(in_time, *seen[clock], clock=float(clock))
    for clock in range(20, 30):
        policy.update(state, *seen[clock], clock=float(clock))

    rows = [each.canonical()["rows"].tobytes() for each in (late, in_time, state)]
    assert rows[0] == rows[1] == rows[2]


def test_what_has_left_the_window_is_revised_without_effect() -> None:
    policy, seen = windowed(10), stream(30, 2, seed=8)
    state = policy.start(2)
    for clock, (arm, x, quality) in enumerate(seen):
        policy.update(state, arm, x, quality, clock=float(clock))
    before = state.canonical()["rows"].tobytes()

    arm, x, quality = seen[2]
    policy.revise(state, arm, x, quality, 0.9, clock=2.0)
    policy.revise(state, arm, x, 0.9, None, clock=2.0)

    assert state.canonical()["rows"].tobytes() == before
    assert state.observations.sum() == 29.0


def test_a_smaller_window_forgets_at_once() -> None:
    large, small, seen = windowed(20), windowed(10), stream(30, 2, seed=9)
    state = large.start(2)
    for clock, (arm, x, quality) in enumerate(seen):
        large.update(state, arm, x, quality, clock=float(clock))

    contexts = np.eye(DIM)
    taken_over = small.estimates(small.restore(state.canonical()), contexts)

    for arm in range(2):
        np.testing.assert_allclose(
            taken_over.mean[:, arm], contexts @ over(seen[-10:], arm)[0], atol=1e-9
        )


def test_a_window_of_too_many_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="window must be at most 7812 with 512 features"):
        build("sw_linucb", dim=512, settings={"window": 50_000})


def test_after_a_turn_the_forgetful_recover_and_the_faithful_do_not() -> None:
    """Arms change places half way. Regret over the second half, mean of 3 seeds: plain LinUCB has
    to unlearn 500 rounds, the others forget them."""
    regret = dict.fromkeys(("linucb", "d_linucb", "sw_linucb", "alarmed_linucb"), 0.0)
    for name in regret:
        for seed in range(3):
            rng = np.random.default_rng(seed)
            half_life = 100.0 if name == "d_linucb" else None
            settings = {"window": 200.0} if name == "sw_linucb" else {}
            policy = build(name, dim=3, half_life=half_life, settings=settings)
            state = policy.start(2)
            for step in range(900):
                means = np.array([0.7, 0.4]) if step < 500 else np.array([0.3, 0.6])
                x = np.append(rng.normal(size=2) / 2.0, 1.0)
                chances = policy.probabilities(state, x[None], clock=float(step))[0]
                arm = int(rng.choice(2, p=chances))
                policy.update(state, arm, x, means[arm] + 0.1 * rng.normal(), clock=float(step))
                if step >= 500:
                    regret[name] += float(means.max() - means[arm]) / 3

    assert regret["linucb"] > 40.0  # 400 rounds at .3 are 120
    assert all(regret[name] < 0.5 * regret["linucb"] for name in regret if name != "linucb")
