"""A store in memory, written from what ports.py promises and from nothing else.

Dictionaries, one copy a transaction. It holds the constraints of the tables by itself: what the
database would refuse raises Refused. `on_commit` decides what a commit comes to.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from bandit_service.errors import PolicyExists, PolicyNotFound
from bandit_service.model import (
    Checkpoint,
    Decision,
    JournalEntry,
    Learned,
    Lease,
    Limits,
    Outcome,
    Pruned,
    RecordedFeedback,
    RevisionEvent,
    Settlement,
    StoredPolicy,
)
from bandit_service.ports import Ledger
from tests.faults.model_checkpoints import ModelCheckpoints, ModelLeases
from tests.faults.model_retention import let_go


class Refused(Exception):
    """A constraint is broken: a bug of whoever wrote it."""


@dataclass
class Tables:
    policies: dict[int, StoredPolicy] = field(default_factory=dict)
    heads: dict[int, int] = field(default_factory=dict)
    journal: dict[tuple[int, int], JournalEntry] = field(default_factory=dict)
    recorded: dict[tuple[int, str], RecordedFeedback] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)
    requests: dict[tuple[int, str], str] = field(default_factory=dict)
    outcomes: dict[tuple[Any, ...], Outcome] = field(default_factory=dict)
    learned: dict[tuple[str, int], Learned] = field(default_factory=dict)
    checkpoints: dict[int, Checkpoint] = field(default_factory=dict)
    parts: dict[tuple[int, int], bytes] = field(default_factory=dict)  # of checkpoints
    leases: dict[str, tuple[Lease, float]] = field(default_factory=dict)  # until when
    last_policy: int = 0
    last_checkpoint: int = 0

    def copy(self) -> "Tables":
        copied = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict):
                setattr(copied, name, value.copy())
        return copied


class ModelTransaction:
    """See ports.Transaction."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self._locked: set[int] = set()

    def add_decisions(self, decisions: Sequence[Decision]) -> dict[str, Decision]:
        late: dict[str, Decision] = {}
        for one in decisions:
            if one.request_id is not None:
                key = one.policy_id, one.request_id
                holder = self.tables.requests.setdefault(key, one.id)
                if holder != one.id:
                    late[one.id] = self.tables.decisions[holder]
                    continue
            if one.degraded or one.id not in self.tables.decisions:
                self.tables.decisions[one.id] = one
        return late

    def recover_decisions(self, decisions: Sequence[Decision]) -> None:
        raise NotImplementedError  # no tokens in these tests

    def settle(self, settlements: Sequence[Settlement]) -> None:
        raise NotImplementedError  # no budgets in these tests

    def lock_head(self, policy_id: int) -> int:
        if policy_id not in self.tables.heads:
            raise PolicyNotFound(self.tables.policies[policy_id].name)
        self._locked.add(policy_id)
        return self.tables.heads[policy_id]

    def heads(self) -> dict[int, int]:
        return dict(self.tables.heads)

    def events(self, policy_id: int, after: int, limit: int) -> list[JournalEntry]:
        return _events(self.tables, policy_id, after, limit)

    def recorded(self, policy_id: int, feedback_ids: Sequence[str]) -> dict[str, RecordedFeedback]:
        keys = [(policy_id, one) for one in feedback_ids]
        return {k[1]: self.tables.recorded[k] for k in keys if k in self.tables.recorded}

    def decisions(self, ids: Sequence[str]) -> dict[str, Decision]:
        return {one: self.tables.decisions[one] for one in ids if one in self.tables.decisions}

    def standing(self, ids: Sequence[str]) -> tuple[list[Outcome], list[Learned]]:
        outcomes = [one for one in self.tables.outcomes.values() if one.decision_id in ids]
        learned = [one for one in self.tables.learned.values() if one.decision_id in ids]
        return outcomes, learned

    def append(
        self,
        policy_id: int,
        entries: Sequence[JournalEntry],
        recorded: Sequence[RecordedFeedback],
        outcomes: Sequence[Outcome],
        learned: Sequence[Learned],
    ) -> None:
        if policy_id not in self._locked:
            raise Refused("the head is not locked")
        tables = self.tables
        for entry in entries:
            if entry.position != tables.heads[policy_id] + 1:
                raise Refused(f"{entry.position} does not follow {tables.heads[policy_id]}")
            tables.heads[policy_id] = entry.position
            tables.journal[policy_id, entry.position] = entry
        for record in recorded:
            if (policy_id, record.feedback_id) in tables.recorded:
                raise Refused(f"{record.feedback_id} is recorded already")
            tables.recorded[policy_id, record.feedback_id] = record
        for value in (*(one.value for one in outcomes), *(one.value for one in learned)):
            if value is not None and not 0.0 <= value <= 1.0:
                raise Refused(f"{value} is no quality")
        for outcome in outcomes:
            key = outcome.decision_id, outcome.arm, outcome.kind, outcome.source
            tables.outcomes[key] = outcome
        for one in learned:
            tables.learned[one.decision_id, one.arm] = one

    def create_policy(self, name: str, secret: bytes, create_time: float) -> StoredPolicy:
        tables = self.tables
        if any(tables.policies[i].name == name for i in tables.heads):
            raise PolicyExists(name)
        tables.last_policy += 1
        made = StoredPolicy(tables.last_policy, name, secret, create_time)
        tables.policies[made.id], tables.heads[made.id] = made, 0
        return made

    def delete_policy(self, policy_id: int, delete_time: float) -> None:
        self.lock_head(policy_id)
        del self.tables.heads[policy_id]


class ModelStore:
    """See ports.Store. One transaction at a time, as with one writer under the lock."""

    def __init__(self, tables: Tables | None = None) -> None:
        self.tables = tables or Tables()
        self.now: Callable[[], float] = lambda: 0.0  # the database's clock
        self.transaction: Callable[[Tables], ModelTransaction] = ModelTransaction

    def commit(self, tables: Tables) -> None:
        """Makes the copy that a transaction has written the truth."""
        self.tables = tables

    @contextmanager
    def changing(self) -> Iterator[Tables]:
        tables = self.tables.copy()
        yield tables
        self.commit(tables)

    def reading(self) -> Tables:
        return self.tables

    @contextmanager
    def write(self) -> Iterator[ModelTransaction]:
        with self.changing() as tables:
            yield self.transaction(tables)

    def log_decisions(self, decisions: Sequence[Decision]) -> None:
        with self.write() as transaction:
            transaction.add_decisions(decisions)

    def policies(self) -> list[StoredPolicy]:
        living = [self.tables.policies[i] for i in self.tables.heads]
        return sorted(living, key=lambda one: one.name)

    def events(self, policy_id: int, after: int, limit: int) -> list[JournalEntry]:
        return _events(self.tables, policy_id, after, limit)

    def decision(self, decision_id: str) -> Decision | None:
        return self.tables.decisions.get(decision_id)

    def requested(self, policy_id: int, request_id: str) -> Decision | None:
        holder = self.tables.requests.get((policy_id, request_id))
        return None if holder is None else self.tables.decisions[holder]

    def outcomes(self, decision_id: str) -> list[Outcome]:
        found = [one for one in self.tables.outcomes.values() if one.decision_id == decision_id]
        return sorted(found, key=lambda one: (one.position, one.arm, one.kind, one.source))

    def session_arm(self, policy_id: int, session_hash: bytes, since: float) -> int | None:
        mine = self._of(policy_id, lambda one: one.session_hash == session_hash)
        found = [one for one in mine if one.create_time >= since]
        return found[-1].arm if found else None

    def heads(self) -> dict[int, int]:
        return dict(self.tables.heads)

    def revisions(self, policy_id: int, before: int, limit: int) -> list[JournalEntry]:
        raise NotImplementedError  # read by people only

    def recent(
        self, policy_id: int, limit: int
    ) -> tuple[list[Decision], dict[tuple[str, int], float]]:
        raise NotImplementedError  # read by previews only

    def last_revisions(self) -> dict[int, RevisionEvent]:
        found: dict[int, RevisionEvent] = {}
        for policy_id, position in sorted(self.tables.journal):
            event = self.tables.journal[policy_id, position].event
            if policy_id in self.tables.heads and isinstance(event, RevisionEvent):
                found[policy_id] = event
        return found

    def last_clock(self, policy_id: int) -> float | None:
        found = self._of(policy_id, lambda one: True)
        return max((one.clock for one in found), default=None)

    def _of(self, policy_id: int, wanted: Callable[[Decision], bool]) -> list[Decision]:
        mine = [d for d in self.tables.decisions.values() if d.policy_id == policy_id and wanted(d)]
        return sorted(mine, key=lambda one: one.id)

    @property
    def checkpoints(self) -> ModelCheckpoints:
        return ModelCheckpoints(self.changing, self.reading)

    @property
    def leases(self) -> ModelLeases:
        return ModelLeases(self.changing, self.reading, self.now)

    @property
    def ledger(self) -> Ledger:
        raise NotImplementedError

    def make_partitions(self, now: float) -> list[str]:
        return []

    def prune(self, limits: Limits, dry_run: bool) -> list[Pruned]:
        with self.changing() as tables:
            return let_go(tables, limits)

    def abandon(self) -> None:
        """Nobody waits for memory."""

    def close(self) -> None:
        pass


def _events(tables: Tables, policy_id: int, after: int, limit: int) -> list[JournalEntry]:
    """What retention has let go is passed over."""
    head = tables.heads.get(policy_id, 0)
    mine = (tables.journal.get((policy_id, place)) for place in range(after + 1, head + 1))
    return list(islice(filter(None, mine), limit))
