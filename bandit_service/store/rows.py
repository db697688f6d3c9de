"""Records to columns, rows to records. No float is rounded, no byte is touched.

An enum is written by its `_value_`, a plain attribute; `value` runs Python code.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from bandit_service.errors import NotUnderstood
from bandit_service.model import (
    Decision,
    Effect,
    Failure,
    FeedbackEvent,
    JournalEntry,
    Kind,
    Learned,
    Outcome,
    RecordedFeedback,
    RevisionEvent,
    Source,
    Unread,
    Usage,
    pack_calls,
    unpack_calls,
)
from bandit_service.model.stored import event_body, read_event

Row = Sequence[Any]
Columns = list[tuple[Any, ...]]

_decision_fields = attrgetter(*Decision.__struct_fields__)
_FLAGS = tuple(
    Decision.__struct_fields__.index(name)
    for name in ("forced", "sticky", "observed", "degraded", "recovered")
)
_UNKNOWN = Usage()
_USAGE = 8  # where a usage begins in a row of an outcome


def columns(rows: Iterable[Row]) -> Columns:
    return list(zip(*rows, strict=True))


def decision_columns(decisions: Iterable[Decision]) -> Columns:
    return columns(map(_decision_fields, decisions))


def decision_of(row: Row) -> Decision:
    values = list(row)
    for place in _FLAGS:
        values[place] = bool(values[place])  # SQLite gives numbers
    return Decision(*values)


def journal_row(policy_id: int, entry: JournalEntry) -> Row:
    event = entry.event
    assert not isinstance(event, Unread)
    kind = "feedback" if isinstance(event, FeedbackEvent) else "revision"
    return policy_id, entry.position, kind, event_body(event), event.time


def entry_of(row: Row) -> JournalEntry:
    position, body = row
    return JournalEntry(position, read_event(body))


def revision_of(policy: str, row: Row) -> RevisionEvent:
    """A row that holds a revision. Raises NotUnderstood."""
    entry = entry_of(row)
    if isinstance(entry.event, Unread):
        raise NotUnderstood(policy, entry.position, entry.event.why)
    assert isinstance(entry.event, RevisionEvent)
    return entry.event


def recorded_row(policy_id: int, one: RecordedFeedback) -> Row:
    return policy_id, one.feedback_id, one.digest, one.position, one.effect._value_


def recorded_of(row: Row) -> RecordedFeedback:
    feedback_id, digest, position, effect = row
    return RecordedFeedback(feedback_id, digest, position, Effect(effect))


def outcome_row(one: Outcome) -> Row:
    usage = one.usage or _UNKNOWN
    return (
        one.decision_id,
        one.arm,
        one.kind._value_,
        one.source._value_,
        one.position,
        one.update_time,
        one.value,
        one.failure and one.failure._value_,
        usage.cost_usd,
        usage.input_tokens,
        usage.output_tokens,
        usage.latency_seconds,
        usage.time_to_first_token_seconds,
        usage.energy_joules,
        usage.energy_source and usage.energy_source._value_,
        pack_calls(usage.other_calls) if usage.other_calls else None,
    )


def outcome_of(row: Row) -> Outcome:
    decision_id, arm, kind, source, position, update_time, value, failure = row[:_USAGE]
    usage = None
    if kind == Kind.USAGE:
        *amounts, others = row[_USAGE:]
        reported = zip(Usage.__struct_fields__, amounts, strict=False)
        usage = msgspec.convert(dict(reported), Usage)
        if others is not None:
            usage = msgspec.structs.replace(usage, other_calls=unpack_calls(others))
    return Outcome(
        decision_id,
        arm,
        Kind(kind),
        Source(source),
        position,
        update_time,
        value,
        failure and Failure(failure),
        usage,
    )


def learned_row(one: Learned) -> Row:
    return one.decision_id, one.arm, one.value, one.epoch


def learned_of(row: Row) -> Learned:
    return Learned(*row)
