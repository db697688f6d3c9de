"""What holds for every policy: it is tested here by being in the catalogue."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from policies import CATALOGUE, Policy, build
from policies.policy import Array
from tests.policies.worlds import ARMS, DIM, DRAWN, MOVING, SURE, Seen, some_observations

HALF_LIVES = {"remembers": None, "forgets": 20.0}
NOW = 60.0


@pytest.fixture(params=CATALOGUE)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=HALF_LIVES)
def policy(name: str, request: pytest.FixtureRequest) -> Policy[Any]:
    return build(name, dim=DIM, half_life=HALF_LIVES[request.param])


def learn(policy: Policy[Any], state: Any, seen: Iterable[Seen]) -> Any:
    for s in seen:
        policy.update(state, s.arm, s.context, s.quality, weight=s.weight, clock=s.clock)
    return state


def taught(policy: Policy[Any], seed: int = 1) -> Any:
    return learn(policy, policy.start(ARMS), some_observations(seed))


def bits(state: Any) -> dict[str, bytes]:
    return {key: array.tobytes() for key, array in state.canonical().items()}


def assert_equal_states(policy: Policy[Any], one: Any, other: Any, contexts: Array) -> None:
    """To 1e-10 in the sums, to 1e-9 in what is made of them."""
    moving = MOVING.get(policy.name, ())
    for key, array in one.canonical().items():
        if key not in moving:
            np.testing.assert_allclose(array, other.canonical()[key], rtol=1e-10, atol=1e-10)
    if policy.name in DRAWN:
        return
    a, b = (policy.estimates(s, contexts, clock=NOW) for s in (one, other))
    np.testing.assert_allclose(a.mean, b.mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(a.deviation, b.deviation, rtol=1e-9, atol=1e-9)


def test_chances_are_a_distribution_over_the_arms(policy: Policy[Any], contexts: Array) -> None:
    chances = policy.probabilities(taught(policy), contexts, clock=NOW)

    assert chances.shape == (len(contexts), ARMS)
    assert chances.dtype == np.float64
    assert chances.min() >= 0.0
    np.testing.assert_allclose(chances.sum(axis=1), 1.0, atol=1e-12)


def test_an_ineligible_arm_has_no_chance(policy: Policy[Any], contexts: Array) -> None:
    eligible = np.random.default_rng(3).random((len(contexts), ARMS)) < 0.6
    eligible[:, 2] |= ~eligible.any(axis=1)
    eligible[0] = [False, True, False, False]

    chances = policy.probabilities(taught(policy), contexts, eligible=eligible, clock=NOW)

    assert (chances[~eligible] == 0.0).all()
    np.testing.assert_allclose(chances.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_array_equal(chances[0], [0.0, 1.0, 0.0, 0.0])


def test_a_row_without_an_eligible_arm_is_refused(policy: Policy[Any], contexts: Array) -> None:
    nobody = np.zeros((len(contexts), ARMS), dtype=bool)

    with pytest.raises(ValueError, match="needs an eligible arm"):
        policy.probabilities(taught(policy), contexts, eligible=nobody, clock=NOW)


def test_a_state_without_arms_is_refused(policy: Policy[Any], contexts: Array) -> None:
    for rows in (contexts, contexts[:1]):
        with pytest.raises(ValueError, match="without arms"):
            policy.probabilities(policy.start(0), rows)


def test_a_batch_equals_its_rows_asked_one_by_one(policy: Policy[Any], contexts: Array) -> None:
    state, rng = taught(policy), np.random.default_rng(4)
    eligible = rng.random((len(contexts), ARMS)) < 0.7
    eligible[:, 0] = True
    offsets = rng.normal(0.0, 0.1, (len(contexts), ARMS))

    for mask, shift in ((None, None), (eligible, None), (None, offsets), (eligible, offsets)):
        batch = policy.probabilities(state, contexts, eligible=mask, offsets=shift, clock=NOW)
        rows = [
            policy.probabilities(
                state,
                contexts[i : i + 1],
                eligible=None if mask is None else mask[i : i + 1],
                offsets=None if shift is None else shift[i],
                clock=NOW,
            )
            for i in range(len(contexts))
        ]
        np.testing.assert_allclose(batch, np.concatenate(rows), atol=1e-9)


def test_every_arm_eligible_and_no_offset_change_nothing(
    policy: Policy[Any], contexts: Array
) -> None:
    state = taught(policy)
    plain = policy.probabilities(state, contexts, clock=NOW)

    spelled_out = policy.probabilities(
        state,
        contexts,
        eligible=np.ones((len(contexts), ARMS), dtype=bool),
        offsets=np.zeros(ARMS),
        clock=NOW,
    )

    np.testing.assert_allclose(spelled_out, plain, atol=1e-12)


def test_reading_changes_nothing_that_was_learned(policy: Policy[Any], contexts: Array) -> None:
    state = taught(policy)
    before = bits(state)

    for clock in (0.0, NOW, 1e6):
        policy.probabilities(state, contexts, clock=clock)
        policy.probabilities(state, contexts[:1], clock=clock)
        policy.estimates(state, contexts, clock=clock)

    assert bits(state) == before


def test_estimates_stay_what_they_were_while_others_are_asked(
    policy: Policy[Any], contexts: Array
) -> None:
    state = taught(policy)
    held = policy.estimates(state, contexts[:1], clock=NOW)
    mean, deviation = held.mean.copy(), held.deviation.copy()

    policy.estimates(state, contexts[1:2], clock=NOW)
    policy.probabilities(state, contexts[2:3], clock=NOW)

    np.testing.assert_array_equal(held.mean, mean)
    np.testing.assert_array_equal(held.deviation, deviation)


def test_what_was_learned_cannot_be_edited_from_outside(policy: Policy[Any]) -> None:
    for array in taught(policy).canonical().values():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0.0


def test_a_copy_learns_on_its_own(policy: Policy[Any], contexts: Array) -> None:
    state = taught(policy)
    before = bits(state)
    chances = policy.probabilities(state, contexts, clock=NOW)

    other = state.copy()
    assert bits(other) == before
    learn(policy, other, some_observations(seed=9))
    other.add_arm()

    assert bits(state) == before
    np.testing.assert_array_equal(policy.probabilities(state, contexts, clock=NOW), chances)


def test_equal_updates_give_equal_bits_whether_or_not_anyone_reads(
    policy: Policy[Any], contexts: Array
) -> None:
    quiet, watched = taught(policy), policy.start(ARMS)

    for seen in some_observations(seed=1):
        policy.probabilities(watched, contexts, clock=seen.clock)
        learn(policy, watched, [seen])

    assert bits(watched) == bits(quiet)


def test_a_state_comes_back_from_its_canonical_arrays(policy: Policy[Any], contexts: Array) -> None:
    state = taught(policy)

    back = policy.restore(state.canonical())

    assert bits(back) == bits(state)
    np.testing.assert_allclose(
        policy.probabilities(back, contexts, clock=NOW),
        policy.probabilities(state, contexts, clock=NOW),
        atol=1e-9,
    )
    learn(policy, back, some_observations(seed=2))
    assert bits(back) == bits(learn(policy, state, some_observations(seed=2)))


def test_arrays_of_another_shape_are_refused(policy: Policy[Any]) -> None:
    arrays = {key: array[..., None] for key, array in taught(policy).canonical().items()}

    with pytest.raises(ValueError, match="must have shape"):
        policy.restore(arrays)


def test_a_new_arm_knows_nothing_and_leaves_the_others_alone(
    policy: Policy[Any], contexts: Array
) -> None:
    state = taught(policy)
    before = policy.estimates(state, contexts, clock=NOW)
    untaught = policy.estimates(policy.start(1), contexts, clock=NOW)

    state.add_arm()

    after = policy.estimates(state, contexts, clock=NOW)
    assert state.arms == ARMS + 1
    assert state.observations[ARMS] == 0.0
    np.testing.assert_allclose(after.mean[:, :ARMS], before.mean, atol=1e-9)
    if not policy.arms_share:
        np.testing.assert_allclose(after.mean[:, ARMS:], untaught.mean, atol=1e-12)
        np.testing.assert_allclose(after.deviation[:, ARMS:], untaught.deviation, atol=1e-12)
    learn(policy, state, [Seen(ARMS, contexts[0], 1.0, 1.0, NOW)])
    assert state.observations[ARMS] == 1.0


def test_a_dropped_arm_knows_nothing_and_keeps_its_slot(
    policy: Policy[Any], contexts: Array
) -> None:
    state = taught(policy)
    never_taught = learn(
        policy, policy.start(ARMS), [s for s in some_observations(seed=1) if s.arm != 1]
    )

    state.drop_arm(1)

    moving = MOVING.get(policy.name, ())
    kept, wanted = bits(state), bits(never_taught)
    assert {k: kept[k] for k in kept if k not in moving} == {
        k: wanted[k] for k in wanted if k not in moving
    }
    assert_equal_states(policy, state, never_taught, contexts)
    again = [s for s in some_observations(seed=2) if s.arm == 1]
    assert_equal_states(
        policy, learn(policy, state, again), learn(policy, never_taught, again), contexts
    )


def test_the_order_of_observations_does_not_matter_where_that_is_promised(
    policy: Policy[Any], contexts: Array
) -> None:
    seen = some_observations(seed=1)
    shuffled = [seen[i] for i in np.random.default_rng(0).permutation(len(seen))]

    if policy.commutative:
        other = learn(policy, policy.start(ARMS), shuffled)
        assert_equal_states(policy, taught(policy), other, contexts)


def test_late_feedback_counts_as_of_its_decision(policy: Policy[Any], contexts: Array) -> None:
    seen = some_observations(seed=1)
    late, in_time = seen[10:20], seen[:10] + seen[20:]

    state = policy.start(ARMS)
    for s in in_time:
        policy.probabilities(state, contexts[:1], clock=s.clock)
        learn(policy, state, [s])
    learn(policy, state, late)

    assert_equal_states(policy, taught(policy), state, contexts)


@pytest.mark.parametrize("new", [None, 0.9])
def test_a_revised_quality_leaves_no_trace(
    policy: Policy[Any], contexts: Array, new: float | None
) -> None:
    seen = some_observations(seed=1)
    wrong = seen[25]
    right = [] if new is None else [Seen(wrong.arm, wrong.context, new, wrong.weight, wrong.clock)]
    never_wrong = learn(policy, policy.start(ARMS), seen[:25] + right + seen[26:])

    for read_first in (False, True):
        state = taught(policy)
        if read_first:
            policy.estimates(state, contexts, clock=NOW)
        policy.revise(
            state, wrong.arm, wrong.context, wrong.quality, new,
            weight=wrong.weight, clock=wrong.clock,
        )  # fmt: skip

        assert_equal_states(policy, state, never_wrong, contexts)
        np.testing.assert_allclose(state.observations, never_wrong.observations, atol=1e-10)


def test_what_was_never_seen_cannot_be_withdrawn(policy: Policy[Any], contexts: Array) -> None:
    with pytest.raises(ValueError, match="has seen less weight"):
        policy.revise(policy.start(ARMS), 0, contexts[0], 0.5, None)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_poison_is_refused_and_changes_nothing(
    policy: Policy[Any], contexts: Array, poison: float
) -> None:
    state = taught(policy)
    bad = contexts[0].copy()
    bad[1] = poison

    for read_first in (False, True):
        if read_first:
            policy.probabilities(state, contexts, clock=NOW)
        before = bits(state)
        with pytest.raises(ValueError, match="finite"):
            policy.update(state, 0, bad, 0.5, clock=NOW)
        with pytest.raises(ValueError, match=r"finite|\[0, 1\]"):
            policy.update(state, 0, contexts[0], poison, clock=NOW)
        with pytest.raises(ValueError, match="weight"):
            policy.update(state, 0, contexts[0], 0.5, weight=-1.0, clock=NOW)
        assert bits(state) == before


def test_an_offset_never_lowers_an_arms_chance(policy: Policy[Any], contexts: Array) -> None:
    state = taught(policy)
    before = policy.probabilities(state, contexts, clock=NOW)

    for arm in range(ARMS):
        offsets = np.zeros(ARMS)
        offsets[arm] = 50.0
        chances = policy.probabilities(state, contexts, offsets=offsets, clock=NOW)
        assert (chances[:, arm] >= before[:, arm] - 1e-12).all()
        if policy.state_kind != "none":  # who learns nothing also prefers nothing
            assert (chances[:, arm] > SURE.get(policy.name, 0.9)).all()


def test_untaught_arms_share_the_chance_evenly(policy: Policy[Any], contexts: Array) -> None:
    for rows in (contexts, contexts[:1]):
        chances = policy.probabilities(policy.start(ARMS), rows)
        np.testing.assert_allclose(chances, 1.0 / ARMS, atol=1e-9)


def test_a_policy_goes_on_from_the_state_of_its_kind(name: str, contexts: Array) -> None:
    mine = build(name, dim=DIM)
    for other in (build(n, dim=DIM, half_life=20.0) for n in CATALOGUE):
        if other.state_kind == mine.state_kind:
            state = taught(other)
            restored = mine.restore(state.canonical())
            afresh = mine.estimates(restored, contexts, clock=NOW)
            assert bits(restored) == bits(state)
            if type(restored) is type(state):
                taken_over = mine.estimates(state, contexts, clock=NOW)
                np.testing.assert_allclose(taken_over.mean, afresh.mean, atol=1e-9)
