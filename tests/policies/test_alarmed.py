"""Change alarms: when they come, when not, what they leave, and what chances follow."""

import numpy as np
import pytest

from policies import build
from policies.alarmed_linucb import AlarmedLinUCB
from policies.alarmed_state import MOST, AlarmedState
from policies.policy import Array

DIM = 3


def alarmed(half_life: float | None = None, **settings: float) -> AlarmedLinUCB:
    made = build("alarmed_linucb", dim=DIM, half_life=half_life, settings=settings)
    assert isinstance(made, AlarmedLinUCB)
    return made


def context(rng: np.random.Generator) -> Array:
    x: Array = np.append(rng.normal(size=DIM - 1) / 2.0, 1.0)
    return x


def feed(policy: AlarmedLinUCB, state: AlarmedState, means: list[float], seed: int = 0) -> None:
    """Thumbs at these rates, one a clock unit, for arm 0."""
    rng = np.random.default_rng(seed)
    for clock, mean in enumerate(means):
        quality = float(rng.random() < mean)
        policy.update(state, 0, context(rng), quality, clock=float(clock))


def cusum(policy: AlarmedLinUCB, seen: list[tuple[Array, float]]) -> tuple[Array, list[int]]:
    """The detector by least squares over all rows before each one; alarms end it."""
    found, moved = [], np.zeros(2)
    for at, (x, quality) in enumerate(seen):
        if at < policy.least:
            continue
        rows = np.array([one for one, _ in seen[:at]])
        qualities = np.array([one for _, one in seen[:at]])
        root = np.sqrt(policy.prior.precision())
        whole = np.concatenate((rows, np.diag(root)))
        targets = np.concatenate((qualities, root * policy.prior.mean()))
        theta = np.linalg.lstsq(whole, targets, rcond=None)[0]
        error = float(np.sum((targets - whole @ theta) ** 2))
        variance = (policy.noise_count * policy.noise**2 + error) / (policy.noise_count + at)
        spread = float(x @ np.linalg.solve(whole.T @ whole, x))
        z = float(np.clip((quality - x @ theta) / np.sqrt(variance * (1 + spread)), -MOST, MOST))
        moved = np.maximum(moved + np.array([z, -z]) - policy.drift, 0.0)
        if moved.max() > policy.limit:
            found.append(at)
            break
    return moved, found


@pytest.mark.parametrize("turns", [False, True])
def test_the_detector_is_a_cusum_of_standardised_residuals(turns: bool) -> None:
    policy, rng = alarmed(limit=10.0), np.random.default_rng(1)
    seen: list[tuple[Array, float]] = []
    for step in range(160):
        low = turns and step >= 100
        seen.append((context(rng), (0.3 if low else 0.7) + 0.2 * float(rng.normal())))
    state = policy.start(1)
    alarms: list[int] = []
    for clock, (x, quality) in enumerate(seen):
        policy.update(state, 0, x, quality, clock=float(clock))
        if len(state.alarms):
            alarms.append(clock)
            break

    moved, expected = cusum(policy, seen)

    assert alarms == expected
    assert bool(alarms) is turns
    if not turns:
        np.testing.assert_allclose(state.cusum[0], moved, atol=1e-9)


@pytest.mark.parametrize("rate", [0.93, 0.6, 0.05])
def test_steady_thumbs_alarm_nobody(rate: float) -> None:
    policy = alarmed()
    state = policy.start(1)

    feed(policy, state, [rate] * 3000, seed=2)

    assert len(state.alarms) == 0


def test_a_change_is_found_and_what_was_learned_shrinks_to_a_share() -> None:
    policy = alarmed()
    before, after = policy.start(1), policy.start(1)
    feed(policy, before, [0.9] * 400)
    feed(policy, after, [0.9] * 400 + [0.4] * 120)

    assert len(before.alarms) == 0
    assert 400 < after.alarms[0, 1] < 500
    assert after.sums[0][-1, -1] < 0.1 * 520 + 120
    belief = policy.estimates(after, np.array([[0.0, 0.0, 1.0]])).mean.item()
    assert belief < 0.65  # all of it together had a mean of .78


def test_an_alarm_of_one_arm_leaves_the_others_alone() -> None:
    policy, rng = alarmed(), np.random.default_rng(3)
    state = policy.start(2)
    for _ in range(50):
        policy.update(state, 1, context(rng), 0.5)
    other = state.sums[1].tobytes()

    feed(policy, state, [0.9] * 300 + [0.2] * 100)

    assert set(state.alarms[:, 0].tolist()) == {0.0}
    assert state.sums[1].tobytes() == other


def test_late_feedback_and_revisions_count_as_if_they_had_been_there_at_the_alarm() -> None:
    """An observation from before an alarm has the alarm's share, whenever it comes."""
    policy, rng = alarmed(), np.random.default_rng(4)
    state, late = policy.start(1), context(rng)
    feed(policy, state, [0.9] * 300 + [0.2] * 100)
    count = len(state.alarms)
    before = [one.copy() for one in state.sums]
    assert count

    policy.update(state, 0, late, 0.8, clock=7.0)
    z = np.append(late, [0.8, 1.0])
    np.testing.assert_allclose(state.sums[0] - before[0], 0.1**count * np.outer(z, z), atol=1e-12)
    policy.revise(state, 0, late, 0.8, 0.3, clock=7.0)
    policy.revise(state, 0, late, 0.3, None, clock=7.0)

    np.testing.assert_allclose(state.sums, before, atol=1e-12)
    assert state.observations.item() == pytest.approx(400.0)


def test_an_arm_after_an_alarm_has_a_chance_of_its_own_until_its_trial_is_over() -> None:
    policy = alarmed(monitor=0.0, trial=0.2, trial_plays=10.0)
    state, rng, x = policy.start(3), np.random.default_rng(5), np.array([[0.0, 0.0, 1.0]])
    for _ in range(100):
        policy.update(state, 1, context(rng), 0.95)
        policy.update(state, 2, context(rng), 0.2)
    rates = [0.9] * 300
    while not len(state.alarms):
        rates.append(0.05)
        state.drop_arm(0)
        feed(policy, state, rates)
    clock = float(len(rates))

    np.testing.assert_allclose(policy.probabilities(state, x, clock=clock), [[0.2, 0.8, 0.0]])
    barred = np.array([[False, True, True]])
    np.testing.assert_array_equal(
        policy.probabilities(state, x, eligible=barred, clock=clock), [[0.0, 1.0, 0.0]]
    )
    for play in range(10):
        policy.update(state, 0, x[0], 0.0, clock=clock + play)
    np.testing.assert_array_equal(policy.probabilities(state, x), [[0.0, 1.0, 0.0]])


def test_every_arm_is_monitored() -> None:
    policy = alarmed(monitor=0.06)
    state, rng = policy.start(3), np.random.default_rng(6)
    for _ in range(200):
        for arm in range(3):
            policy.update(state, arm, context(rng), 0.2 + 0.3 * arm)

    chances = policy.probabilities(state, np.array([[0.0, 0.0, 1.0]]))

    np.testing.assert_allclose(chances, [[0.02, 0.02, 0.96]], atol=1e-12)
