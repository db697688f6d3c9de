"""The store in SQL: the same code for SQLite and Postgres."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from operator import attrgetter

from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError

from bandit_service import failpoints
from bandit_service.errors import BanditError, HeadLocked, PolicyExists, PolicyNotFound
from bandit_service.model import (
    Decision,
    JournalEntry,
    Learned,
    Limits,
    Outcome,
    Pruned,
    RecordedFeedback,
    RevisionEvent,
    Settlement,
    StoredPolicy,
    smallest_id,
)
from bandit_service.ports import Transaction
from bandit_service.store import charging, ledger_rows, partitions, pruning, rows
from bandit_service.store.bulk import AT_ONCE, Bulk, replacing
from bandit_service.store.checkpoints import SqlCheckpoints, SqlLeases
from bandit_service.store.connections import Lines, Writers
from bandit_service.store.engine import (
    LOCK_NOT_AVAILABLE,
    WAIT_SECONDS,
    answering,
    is_sqlite,
    telling,
)
from bandit_service.store.ledger import SqlLedger
from bandit_service.store.queries import Queries
from bandit_service.store.tables import (
    journal,
    learned,
    outcome,
    policy,
    policy_head,
    recorded_feedback,
    route_request,
)

RECENTLY = 14 * 86_400.0  # seconds
_OUTCOME_KEY = ("decision_id", "arm", "kind", "source")
_LEARNED_KEY = ("decision_id", "arm")
_request_key = attrgetter("policy_id", "request_id")
_outcome_key = attrgetter(*_OUTCOME_KEY)
_learned_key = attrgetter(*_LEARNED_KEY)

_claim_requests = Bulk(route_request, "ON CONFLICT (policy_id, request_id) DO NOTHING")
_append_journal = Bulk(journal)
_record_feedback = Bulk(recorded_feedback)
_replace_outcomes = Bulk(outcome, replacing(outcome.columns.keys(), _OUTCOME_KEY))
_replace_learned = Bulk(learned, replacing(learned.columns.keys(), _LEARNED_KEY))


class SqlTransaction:
    """See ports.Transaction. Lives as long as the context that made it."""

    def __init__(self, connection: Connection, queries: Queries) -> None:
        self._connection = connection
        self._queries = queries
        self._heads: dict[int, int] = {}  # of the policies locked
        self._draws: dict[int, tuple[int, int]] = {}  # of leases on budgets
        self._settlements: list[Settlement] = []

    def add_decisions(self, decisions: Sequence[Decision]) -> dict[str, Decision]:
        asked = [one for one in decisions if one.request_id is not None]
        holders = self._claim(asked) if asked else {}
        kept = [one for one in decisions if one.id not in holders] if holders else decisions
        if kept and any(one.spending is not None for one in kept):
            drawn, settled = charging.add_charged(self._connection, self._queries, kept)
            self._draws |= drawn
            self._settlements += settled
        elif kept:
            charging.add_decisions.insert(self._connection, rows.decision_columns(kept))
        if not holders:
            return {}
        found = self._queries.decisions(self._connection, set(holders.values()))
        return {loser: found[holder] for loser, holder in holders.items()}

    def settle(self, settlements: Sequence[Settlement]) -> None:
        self._settlements += settlements

    def book(self) -> None:
        """The last before the commit: rows of the ledger are locked for a moment only."""
        if self._draws or self._settlements:
            ledger_rows.book(self._connection, self._draws, self._settlements)

    def recover_decisions(self, decisions: Sequence[Decision]) -> None:
        charging.recover_decisions.insert(self._connection, rows.decision_columns(decisions))

    def _claim(self, asked: list[Decision]) -> dict[str, str]:
        """Takes the request ids; for each decision that came late, the id of the holder."""
        # In one order, so that two replicas never wait for each other; the sort is stable,
        # so the first of equals wins.
        asked = sorted(asked, key=_request_key)
        claims = [(one.policy_id, one.request_id, one.id) for one in asked]
        taken = _claim_requests.insert(self._connection, rows.columns(claims))
        if taken == len(claims):
            return {}
        # A second statement: the first one's snapshot may be older than the other's commit.
        late: dict[str, str] = {}
        for policy_id in {one.policy_id for one in asked}:
            mine = [one for one in asked if one.policy_id == policy_id]
            wanted = {str(one.request_id) for one in mine}
            holders = self._queries.holders(self._connection, policy_id, wanted)
            for one in mine:
                if (holder := holders[str(one.request_id)]) != one.id:
                    late[one.id] = holder
        return late

    def lock_head(self, policy_id: int) -> int:
        # A statement of its own: what is read after it sees all that was committed while
        # this one waited.
        try:
            head = self._queries.lock_head(self._connection, policy_id)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", "") == LOCK_NOT_AVAILABLE:
                raise HeadLocked(policy_id) from error
            raise
        if head is None:
            raise PolicyNotFound(self._name_of(policy_id))
        self._heads[policy_id] = head
        return head

    def heads(self) -> dict[int, int]:
        return self._queries.heads(self._connection)

    def _name_of(self, policy_id: int) -> str:
        name = self._connection.scalar(select(policy.c.name).where(policy.c.id == policy_id))
        return str(policy_id) if name is None else name

    def events(self, policy_id: int, after: int, limit: int) -> list[JournalEntry]:
        return self._queries.events(self._connection, policy_id, after, limit)

    def recorded(self, policy_id: int, feedback_ids: Sequence[str]) -> dict[str, RecordedFeedback]:
        return self._queries.recorded(self._connection, policy_id, feedback_ids)

    def decisions(self, ids: Sequence[str]) -> dict[str, Decision]:
        return self._queries.decisions(self._connection, ids)

    def standing(self, ids: Sequence[str]) -> tuple[list[Outcome], list[Learned]]:
        return (
            self._queries.outcomes(self._connection, ids),
            self._queries.learned(self._connection, ids),
        )

    def append(
        self,
        policy_id: int,
        entries: Sequence[JournalEntry],
        recorded: Sequence[RecordedFeedback],
        outcomes: Sequence[Outcome],
        learned: Sequence[Learned],
    ) -> None:
        connection = self._connection
        if entries:
            self._move_head(policy_id, entries)
            failpoints.hit("after_head")
            added = [rows.journal_row(policy_id, one) for one in entries]
            _append_journal.insert(connection, rows.columns(added))
            failpoints.hit("after_journal")
        if recorded:
            answers = [rows.recorded_row(policy_id, one) for one in recorded]
            _record_feedback.insert(connection, rows.columns(answers))
            failpoints.hit("after_recorded")
        if outcomes:  # the last of equal keys: one statement may not write a row twice
            last = {_outcome_key(one): one for one in outcomes}
            _replace_outcomes.insert(connection, rows.columns(map(rows.outcome_row, last.values())))
        if learned:
            newest = {_learned_key(one): one for one in learned}
            _replace_learned.insert(
                connection, rows.columns(map(rows.learned_row, newest.values()))
            )

    def _move_head(self, policy_id: int, entries: Sequence[JournalEntry]) -> None:
        head = self._heads[policy_id]  # KeyError: not locked, a bug
        wanted = range(head + 1, head + 1 + len(entries))
        if [one.position for one in entries] != list(wanted):
            raise ValueError(f"positions do not follow the head, {head}")
        self._heads[policy_id] = wanted[-1]
        self._queries.move_head(self._connection, policy_id, wanted[-1])

    def create_policy(self, name: str, secret: bytes, create_time: float) -> StoredPolicy:
        dialect = sqlite if is_sqlite(self._connection) else postgresql
        policy_id = self._connection.scalar(
            dialect.insert(policy)
            .values(name=name, secret=secret, create_time=create_time)
            .on_conflict_do_nothing()
            .returning(policy.c.id)
        )
        if policy_id is None:
            raise PolicyExists(name)
        self._connection.execute(insert(policy_head).values(policy_id=policy_id, head=0))
        return StoredPolicy(policy_id, name, secret, create_time)

    def delete_policy(self, policy_id: int, delete_time: float) -> None:
        self.lock_head(policy_id)  # whoever appends now finishes first
        del self._heads[policy_id]
        self._connection.execute(delete(policy_head).where(policy_head.c.policy_id == policy_id))
        self._connection.execute(
            update(policy).where(policy.c.id == policy_id).values(delete_time=delete_time)
        )


class SqlStore:
    """See ports.Store. Keeps two connections for writing, and a pool for readers."""

    def __init__(self, engine: Engine, partition_days: int) -> None:
        self._engine = engine
        self._partition_days = partition_days
        self._queries = Queries(engine.dialect.name)
        # A single read needs no BEGIN and COMMIT, each a journey to the server and back.
        self._reading = (
            engine if is_sqlite(engine) else engine.execution_options(isolation_level="AUTOCOMMIT")
        )
        self._writers = Writers(engine)
        self._lines = Lines(engine)
        # SQLite has one writer, and whoever finds it busy sleeps: ours wait for each other.
        alone = self._alone if is_sqlite(engine) else nullcontext
        self.leases = SqlLeases(engine, alone)
        self.checkpoints = SqlCheckpoints(engine, alone)
        self.ledger = SqlLedger(engine, alone)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._writers.lock:
            yield

    def policies(self) -> list[StoredPolicy]:
        with self._read() as connection:
            return self._queries.policies(connection)

    def events(self, policy_id: int, after: int, limit: int) -> list[JournalEntry]:
        with self._read() as connection:
            return self._queries.events(connection, policy_id, after, limit)

    def decision(self, decision_id: str) -> Decision | None:
        with self._read() as connection:
            return self._queries.decisions(connection, [decision_id]).get(decision_id)

    def requested(self, policy_id: int, request_id: str) -> Decision | None:
        with self._read() as connection:
            holders = self._queries.holders(connection, policy_id, {request_id})
            ids = list(holders.values())
            return self._queries.decisions(connection, ids).get(ids[0]) if ids else None

    def outcomes(self, decision_id: str) -> list[Outcome]:
        with self._read() as connection:
            return self._queries.outcomes(connection, [decision_id])

    def session_arm(self, policy_id: int, session_hash: bytes, since: float) -> int | None:
        with self._read() as connection:
            first_id = smallest_id(since)
            return self._queries.session_arm(connection, policy_id, session_hash, first_id)

    def heads(self) -> dict[int, int]:
        with self._read() as connection:
            return self._queries.heads(connection)

    def last_clock(self, policy_id: int) -> float | None:
        # Of the last weeks, if there is any: whatever the time is, a later one is the last.
        recently = smallest_id(time.time() - RECENTLY)
        with self._read() as connection:
            found = self._queries.last_clock(connection, policy_id, recently)
            found = found or self._queries.last_clock(connection, policy_id, "")
            return None if found is None else found[0]

    def revisions(self, policy_id: int, before: int, limit: int) -> list[JournalEntry]:
        with self._read() as connection:
            return self._queries.revisions(connection, policy_id, before, limit)

    def recent(
        self, policy_id: int, limit: int
    ) -> tuple[list[Decision], dict[tuple[str, int], float]]:
        recently = smallest_id(time.time() - RECENTLY)
        with self._read() as connection:
            found = self._queries.recent(connection, policy_id, recently, limit)
            if len(found) < limit:  # few of late, or the clock is another's
                found = self._queries.recent(connection, policy_id, "", limit)
            learned = self._queries.learned(connection, [one.id for one in found])
        return found, {(one.decision_id, one.arm): one.value for one in learned}

    def last_revisions(self) -> dict[int, RevisionEvent]:
        with self._read() as connection:
            ids = [policy.id for policy in self._queries.policies(connection)]
            found = [(one, self._queries.last_revision(connection, one)) for one in ids]
        return {policy_id: revision for policy_id, revision in found if revision is not None}

    def log_decisions(self, decisions: Sequence[Decision]) -> None:
        if len(decisions) > AT_ONCE or any(one.spending is not None for one in decisions):
            with self.write() as transaction:
                transaction.add_decisions(decisions)
            return
        with self._writing() as writers:
            columns = rows.decision_columns(decisions)
            charging.add_decisions.insert_at_once(writers.for_statements(), columns)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        with self._writing() as writers:
            connection = writers.for_transactions()
            with connection.begin():
                transaction = SqlTransaction(connection, self._queries)
                yield transaction
                transaction.book()

    def abandon(self) -> None:
        abandoned, self._writers = self._writers, Writers(self._engine)
        self._lines.break_off()
        if abandoned.lock.acquire(blocking=False):  # else whoever has it drops them, now or never
            abandoned.drop()
        self._engine.dispose()

    def close(self) -> None:
        if not self._writers.lock.acquire(timeout=WAIT_SECONDS):
            self.abandon()
            return
        self._writers.drop()
        self._engine.dispose()

    @contextmanager
    def _writing(self) -> Iterator[Writers]:
        writers = self._writers
        with writers.lock, answering():
            try:
                yield writers
            except BanditError:
                raise  # refused in good order: the connection is as good as before
            except BaseException:
                writers.drop()
                raise
            finally:
                if writers is not self._writers:  # abandoned meanwhile
                    writers.drop()

    def make_partitions(self, now: float) -> list[str]:
        if is_sqlite(self._engine):
            return []
        with telling(self._engine):
            return partitions.make_ahead(self._engine, now, self._partition_days)

    def prune(self, limits: Limits, dry_run: bool) -> list[Pruned]:
        with telling(self._engine):
            return pruning.prune(self._engine, self._queries, limits, dry_run)

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with answering(), self._reading.connect() as connection:
            yield connection
