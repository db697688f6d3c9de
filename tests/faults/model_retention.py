"""What the store in memory lets go: the same as a database that has no partitions."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from bandit_service.model import (
    FeedbackEvent,
    JournalEntry,
    Limits,
    Pruned,
    RevisionEvent,
    smallest_id,
)

if TYPE_CHECKING:
    from tests.faults.model_store import Tables

K = TypeVar("K")


def let_go(tables: "Tables", limits: Limits) -> list[Pruned]:
    """Removes what the limits allow, and says how many rows of each table that were."""
    gone: dict[str, int] = {}

    def remove(name: str, rows: dict[K, Any], is_old: Callable[[K], bool]) -> None:
        old = [key for key in rows if is_old(key)]
        for key in old:
            del rows[key]
        gone[name] = gone.get(name, 0) + len(old)

    if limits.decisions_before is not None:
        bound, kept = smallest_id(limits.decisions_before), _last_decisions(tables)
        requests = tables.requests
        remove("route_request", requests, lambda key: requests[key] < bound)
        remove("decision", tables.decisions, lambda key: key < bound and key not in kept)
        remove("outcome", tables.outcomes, lambda key: key[0] < bound)
        remove("learned", tables.learned, lambda key: key[0] < bound)
    if limits.feedback_ids_before is not None:
        recorded = tables.recorded
        for policy, head in tables.heads.items():
            last = _last_before(tables, policy, limits.feedback_ids_before, head)
            remove(
                "recorded_feedback",
                recorded,
                lambda key, policy=policy, last=last: (  # type: ignore[misc]
                    key[0] == policy and recorded[key].position <= last
                ),
            )
    if limits.journal_before is not None:
        journal = tables.journal
        for policy, position in limits.journal.items():
            last = min(position, _last_before(tables, policy, limits.journal_before, position))
            remove(
                "journal",
                journal,
                lambda key, policy=policy, last=last: (  # type: ignore[misc]
                    key[0] == policy
                    and key[1] <= last
                    and isinstance(journal[key].event, FeedbackEvent)
                ),
            )
    return [Pruned(name, rows) for name, rows in gone.items() if rows]


def _last_decisions(tables: "Tables") -> set[str]:
    """The one that holds the clock of each policy that lives."""
    last: dict[int, tuple[float, str]] = {}
    for one in tables.decisions.values():
        if one.policy_id in tables.heads:
            last[one.policy_id] = max(last.get(one.policy_id, (0.0, "")), (one.clock, one.id))
    return {name for _, name in last.values()}


def _last_before(tables: "Tables", policy: int, before: float, head: int) -> int:
    """The last position up to `head` with older events before it, by bisection: where clocks have
    jumped, times fall with positions, and which of several places it is, is the databases' choice.
    """
    places = sorted(position for one, position in tables.journal if one == policy)
    low, high = 1, head + 1
    while low < high:
        middle = (low + high) // 2
        found = next((place for place in places if place >= middle), None)
        if found is None or _time_of(tables.journal[policy, found]) >= before:
            high = middle
        else:
            low = found + 1
    return min(low - 1, head)


def _time_of(entry: JournalEntry) -> float:
    assert isinstance(entry.event, FeedbackEvent | RevisionEvent)
    return entry.event.time
