"""What was changed about a policy: from the revisions of its journal to their differences. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from bandit_service.engine import etag
from bandit_service.model import (
    FieldChange,
    JournalEntry,
    PolicyConfig,
    RevisionEvent,
    RevisionView,
)


def history(policy_id: int, entries: Sequence[JournalEntry]) -> list[RevisionView]:
    """The revisions among the entries, the latest first.

    entries: revisions by position. Unless the first of them is the policy's first, it only
    serves to tell what the second changed.
    """
    views: list[RevisionView] = []
    before: RevisionEvent | None = None
    for entry in entries:
        event = entry.event
        if not isinstance(event, RevisionEvent):
            continue
        if before is not None or event.revision == 1:
            views.append(_view(policy_id, entry.position, before, event))
        before = event
    return views[::-1]


def _view(
    policy_id: int, position: int, before: RevisionEvent | None, event: RevisionEvent
) -> RevisionView:
    return RevisionView(
        revision=event.revision,
        etag=etag(policy_id, event.revision),
        position=position,
        time=event.time,
        author=event.author,
        reason=event.reason,
        restarted=before is not None and event.started_epoch != before.started_epoch,
        changes=() if before is None else differences(before.config, event.config),
    )


def differences(old: PolicyConfig, new: PolicyConfig) -> tuple[FieldChange, ...]:
    """Every field that is not the same, at its own path, by the order of the configuration."""
    return tuple(_compared("", _by_name(old), _by_name(new)))


def _by_name(config: PolicyConfig) -> dict[str, Any]:
    """Plain values, with arms and challengers by name: a number means nothing to anybody."""
    plain: dict[str, Any] = msgspec.to_builtins(config)
    arms, challengers = plain.pop("arms"), plain.pop("challengers")
    named = {f"challengers[{one['name']}]": one for one in challengers}
    return plain | named | {f"arms[{arm['name']}]": arm for arm in arms}


def _compared(path: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[FieldChange]:
    for name in dict.fromkeys((*old, *new)):
        where = f"{path}.{name}" if path else name
        before, after = old.get(name, msgspec.UNSET), new.get(name, msgspec.UNSET)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _compared(where, before, after)
        else:
            yield FieldChange(where, _json(before), _json(after))


def _json(value: Any) -> str | None:
    return None if value is msgspec.UNSET else msgspec.json.encode(value).decode()
