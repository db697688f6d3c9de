"""The store in SQL: the same code for SQLite and Postgres."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from threading import Lock

from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bandit_service import failpoints
from bandit_service.errors import BanditError, PolicyExists, PolicyNotFound
from bandit_service.model import (
    Decision,
    JournalEntry,
    Learned,
    Outcome,
    RecordedFeedback,
    StoredPolicy,
)
from bandit_service.ports import Transaction
from bandit_service.store import rows
from bandit_service.store.bulk import AT_ONCE, Bulk
from bandit_service.store.engine import answering, is_sqlite
from bandit_service.store.queries import Queries
from bandit_service.store.tables import (
    decision,
    journal,
    learned,
    outcome,
    policy,
    policy_head,
    recorded_feedback,
    route_request,
)


def _replacing(table_columns: Sequence[str], key: Sequence[str]) -> str:
    rest = ", ".join(f"{name} = excluded.{name}" for name in table_columns if name not in key)
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {rest}"


_OUTCOME_KEY = ("decision_id", "arm", "kind", "source")
_LEARNED_KEY = ("decision_id", "arm")
_request_key = attrgetter("policy_id", "request_id")
_outcome_key = attrgetter(*_OUTCOME_KEY)
_learned_key = attrgetter(*_LEARNED_KEY)

# A decision has one id for ever, so one that is stored already is the same one, sent again
# after a commit whose answer was lost.
_add_decisions = Bulk(decision, "ON CONFLICT (id) DO NOTHING")
_claim_requests = Bulk(route_request, "ON CONFLICT (policy_id, request_id) DO NOTHING")
_append_journal = Bulk(journal)
_record_feedback = Bulk(recorded_feedback)
_replace_outcomes = Bulk(outcome, _replacing(outcome.columns.keys(), _OUTCOME_KEY))
_replace_learned = Bulk(learned, _replacing(learned.columns.keys(), _LEARNED_KEY))


class SqlTransaction:
    """See ports.Transaction. Lives as long as the context that made it."""

    def __init__(self, connection: Connection, queries: Queries) -> None:
        self._connection = connection
        self._queries = queries
        self._heads: dict[int, int] = {}  # of the policies locked

    def add_decisions(self, decisions: Sequence[Decision]) -> dict[str, Decision]:
        asked = [one for one in decisions if one.request_id is not None]
        holders = self._claim(asked) if asked else {}
        kept = [one for one in decisions if one.id not in holders] if holders else decisions
        if kept:
            _add_decisions.insert(self._connection, rows.decision_columns(kept))
        if not holders:
            return {}
        found = self._queries.decisions(self._connection, set(holders.values()))
        return {loser: found[holder] for loser, holder in holders.items()}

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
        head = self._queries.lock_head(self._connection, policy_id)
        if head is None:
            raise PolicyNotFound(self._name_of(policy_id))
        self._heads[policy_id] = head
        return head

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

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queries = Queries(engine.dialect.name)
        self._write_options = {"write": True}
        # A single read needs no BEGIN and COMMIT, each a journey to the server and back.
        self._reading = (
            engine if is_sqlite(engine) else engine.execution_options(isolation_level="AUTOCOMMIT")
        )
        self._writing = Lock()
        self._writer: Connection | None = None
        self._logger: Connection | None = None  # every statement commits itself

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

    def session_arm(self, policy_id: int, session_hash: bytes) -> int | None:
        with self._read() as connection:
            return self._queries.session_arm(connection, policy_id, session_hash)

    def last_clock(self, policy_id: int) -> float | None:
        with self._read() as connection:
            return self._queries.last_clock(connection, policy_id)

    def log_decisions(self, decisions: Sequence[Decision]) -> None:
        if len(decisions) > AT_ONCE:
            with self.write() as transaction:
                transaction.add_decisions(decisions)
            return
        with self._writing, answering():
            try:
                if self._logger is None:
                    self._logger = self._engine.connect().execution_options(
                        isolation_level="AUTOCOMMIT"
                    )
                _add_decisions.insert_at_once(self._logger, rows.decision_columns(decisions))
            except BaseException:
                self._drop_writers()
                raise

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        with self._writing, answering():
            try:
                connection = self._open_writer()
                with connection.begin():
                    yield SqlTransaction(connection, self._queries)
            except BanditError:
                raise  # refused in good order: the connection is as good as before
            except BaseException:
                self._drop_writers()
                raise

    def close(self) -> None:
        with self._writing:
            self._drop_writers()
            self._engine.dispose()

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with answering(), self._reading.connect() as connection:
            yield connection

    def _open_writer(self) -> Connection:
        if self._writer is None:
            self._writer = self._engine.connect().execution_options(**self._write_options)
        return self._writer

    def _drop_writers(self) -> None:
        """Closes connections for good: after an error nobody knows what state they are in."""
        dropped = [one for one in (self._writer, self._logger) if one is not None]
        self._writer = self._logger = None
        for connection in dropped:
            connection.invalidate()
            connection.close()
