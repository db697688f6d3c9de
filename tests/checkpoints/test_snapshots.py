"""Checkpoint and tail are the fold from zero, bit for bit, wherever the checkpoint lies."""

from typing import Any, cast

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit_service.checkpoints import pack, unpack
from bandit_service.engine import PolicyEngine
from bandit_service.model import (
    Algorithm,
    Clock,
    Decision,
    Features,
    Forgetting,
    JournalEntry,
    Lesson,
    RevisionEvent,
    VectorFeatures,
)
from policies import CATALOGUE
from tests.builders import NOW, a_config, a_feedback_event, a_query, a_revision, packed, shape_of
from tests.checkpoints.folds import IDENTITY, as_identity, folded, go_on
from tests.service.journals import RandomJournal

replace = msgspec.structs.replace


def through_bytes(engine: PolicyEngine) -> PolicyEngine:
    snapshot = unpack(bytes(pack(engine.snapshot())))
    return PolicyEngine.restored(IDENTITY, shape_of, snapshot)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    algorithm=st.sampled_from(sorted(CATALOGUE)),
    half_life=st.sampled_from([None, 100.0]),
    positions=st.lists(st.integers(1, 120), min_size=1, max_size=4),
)
def test_a_checkpoint_anywhere_makes_no_difference(
    seed: int, algorithm: str, half_life: float | None, positions: list[int]
) -> None:
    """Through revisions, arms that come and go, and learning that starts afresh; restarted at
    each of the positions."""
    journal = RandomJournal(seed, algorithm, half_life)
    events = journal.write(119)
    truth = folded(events)

    engine = PolicyEngine(IDENTITY, shape_of)
    for position in sorted(positions):
        go_on(engine, events[:position])
        engine = through_bytes(engine)
    go_on(engine, events)

    assert engine.state_hash() == truth.state_hash()
    assert engine.view() == truth.view()
    assert engine.terms() == truth.terms()
    assert engine.state_view() == truth.state_view()
    assert engine.snapshot().folded == truth.snapshot().folded


def test_the_random_journals_do_all_that() -> None:
    """Or the test above shows little."""
    events = [event for seed in range(20) for event in RandomJournal(seed, "linucb").write(119)]
    revisions = [event for event in events if isinstance(event, RevisionEvent)]

    assert {len(one.config.arms) for one in revisions} >= {3, 4, 5}
    assert any(one.started_epoch > 0 for one in revisions)
    assert {arm.state.value for one in revisions for arm in one.config.arms} == {
        "active", "retired", "removed"
    }  # fmt: skip


def test_what_is_decided_after_a_restart_is_what_would_have_been() -> None:
    events = RandomJournal(4, "hierarchical_thompson").write(100)
    one = folded(events)
    other = through_bytes(one)
    contexts = np.array([[0.6, 0.8, 1.0]])
    ids = ["00000000-0000-7000-8000-000000000001"]

    answers = [engine.decide([a_query()], contexts, NOW, ids)[0] for engine in (one, other)]
    mine, theirs = (cast(Decision, answer) for answer in answers)

    assert (mine.arm, mine.revision, mine.position) == (
        theirs.arm,
        theirs.revision,
        theirs.position,
    )
    np.testing.assert_allclose(
        np.frombuffer(mine.probabilities), np.frombuffer(theirs.probabilities), atol=1e-9
    )


def test_a_snapshot_stays_what_it_was_while_the_engine_goes_on() -> None:
    events = RandomJournal(5, "linear_thompson").write(100)
    engine = folded(events[:50])
    before, then = bytes(pack(engine.snapshot())), engine.state_hash()
    snapshot = engine.snapshot()

    go_on(engine, events)

    assert snapshot.state_hash() == then != engine.state_hash()
    assert bytes(pack(snapshot)) == before


def test_arms_that_rest_after_failures_rest_after_a_restart() -> None:
    failures = [a_feedback_event(failed_arm=1, time=NOW + i) for i in range(6)]
    engine = folded([a_revision(a_config()), *failures])

    restored = through_bytes(engine)

    assert restored.calls.troubled
    assert restored.calls.resting(NOW + 7).tolist() == [False, True, False]


def test_an_engine_that_failed_half_way_gives_no_snapshot() -> None:
    engine = folded([a_revision(a_config())])
    good = Lesson(0, packed(0.6, 0.8, 1.0), NOW, None, 1.0)
    event = a_feedback_event(good, replace(good, arm=9))
    with pytest.raises(IndexError):
        engine.apply(JournalEntry(2, event))

    with pytest.raises(ValueError, match="entry 2 was folded in only in part"):
        engine.snapshot()


def test_the_clock_of_requests_goes_on() -> None:
    config = a_config(forgetting=Forgetting(half_life=50.0, clock=Clock.REQUESTS))
    engine = folded([a_revision(config)])

    assert through_bytes(engine).counts_requests()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"policy_id": 2}, "of policy 2, not of 1"),
        ({"fold_version": 99}, "fold version 99, not 1"),
        ({"feature_version": "another"}, "features are another"),
        ({"config": a_config(arms=a_config().arms[:2])}, "as many arms"),
        ({"config": a_config(algorithm=Algorithm(name="unheard of"))}, "unknown policy"),
        (
            {
                "config": a_config(features=Features(vector=VectorFeatures(dimension=5))),
                "feature_version": "vector.v1:5+constant",
            },
            "must have shape",
        ),
    ],
)
def test_a_snapshot_that_does_not_fit_makes_no_engine(changes: dict[str, Any], why: str) -> None:
    snapshot = folded([a_revision(a_config())]).snapshot()
    other = type(snapshot)(replace(snapshot.folded, **changes), snapshot.state, snapshot.calls)

    with pytest.raises(Exception, match=why):  # of several kinds, see recovery.restored
        PolicyEngine.restored(as_identity(IDENTITY), shape_of, other)
