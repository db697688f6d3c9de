"""What is asked of the database, within transactions or not: one method, one statement."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Table

from bandit_service.model import (
    Decision,
    JournalEntry,
    Learned,
    Outcome,
    RecordedFeedback,
    RevisionEvent,
    StoredPolicy,
)
from bandit_service.store import rows, tables

_POLICIES = (
    "SELECT id, name, secret, create_time FROM policy WHERE delete_time IS NULL ORDER BY name"
)

LAST_DECISIONS = 10_000  # among which the latest clock is looked for


class Queries:
    """The texts, spelled for one database: "sqlite" or "postgresql"."""

    def __init__(self, dialect: str) -> None:
        # A list is one parameter in both, so its length neither changes the text nor
        # meets a limit.
        self._list: Callable[[Iterable[str]], object]
        if dialect == "sqlite":
            mark, among, self._list = "?", "IN (SELECT value FROM json_each(?))", _as_json
        else:
            mark, among, self._list = "%s", "= ANY(%s)", list
        self._events = (
            f"SELECT position, body FROM journal WHERE policy_id = {mark} "
            f"AND position > {mark} ORDER BY position LIMIT {mark}"
        )
        self._decisions = f"SELECT {_all(tables.decision)} FROM decision WHERE id {among}"
        self._stored = f"SELECT id, recovered FROM decision WHERE id {among}"
        self._outcomes = (
            f"SELECT {_all(tables.outcome)} FROM outcome WHERE decision_id {among} "
            "ORDER BY position, decision_id, arm, kind, source"
        )
        self._learned = (
            f"SELECT {_all(tables.learned)} FROM learned WHERE decision_id {among} "
            "ORDER BY decision_id, arm"
        )
        # Bounded in time, so that Postgres opens the newest partitions only.
        self._session_arm = (
            f"SELECT arm FROM decision WHERE policy_id = {mark} AND session_hash = {mark} "
            f"AND id >= {mark} ORDER BY id DESC LIMIT 1"
        )
        self._heads = "SELECT policy_id, head FROM policy_head"
        self._last_clocks = (
            f"SELECT clock, id FROM decision WHERE policy_id = {mark} AND id >= {mark} "
            f"ORDER BY id DESC LIMIT {mark}"
        )
        self._last_revision = (
            f"SELECT position, body FROM journal WHERE policy_id = {mark} AND kind = 'revision' "
            "ORDER BY position DESC LIMIT 1"
        )
        self._revisions = (
            f"SELECT position, body FROM journal WHERE policy_id = {mark} AND kind = 'revision' "
            f"AND position < {mark} ORDER BY position DESC LIMIT {mark}"
        )
        self._recent = (
            f"SELECT {_all(tables.decision)} FROM decision WHERE policy_id = {mark} "
            f"AND id >= {mark} ORDER BY id DESC LIMIT {mark}"
        )
        self._recorded = (
            "SELECT feedback_id, digest, position, effect FROM recorded_feedback "
            f"WHERE policy_id = {mark} AND feedback_id {among}"
        )
        # SQLite locks the whole file at the transaction's beginning.
        locking = "" if dialect == "sqlite" else " FOR UPDATE"
        self._lock_head = f"SELECT head FROM policy_head WHERE policy_id = {mark}{locking}"
        self._move_head = f"UPDATE policy_head SET head = {mark} WHERE policy_id = {mark}"
        self._holders = (
            "SELECT request_id, decision_id FROM route_request "
            f"WHERE policy_id = {mark} AND request_id {among}"
        )

    def policies(self, connection: Connection) -> list[StoredPolicy]:
        return [StoredPolicy(*row) for row in _read(connection, _POLICIES)]

    def events(
        self, connection: Connection, policy_id: int, after: int, limit: int
    ) -> list[JournalEntry]:
        return [
            rows.entry_of(row) for row in _read(connection, self._events, policy_id, after, limit)
        ]

    def decisions(self, connection: Connection, ids: Iterable[str]) -> dict[str, Decision]:
        found = map(rows.decision_of, _read(connection, self._decisions, self._list(ids)))
        return {decision.id: decision for decision in found}

    def outcomes(self, connection: Connection, ids: Iterable[str]) -> list[Outcome]:
        return [rows.outcome_of(row) for row in _read(connection, self._outcomes, self._list(ids))]

    def learned(self, connection: Connection, ids: Iterable[str]) -> list[Learned]:
        return [rows.learned_of(row) for row in _read(connection, self._learned, self._list(ids))]

    def session_arm(
        self, connection: Connection, policy_id: int, session_hash: bytes, first_id: str
    ) -> int | None:
        for (arm,) in _read(connection, self._session_arm, policy_id, session_hash, first_id):
            return int(arm)
        return None

    def heads(self, connection: Connection) -> dict[int, int]:
        return dict(_read(connection, self._heads))

    def last_clock(
        self, connection: Connection, policy_id: int, first_id: str
    ) -> tuple[float, str] | None:
        """The largest clock among a policy's newest decisions, and whose it is.

        Not that of the largest id: within a millisecond ids are in no order, and of replicas that
        count requests each has a count of its own, of which the others are behind.
        """
        found = _read(connection, self._last_clocks, policy_id, first_id, LAST_DECISIONS)
        return max(((float(clock), str(name)) for clock, name in found), default=None)

    def last_revision(self, connection: Connection, policy_id: int) -> RevisionEvent | None:
        for row in _read(connection, self._last_revision, policy_id):
            event = rows.entry_of(row).event
            return event if isinstance(event, RevisionEvent) else None
        return None

    def revisions(
        self, connection: Connection, policy_id: int, before: int, limit: int
    ) -> list[JournalEntry]:
        found = _read(connection, self._revisions, policy_id, before, limit)
        return [rows.entry_of(row) for row in reversed(found)]

    def recent(
        self, connection: Connection, policy_id: int, first_id: str, limit: int
    ) -> list[Decision]:
        found = _read(connection, self._recent, policy_id, first_id, limit)
        return [rows.decision_of(row) for row in found]

    def recorded(
        self, connection: Connection, policy_id: int, feedback_ids: Iterable[str]
    ) -> dict[str, RecordedFeedback]:
        listed = self._list(feedback_ids)
        found = map(rows.recorded_of, _read(connection, self._recorded, policy_id, listed))
        return {one.feedback_id: one for one in found}

    def stored(self, connection: Connection, ids: Iterable[str]) -> dict[str, bool]:
        """Those that are there, and whether they were made of their tokens."""
        found = _read(connection, self._stored, self._list(ids))
        return {decision_id: bool(recovered) for decision_id, recovered in found}

    def lock_head(self, connection: Connection, policy_id: int) -> int | None:
        for (head,) in _read(connection, self._lock_head, policy_id):
            return int(head)
        return None

    def move_head(self, connection: Connection, policy_id: int, head: int) -> None:
        connection.exec_driver_sql(self._move_head, (head, policy_id))

    def holders(
        self, connection: Connection, policy_id: int, request_ids: Iterable[str]
    ) -> dict[str, str]:
        """The decision's id that holds each request id."""
        return dict(_read(connection, self._holders, policy_id, self._list(request_ids)))


def _read(connection: Connection, text: str, *values: Any) -> Sequence[Any]:
    return connection.exec_driver_sql(text, values).fetchall()


def _all(table: Table) -> str:
    return ", ".join(table.columns.keys())


def _as_json(words: Iterable[str]) -> str:
    return msgspec.json.encode(list(words)).decode()
