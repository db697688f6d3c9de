"""What every store promises of policies, their journals, and what feedback leaves behind."""

import struct

import pytest

from bandit_service.errors import PolicyExists, PolicyNotFound
from bandit_service.model import (
    Comparison,
    Effect,
    Event,
    JournalEntry,
    Usage,
    UsageLesson,
)
from bandit_service.ports import Store
from tests.builders import NOW, a_config, a_decision, a_feedback_event, a_lesson, a_revision
from tests.store.records import (
    EVERY_BYTE,
    FULL_USAGE,
    HOSTILE,
    a_learned,
    a_policy,
    a_recorded,
    an_outcome,
    append,
)


def test_a_policy_comes_back_with_its_secret(store: Store) -> None:
    with store.write() as transaction:
        made = transaction.create_policy(HOSTILE, EVERY_BYTE, 1_763_774_242.123457)

    assert store.policies() == [made]
    assert (made.name, made.secret) == (HOSTILE, EVERY_BYTE)
    assert made.create_time == 1_763_774_242.123457


def test_policies_are_listed_by_name_bytewise(store: Store) -> None:
    for name in ("b", "B", "a", "é"):
        a_policy(store, name)

    assert [one.name for one in store.policies()] == ["B", "a", "b", "é"]


def test_a_name_is_taken_once(store: Store) -> None:
    kept = a_policy(store)

    with pytest.raises(PolicyExists, match="policy 'chat' exists already"):
        a_policy(store)

    assert store.policies() == [kept]


def test_a_deleted_policy_frees_its_name_and_keeps_its_rows(store: Store) -> None:
    old = a_policy(store)
    with store.write() as transaction:
        transaction.add_decisions([a_decision(policy_id=old.id)])
        append(transaction, old.id, "f1")
    with store.write() as transaction:
        transaction.delete_policy(old.id, NOW)

    assert store.policies() == []
    new = a_policy(store)

    assert new.id != old.id
    assert store.policies() == [new]
    assert store.decision("d1") is not None
    assert len(store.events(old.id, 0, 9)) == 1
    assert store.events(new.id, 0, 9) == []


def test_a_deleted_policy_has_no_head_to_lock(store: Store) -> None:
    policy = a_policy(store)
    with store.write() as transaction:
        transaction.delete_policy(policy.id, NOW)

    with store.write() as transaction, pytest.raises(PolicyNotFound, match="no policy 'chat'"):
        transaction.lock_head(policy.id)
    with store.write() as transaction, pytest.raises(PolicyNotFound):
        transaction.delete_policy(policy.id, NOW)
    with store.write() as transaction, pytest.raises(PolicyNotFound, match="'99'"):
        transaction.lock_head(99)


def test_every_kind_of_event_comes_back_as_it_went_in(store: Store) -> None:
    policy = a_policy(store)
    odd = struct.pack("<Qd", 0x7FF0DEADBEEF0001, -0.0)
    full = a_feedback_event(
        a_lesson(1, None, old=0.1, context=odd),
        a_lesson(2, 5e-324),
        feedback_id=HOSTILE,
        comparison=Comparison(0, odd, 1, b"", HOSTILE, NOW, 0.5),
        usage=UsageLesson(0, NOW, FULL_USAGE, Usage(cost_usd=0.0)),
        failed_arm=1,
        served_arm=2,
    )
    events: list[Event] = [a_revision(a_config()), a_feedback_event(), full]
    entries = [JournalEntry(n, event) for n, event in enumerate(events, 1)]

    with store.write() as transaction:
        assert transaction.lock_head(policy.id) == 0
        transaction.append(policy.id, entries, [], [], [])
        assert transaction.events(policy.id, 0, 9) == entries

    assert store.events(policy.id, 0, 9) == entries


def test_events_are_read_in_order_from_a_position_on(store: Store) -> None:
    policy = a_policy(store)
    with store.write() as transaction:
        append(transaction, policy.id, *(f"f{n}" for n in range(300)))

    assert [one.position for one in store.events(policy.id, 0, 1000)] == list(range(1, 301))
    assert [one.position for one in store.events(policy.id, 9, 2)] == [10, 11]
    assert store.events(policy.id, 300, 9) == []


def test_the_head_follows_what_is_appended(store: Store) -> None:
    policy = a_policy(store)

    with store.write() as transaction:
        assert append(transaction, policy.id, "a", "b") == [1, 2]
        assert append(transaction, policy.id, "c") == [3]
    with store.write() as transaction:
        assert append(transaction, policy.id, "d") == [4]


@pytest.mark.parametrize("positions", [(2,), (1, 3), (2, 1), (0,)])
def test_a_gap_in_the_positions_is_refused(store: Store, positions: tuple[int, ...]) -> None:
    policy = a_policy(store)
    entries = [JournalEntry(position, a_feedback_event()) for position in positions]

    def append_them() -> None:
        with store.write() as transaction:
            transaction.lock_head(policy.id)
            transaction.append(policy.id, entries, [], [], [])

    with pytest.raises(ValueError, match="do not follow"):
        append_them()

    assert store.events(policy.id, 0, 9) == []


def test_nothing_is_appended_without_the_lock(store: Store) -> None:
    policy = a_policy(store)

    with pytest.raises(KeyError), store.write() as transaction:
        transaction.append(policy.id, [JournalEntry(1, a_feedback_event())], [], [], [])

    assert store.events(policy.id, 0, 9) == []


def test_answers_to_feedback_are_found_by_their_id(store: Store) -> None:
    policy = a_policy(store)
    answers = [
        a_recorded(HOSTILE, 1, digest=EVERY_BYTE, effect=Effect.ARM_REMOVED),
        *(a_recorded(f"f{n}", 1) for n in range(100)),
    ]
    with store.write() as transaction:
        transaction.append(policy.id, [], answers, [], [])

    with store.write() as transaction:
        found = transaction.recorded(policy.id, [one.feedback_id for one in answers] + ["new"])
        assert transaction.recorded(policy.id + 1, ["f1"]) == {}

    assert found == {one.feedback_id: one for one in answers}


def test_an_error_takes_back_everything(store: Store) -> None:
    policy = a_policy(store)

    def fail_half_way() -> None:
        with store.write() as transaction:
            transaction.create_policy("other", b"secret", NOW)
            transaction.add_decisions([a_decision(policy_id=policy.id, request_id="r")])
            append(transaction, policy.id, "f1")
            transaction.append(policy.id, [], [], [an_outcome()], [a_learned()])
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way()

    assert store.policies() == [policy]
    assert store.decision("d1") is None
    assert store.events(policy.id, 0, 9) == []
    assert store.outcomes("d1") == []
    with store.write() as transaction:  # the request id and the positions are free again
        assert transaction.add_decisions([a_decision(id="d2", request_id="r")]) == {}
        assert append(transaction, policy.id, "f1") == [1]


def test_a_refusal_takes_back_what_came_before_it(store: Store) -> None:
    def add_then_ask_for_nobody() -> None:
        with store.write() as transaction:
            transaction.add_decisions([a_decision()])
            transaction.lock_head(99)

    with pytest.raises(PolicyNotFound):
        add_then_ask_for_nobody()

    assert store.decision("d1") is None


def test_readers_do_not_wait_for_the_writer(store: Store) -> None:
    with store.write() as transaction:
        append(transaction, transaction.create_policy("chat", b"secret", NOW).id, "f1")

        assert store.policies() == []
