"""Reads decisions with what came of them, in pages, for exports and replays.

Pages follow the index on (policy, id), so memory holds one or two of them, and a server goes on
writing meanwhile: decisions that are made after the reading began may or may not be in it.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine

from bandit_service.errors import PolicyNotFound, StoreUnavailable
from bandit_service.model import (
    BudgetWindow,
    Decision,
    JournalEntry,
    Outcome,
    PolicyConfig,
    RevisionEvent,
    StoredPolicy,
)
from bandit_service.ports import Checkpoints, LogColumns, LogPage
from bandit_service.store import rows, tables
from bandit_service.store.checkpoints import SqlCheckpoints
from bandit_service.store.engine import answering
from bandit_service.store.ledger import SqlLedger
from bandit_service.store.queries import Queries

PAGE = 5000  # decisions
_TOLD = (
    "id", "create_time", "revision", "position", "feature_version", "context", "arm", "propensity",
    "probabilities", "exclusions", "second_arm", "forced", "sticky", "observed", "degraded",
    "recovered", "session_hash", "input_tokens", "output_tokens", "challengers",
)  # fmt: skip
_IS_DUEL = "(second_arm IS NOT NULL OR second_probabilities IS NOT NULL) AS is_duel"
_CAME = (
    "decision_id", "arm", "kind", "source", "position", "value", "cost_usd", "latency_seconds",
    "energy_joules", "energy_source",
)  # fmt: skip
LAST = 2**53  # of positions
_DECISIONS = ", ".join(tables.decision.columns.keys())
_OUTCOMES = ", ".join(tables.outcome.columns.keys())


class SqlLogReader:
    """See ports.LogReader."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ahead = ThreadPoolExecutor(1, "log-reader")
        self._queries = Queries(engine.dialect.name)
        self.checkpoints: Checkpoints = SqlCheckpoints(engine, nullcontext)
        self._ledger = SqlLedger(engine, nullcontext)
        mark = "?" if engine.dialect.name == "sqlite" else "%s"
        self._page = (
            f"SELECT {_DECISIONS} FROM decision WHERE policy_id = {mark} AND id > {mark} "
            f"AND create_time >= {mark} AND create_time < {mark} ORDER BY id LIMIT {PAGE}"
        )
        self._columns = self._page.replace(_DECISIONS, ", ".join((*_TOLD, _IS_DUEL)))
        # By range, not by list: both tables are in the order of ids.
        self._outcomes = (
            f"SELECT {_OUTCOMES} FROM outcome WHERE decision_id >= {mark} AND decision_id <= {mark}"
        )
        self._came = self._outcomes.replace(_OUTCOMES, ", ".join(_CAME))
        self._revisions = (
            f"SELECT position, body FROM journal WHERE policy_id = {mark} AND kind = 'revision' "
            "ORDER BY position DESC"
        )
        self._policies = (
            f"SELECT id, name, secret, create_time FROM policy WHERE name = {mark} "
            "AND delete_time IS NULL"
        )

    def policy(self, name: str) -> tuple[StoredPolicy, PolicyConfig]:
        with self._read() as connection:
            found = connection.exec_driver_sql(self._policies, (name,)).fetchall()
            if not found:
                raise PolicyNotFound(name)
            policy = StoredPolicy(*found[0])
        last = next(self._revised(policy), None)
        if last is not None:
            return policy, last.config
        raise PolicyNotFound(name)  # made, but its first revision was never committed

    def revision(self, policy: StoredPolicy, revision: int) -> PolicyConfig | None:
        told = (event.config for event in self._revised(policy) if event.revision == revision)
        return next(told, None)

    def _revised(self, policy: StoredPolicy) -> Iterator[RevisionEvent]:
        """The last one first. Raises NotUnderstood."""
        with self._read() as connection:
            for row in connection.exec_driver_sql(self._revisions, (policy.id,)):
                yield rows.revision_of(policy.name, row)

    def names(self) -> list[str]:
        with self._read() as connection:
            text = "SELECT name FROM policy WHERE delete_time IS NULL ORDER BY name"
            return [str(name) for (name,) in connection.exec_driver_sql(text)]

    def windows(self, policy_id: int) -> list[BudgetWindow]:
        return self._ledger.latest(policy_id)

    def pages(self, policy_id: int, since: float, until: float) -> Iterator[LogPage]:
        after = ""
        while True:
            decisions, outcomes = self._one_page(policy_id, after, since, until)
            if not decisions:
                return
            after = decisions[-1].id
            yield LogPage(decisions, outcomes)

    def _one_page(
        self, policy_id: int, after: str, since: float, until: float
    ) -> tuple[list[Decision], dict[str, list[Outcome]]]:
        with self._read() as connection:
            found = connection.exec_driver_sql(self._page, (policy_id, after, since, until))
            decisions = [rows.decision_of(row) for row in found.fetchall()]
            outcomes: dict[str, list[Outcome]] = {one.id: [] for one in decisions}
            if decisions:
                ends = decisions[0].id, decisions[-1].id
                for row in connection.exec_driver_sql(self._outcomes, ends).fetchall():
                    if row[0] in outcomes:  # else of another policy
                        outcomes[row[0]].append(rows.outcome_of(row))
        return decisions, outcomes

    def columns(self, policy_id: int, since: float, until: float) -> Iterator[LogColumns]:
        """The next page is read while the caller works on the one before."""
        page = self._ahead.submit(self._columns_after, "", policy_id, since, until)
        while (read := page.result()) is not None:
            last, columns = read
            page = self._ahead.submit(self._columns_after, last, policy_id, since, until)
            yield columns

    def _columns_after(
        self, decision_id: str, policy_id: int, since: float, until: float
    ) -> tuple[str, LogColumns] | None:
        """One page, and the id of its last decision. None: there are no more."""
        with self._read() as connection:
            given = (policy_id, decision_id, since, until)
            found = self._fetched(connection, self._columns, given)
            if not found:
                return None
            first, last = found[0][0], found[-1][0]
            came = self._fetched(connection, self._came, (first, last))
        return last, _columns_of(found, came)

    def _fetched(
        self, connection: Connection, text: str, given: tuple[object, ...]
    ) -> list[tuple[Any, ...]]:
        """Rows as the driver makes them: SQLAlchemy's own take as long again, and it cannot ask
        Postgres for packed numbers as they are instead of as text."""
        driver: Any = connection.connection.driver_connection
        try:
            if self._engine.dialect.name == "sqlite":
                rows: list[tuple[Any, ...]] = driver.execute(text, given).fetchall()
                return rows
            with driver.cursor(binary=True) as cursor:
                return list(cursor.execute(text, given).fetchall())
        except (sqlite3.Error, psycopg.Error) as error:
            raise StoreUnavailable from error

    def events(self, policy_id: int, after: int, limit: int) -> list[JournalEntry]:
        with self._read() as connection:
            return self._queries.events(connection, policy_id, after, limit)

    def revisions(self, policy_id: int) -> list[JournalEntry]:
        with self._read() as connection:
            return self._queries.revisions(connection, policy_id, LAST, LAST)

    def head(self, policy_id: int) -> int:
        with self._read() as connection:
            return self._queries.heads(connection).get(policy_id, 0)

    def close(self) -> None:
        self._ahead.shutdown()  # a page that nobody waits for any more still has a connection
        self._engine.dispose()

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with answering(), self._engine.connect() as connection:
            yield connection


def _columns_of(found: list[tuple[Any, ...]], came: list[tuple[Any, ...]]) -> LogColumns:
    decisions = dict(zip((*_TOLD, "is_duel"), zip(*found, strict=True), strict=True))
    columns: list[tuple[Any, ...]] = list(zip(*came, strict=True)) or [()] * len(_CAME)
    outcomes: dict[str, Sequence[Any]] = dict(zip(_CAME, columns, strict=True))
    places = dict(zip(decisions["id"], range(len(found)), strict=True))
    outcomes["row"] = list(map(places.get, outcomes.pop("decision_id")))
    return LogColumns(decisions, outcomes)
