"""What holds for a snapshot of every policy's state: it is tested by being in the catalogue."""

from typing import Any

import numpy as np
import pytest

from policies import CATALOGUE, Policy, Snapshot, build
from policies.policy import Array
from tests.policies.worlds import ARMS, DIM, some_observations

NOW = 60.0


@pytest.fixture(params=[None, 20.0], ids=["remembers", "forgets"])
def half_life(request: pytest.FixtureRequest) -> float | None:
    given: float | None = request.param
    return given


@pytest.fixture(params=CATALOGUE)
def policy(request: pytest.FixtureRequest, half_life: float | None) -> Policy[Any]:
    return build(request.param, dim=DIM, half_life=half_life)


def bits(state: Any) -> dict[str, tuple[Any, ...]]:
    found = state.canonical()
    return {name: (array.shape, array.dtype, array.tobytes()) for name, array in found.items()}


class Life:
    """Everything that can happen to a state, by chance but repeatably; nobody else knows when a
    snapshot is taken."""

    def __init__(self, policy: Policy[Any], seed: int) -> None:
        self.policy, self.state = policy, policy.start(ARMS)
        self.rng = np.random.default_rng(seed)
        self.seen = iter(some_observations(seed, 400))
        self.taught: list[tuple[Any, float]] = []

    def go_on(self) -> None:
        choice = self.rng.random()
        if choice < 0.6 or not self.taught:
            one = next(self.seen)
            self.policy.update(
                self.state, one.arm, one.context, one.quality, weight=one.weight, clock=one.clock
            )
            self.taught.append((one, one.quality))
        elif choice < 0.8:
            self.revise()
        elif choice < 0.9:
            self.read()
        elif choice < 0.95:
            self.state.add_arm()
        else:
            arm = int(self.rng.integers(ARMS))
            self.state.drop_arm(arm)
            self.taught = [(one, value) for one, value in self.taught if one.arm != arm]

    def revise(self) -> None:
        one, old = self.taught.pop(int(self.rng.integers(len(self.taught))))
        new = float(self.rng.random()) if self.rng.random() < 0.5 else None
        self.policy.revise(
            self.state, one.arm, one.context, old, new, weight=one.weight, clock=one.clock
        )
        if new is not None:
            self.taught.append((one, new))

    def read(self) -> None:
        context: Array = np.append(self.rng.normal(size=DIM - 1), 1.0)[None]
        self.policy.probabilities(self.state, context, clock=NOW)


@pytest.mark.parametrize("seed", range(2))
def test_a_snapshot_never_changes_and_never_changes_anything(
    policy: Policy[Any], seed: int
) -> None:
    watched, alone = Life(policy, seed), Life(policy, seed)
    luck = np.random.default_rng(100 + seed)
    taken: list[tuple[Snapshot, dict[str, tuple[Any, ...]]]] = []

    for _ in range(250):
        watched.go_on()
        alone.go_on()
        if luck.random() < 0.2:
            taken.append((watched.state.snapshot(), bits(alone.state)))

    assert len(taken) > 30
    for snapshot, then in taken:
        assert bits(snapshot) == then
    assert bits(watched.state) == bits(alone.state)


def test_what_is_made_of_a_state_is_the_same_with_and_without_a_snapshot(
    policy: Policy[Any], contexts: Array
) -> None:
    watched, alone = Life(policy, 7), Life(policy, 7)
    for step in range(120):
        watched.go_on()
        alone.go_on()
        if step % 5 == 0:
            watched.state.snapshot()

    one, other = (policy.estimates(life.state, contexts, clock=NOW) for life in (watched, alone))

    np.testing.assert_array_equal(one.mean, other.mean)
    np.testing.assert_array_equal(one.deviation, other.deviation)


def test_a_state_goes_on_from_a_snapshot(policy: Policy[Any]) -> None:
    life = Life(policy, 3)
    for _ in range(50):
        life.go_on()
    snapshot = life.state.snapshot()

    other = Life(policy, 3)
    for _ in range(50):
        other.go_on()
    other.state = policy.restore(snapshot.canonical())
    for _ in range(100):
        life.go_on()
        other.go_on()

    assert bits(other.state) == bits(life.state)


def test_nobody_can_write_into_a_snapshot(policy: Policy[Any]) -> None:
    life = Life(policy, 1)
    life.go_on()

    for array in life.state.snapshot().canonical().values():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0.0


def test_a_snapshot_without_arms(policy: Policy[Any]) -> None:
    snapshot = policy.start(0).snapshot()

    assert bits(snapshot) == bits(policy.start(0))


@pytest.mark.parametrize("name", ["linear_thompson", "hierarchical_thompson"])
def test_a_snapshot_of_large_sums_copies_none_and_a_write_copies_one_arms(name: str) -> None:
    policy = build(name, dim=DIM)
    state = policy.start(ARMS)
    before = list(state.sums)

    snapshot = state.snapshot()
    assert all(mine is theirs for mine, theirs in zip(snapshot.sums, before, strict=True))
    policy.update(state, 2, np.ones(DIM), 1.0)

    shared = [now is then for now, then in zip(state.sums, before, strict=True)]
    assert shared == [True, True, False, True]
    mine = state.sums[2]
    policy.update(state, 2, np.ones(DIM), 1.0)
    assert state.sums[2] is mine, "a copy once"
