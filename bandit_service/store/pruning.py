"""Lets old rows go: whole partitions in Postgres, small batches of rows elsewhere.

Nobody who serves waits for long: a partition is dropped in a moment, when its lock is free,
and between two batches the others have as much time as a batch took. What was broken off is
gone on with the next time.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

from sqlalchemy import (
    ColumnElement,
    Engine,
    MetaData,
    Table,
    and_,
    delete,
    func,
    literal,
    select,
    text,
    tuple_,
)

from bandit_service.model import Limits, Pruned, smallest_id
from bandit_service.store import partitions, rows, tables
from bandit_service.store.bulk import Bulk
from bandit_service.store.engine import is_sqlite, writing
from bandit_service.store.locks import PARTITION_LOCK, try_again
from bandit_service.store.queries import Queries

BATCH = 500  # rows

_keep_decisions = Bulk(tables.decision, "ON CONFLICT (id) DO NOTHING")


def prune(engine: Engine, queries: Queries, limits: Limits, dry_run: bool) -> list[Pruned]:
    """What went, or would go; tables of which nothing goes are left out."""
    pruner = _Pruner(engine, queries, dry_run)
    if limits.decisions_before is not None:
        pruner.prune_decisions(smallest_id(limits.decisions_before))
    if limits.feedback_ids_before is not None:
        pruner.prune_feedback_ids(limits.feedback_ids_before)
    if limits.journal_before is not None:
        for policy_id, position in sorted(limits.journal.items()):
            pruner.prune_journal(policy_id, position, limits.journal_before)
    whole = [Pruned(table, gone) for table, gone in pruner.rows.items() if gone]
    return pruner.partitions + whole


class _Pruner:
    def __init__(self, engine: Engine, queries: Queries, dry_run: bool) -> None:
        self._engine, self._queries, self._dry_run = engine, queries, dry_run
        self.partitions: list[Pruned] = []
        self.rows: Counter[str] = Counter()  # by table

    def prune_decisions(self, bound: str) -> None:
        """Decisions with smaller ids, and what came of them. The one that holds the clock of a
        policy stays."""
        # First, so that no request id ever leads to a decision that is gone.
        self._delete(tables.route_request, tables.route_request.c.decision_id < bound)
        newest = self._last_decisions()
        for table in (tables.decision, tables.outcome, tables.learned):
            column = table.columns[partitions.PARTITIONED[table.name]]
            spare = [column.not_in(newest)] if table is tables.decision and newest else []
            if is_sqlite(self._engine):
                self._delete(table, and_(column < bound, *spare))
            else:
                self._drop_partitions(table.name, bound, newest)
                default = _default_partition(table)
                column = default.columns[column.name]
                spare = [column.not_in(newest)] if spare else []
                self._delete(default, and_(column < bound, *spare), table.name)

    def _last_decisions(self) -> list[str]:
        with self._engine.connect() as connection:
            living = self._queries.policies(connection)
            found = [self._queries.last_clock(connection, policy.id, "") for policy in living]
        return [one[1] for one in found if one is not None]

    def _drop_partitions(self, table: str, bound: str, newest: Sequence[str]) -> None:
        with self._engine.connect() as connection:
            found = partitions.listed(connection, table)
        for one in found[:-1]:  # the next one is made to follow the last
            if one.high > bound:
                return
            if not self._dry_run:
                kept = [decision for decision in newest if one.low <= decision < one.high]
                try_again(partial(self._drop, table, one.name, kept))
            self.partitions.append(Pruned(table, one.rows, one.name, one.bytes))

    def _drop(self, table: str, partition: str, kept: list[str]) -> None:
        with self._engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": PARTITION_LOCK})
            connection.execute(text("SET LOCAL lock_timeout = '2s'"))
            if partition not in {one.name for one in partitions.listed(connection, table)}:
                return  # another process was quicker
            decisions = list(self._queries.decisions(connection, kept).values())
            connection.exec_driver_sql(f"DROP TABLE {partition}")
            if table == tables.decision.name and decisions:  # they go to the default partition
                _keep_decisions.insert(connection, rows.decision_columns(decisions))

    def prune_feedback_ids(self, before: float) -> None:
        """A feedback id is as old as its event; where all ids lie below a position, by it."""
        recorded = tables.recorded_feedback
        for policy_id, head in self._heads():
            last = self._last_before(policy_id, before, head)
            mine = and_(recorded.c.policy_id == policy_id, recorded.c.position <= last)
            self._delete(recorded, mine)

    def prune_journal(self, policy_id: int, position: int, before: float) -> None:
        """Feedback up to a position. Revisions stay: they say what a policy was."""
        journal = tables.journal
        last = min(position, self._last_before(policy_id, before, position))
        old = and_(
            journal.c.policy_id == policy_id,
            journal.c.position <= last,
            journal.c.kind == "feedback",
        )
        self._delete(journal, old)

    def _heads(self) -> list[tuple[int, int]]:
        with self._engine.connect() as connection:
            heads = select(tables.policy_head.c.policy_id, tables.policy_head.c.head)
            return [(policy_id, head) for policy_id, head in connection.execute(heads)]

    def _last_before(self, policy_id: int, before: float, head: int) -> int:
        """The last position up to `head` with only older events before it, by bisection: times
        rise with positions, but for what the caller's margin covers."""
        journal = tables.journal
        low, high = 1, head + 1  # the first young position is among these
        with self._engine.connect() as connection:
            while low < high:
                middle = (low + high) // 2
                found = connection.execute(
                    select(journal.c.position, journal.c.create_time)
                    .where(journal.c.policy_id == policy_id, journal.c.position >= middle)
                    .order_by(journal.c.position)
                    .limit(1)
                ).first()
                if found is None or found.create_time >= before:
                    high = middle
                else:
                    low = found.position + 1
        return min(low - 1, head)

    def _delete(self, table: Table, old: ColumnElement[bool], named: str | None = None) -> None:
        if self._dry_run:
            with self._engine.connect() as connection:
                gone = connection.scalar(select(func.count()).select_from(table).where(old)) or 0
        else:
            gone = sum(self._batches(table, old))
        self.rows[named or table.name] += gone

    def _batches(self, table: Table, old: ColumnElement[bool]) -> Iterator[int]:
        """Deletes along the primary key, so that nothing is looked at twice; yields counts."""
        key = list(table.primary_key.columns)
        after: ColumnElement[bool] | None = None
        while True:
            begin = time.perf_counter()
            with writing(self._engine) as connection:
                page = select(*key).where(old).order_by(*key).limit(BATCH)
                if after is not None:
                    page = page.where(after)
                found = connection.execute(page).all()
                if not found:
                    return
                last = tuple_(*map(literal, found[-1]))
                batch = [tuple_(*key) <= last] if after is None else [after, tuple_(*key) <= last]
                gone = connection.execute(delete(table).where(old, *batch)).rowcount
            yield gone
            after = tuple_(*key) > last
            time.sleep(time.perf_counter() - begin)


def _default_partition(table: Table) -> Table:
    return table.to_metadata(MetaData(), name=f"{table.name}_default")
