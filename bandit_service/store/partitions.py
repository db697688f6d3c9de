"""Postgres: decisions and what came of them lie in partitions, one for each span of time.

A partition holds a range of decision ids, and an id begins with its time, so the primary key
stays the id, and a lookup by id touches one partition. Partitions follow each other without a
gap and are made ahead. What no partition covers goes to the default one: nothing is refused,
and the rows are moved as soon as their partition is made.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

import msgspec
from sqlalchemy import Connection, Engine, text

from bandit_service.model import moment_of, smallest_id
from bandit_service.store.locks import PARTITION_LOCK, try_again

# The column that each table is partitioned by. Decisions come first: what came of one may be
# there without it for a moment, but no decision may look as if nothing had come of it.
PARTITIONED = {"decision": "id", "outcome": "decision_id", "learned": "decision_id"}

PARTITION_DAYS = 7  # of a partition, unless somebody says otherwise
AHEAD = 4  # spans that are covered beyond the present one
_DAY = 86_400
_A_MONDAY = 4 * _DAY  # the epoch began on a Thursday, and weeks begin on Mondays

_LIST = text(
    "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid), c.reltuples::bigint, "
    "pg_total_relation_size(c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = CAST(:table AS regclass)"
)
_BOUNDS = re.compile(r"FOR VALUES FROM \((?P<low>[^)]*)\) TO \((?P<high>[^)]*)\)")


class Partition(msgspec.Struct, frozen=True):
    """Holds ids from `low` on and below `high`. `rows` is Postgres's estimate, None before it
    made one."""

    name: str
    low: str
    high: str
    rows: int | None
    bytes: int


def listed(connection: Connection, table: str) -> list[Partition]:
    """The partitions of a table in order, without the default one."""
    found = []
    for name, bounds, rows, size in connection.execute(_LIST, {"table": table}):
        if bounds is None or size is None:
            continue  # dropped while we looked
        if match := _BOUNDS.fullmatch(bounds):
            low, high = (_unquoted(match[side]) for side in ("low", "high"))
            found.append(Partition(name, low, high, rows if rows >= 0 else None, size))
    return sorted(found, key=lambda one: one.high)


def _unquoted(bound: str) -> str:
    return "" if bound == "MINVALUE" else bound.strip("'")


def make_ahead(engine: Engine, now: float, days: int) -> list[str]:
    """Makes what is missing until AHEAD spans of `days` days after `now`; returns their names.

    Each is attached in a transaction of its own, so that nobody waits for long. Raises the
    driver's error if it may not, or cannot, even after some attempts.
    """
    made = []
    for table in PARTITIONED:
        make_next = partial(_make_next, engine, table, now, days)
        while (name := try_again(make_next)) is not None:
            made.append(name)
    return made


def _make_next(engine: Engine, table: str, now: float, days: int) -> str | None:
    """The name of a partition that was missing; None if none is."""
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": PARTITION_LOCK})
        connection.execute(text("SET LOCAL lock_timeout = '2s'"))
        last = moment_of(listed(connection, table)[-1].high)
        assert last is not None  # every bound is of our making
        span = next(spans(last, now, days), None)
        return None if span is None else _make(connection, table, *span)


def spans(last: float, now: float, days: int) -> Iterator[tuple[float, float]]:
    """What is missing after `last`: from and to, in seconds, at midnights (UTC).

    >>> day = 86_400
    >>> [(low / day, high / day) for low, high in spans(25 * day, 13 * day, days=7)]
    [(25.0, 32.0), (32.0, 39.0), (39.0, 46.0)]
    """
    size = days * _DAY
    present = _floor(now, size)
    while last < present + (AHEAD + 1) * size:
        # Time in which nobody made any is one partition, however long it was.
        high = present if last < present else _floor(last, size) + size
        yield last, high
        last = high


def _floor(moment: float, size: int) -> float:
    """The last boundary at or before a moment."""
    return float((moment - _A_MONDAY) // size * size + _A_MONDAY)


def _make(connection: Connection, table: str, low: float, high: float) -> str:
    """A table beside, filled and then attached: that takes weaker locks than making it there."""
    column = PARTITIONED[table]
    name = f"{table}_{datetime.fromtimestamp(low, UTC):%Y%m%d}"
    first, end = smallest_id(low), smallest_id(high)
    between = f"{column} >= '{first}' AND {column} < '{end}'"
    kept = "INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES"
    for step in (
        f"CREATE TABLE {name} (LIKE {table} {kept}, CONSTRAINT {name}_range CHECK ({between}))",
        # Whoever is about to add a row that belongs here finds the new partition afterwards.
        f"LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE",
        f"WITH moved AS (DELETE FROM {table}_default WHERE {between} RETURNING *) "
        f"INSERT INTO {name} SELECT * FROM moved",
        f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{end}')",
        f"ALTER TABLE {name} DROP CONSTRAINT {name}_range",
    ):
        connection.exec_driver_sql(step)
    return name
