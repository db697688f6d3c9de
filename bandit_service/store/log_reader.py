"""Reads decisions with what came of them, in pages, for exports and replays.

Pages follow the index on (policy, id), so memory holds one of them, and a server goes on writing
meanwhile: decisions that are made after the reading began may or may not be in it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from sqlalchemy import Connection, Engine

from bandit_service.errors import PolicyNotFound
from bandit_service.model import (
    BudgetWindow,
    Decision,
    Outcome,
    PolicyConfig,
    RevisionEvent,
    StoredPolicy,
)
from bandit_service.ports import LogPage
from bandit_service.store import rows, tables
from bandit_service.store.engine import answering
from bandit_service.store.ledger import SqlLedger

PAGE = 5000  # decisions
_DECISIONS = ", ".join(tables.decision.columns.keys())
_OUTCOMES = ", ".join(tables.outcome.columns.keys())


class SqlLogReader:
    """See ports.LogReader."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ledger = SqlLedger(engine, nullcontext)
        mark = "?" if engine.dialect.name == "sqlite" else "%s"
        self._page = (
            f"SELECT {_DECISIONS} FROM decision WHERE policy_id = {mark} AND id > {mark} "
            f"AND create_time >= {mark} AND create_time < {mark} ORDER BY id LIMIT {PAGE}"
        )
        # By range, not by list: both tables are in the order of ids.
        self._outcomes = (
            f"SELECT {_OUTCOMES} FROM outcome WHERE decision_id >= {mark} AND decision_id <= {mark}"
        )
        self._revisions = (
            f"SELECT position, body FROM journal WHERE policy_id = {mark} AND kind = 'revision' "
            "ORDER BY position DESC LIMIT 1"
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
            last = connection.exec_driver_sql(self._revisions, (policy.id,)).fetchall()
        for row in last:
            event = rows.entry_of(row).event
            if isinstance(event, RevisionEvent):
                return policy, event.config
        raise PolicyNotFound(name)  # made, but its first revision was never committed

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

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with answering(), self._engine.connect() as connection:
            yield connection
