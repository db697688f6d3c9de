"""Records for the store's tests, and the few steps that most of them begin with."""

from typing import Any

from bandit_service.model import (
    Effect,
    EnergySource,
    JournalEntry,
    Kind,
    Learned,
    Outcome,
    RecordedFeedback,
    Source,
    StoredPolicy,
    Usage,
)
from bandit_service.ports import Store, Transaction
from tests.builders import NOW, SECRET, a_feedback_event

# What may stand in an id or a name. NUL is refused before it comes here.
HOSTILE = '\'; DROP TABLE decision; -- "%s" ?1 :a {x} \\ \n \t é 漢字 🦜 \u202e \uffff'
EVERY_BYTE = bytes(range(256))
FULL_USAGE = Usage(0.1, 2**53 + 1, 0, 5e-324, 1e-9, 1e17, EnergySource.SAMPLED)


def an_outcome(**changes: Any) -> Outcome:
    given: dict[str, Any] = {
        "decision_id": "d1",
        "arm": 0,
        "kind": Kind.SUCCESS,
        "source": Source.USER,
        "position": 1,
        "update_time": NOW,
    }
    if changes.get("kind", Kind.SUCCESS) is Kind.SUCCESS:
        given["value"] = 1.0
    return Outcome(**(given | changes))


def a_learned(**changes: Any) -> Learned:
    given: dict[str, Any] = {"decision_id": "d1", "arm": 0, "value": 1.0, "epoch": 0}
    return Learned(**(given | changes))


def a_recorded(feedback_id: str = "f1", position: int = 1, **changes: Any) -> RecordedFeedback:
    given: dict[str, Any] = {"digest": b"digest", "effect": Effect.LEARNED}
    return RecordedFeedback(feedback_id=feedback_id, position=position, **(given | changes))


def a_policy(store: Store, name: str = "chat") -> StoredPolicy:
    """A policy, created and committed."""
    with store.write() as transaction:
        return transaction.create_policy(name, SECRET, NOW)


def append(transaction: Transaction, policy_id: int, *feedback_ids: str) -> list[int]:
    """Appends one event for each id; returns their positions."""
    head = transaction.lock_head(policy_id)
    entries = [
        JournalEntry(position, a_feedback_event(feedback_id=feedback_id))
        for position, feedback_id in enumerate(feedback_ids, head + 1)
    ]
    recorded = [a_recorded(one.event.feedback_id, one.position) for one in entries]  # type: ignore[union-attr]
    transaction.append(policy_id, entries, recorded, [], [])
    return [one.position for one in entries]
