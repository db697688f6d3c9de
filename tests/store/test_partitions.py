"""Postgres keeps decisions in partitions by time: none is lost, and few are touched."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, text

from bandit_service.draw import new_ids
from bandit_service.errors import RefusedByDatabase
from bandit_service.model import Decision, moment_of
from bandit_service.ports import Store
from bandit_service.store import open_store
from bandit_service.store.engine import open_engine
from bandit_service.store.partitions import PARTITIONED, Partition, listed, make_ahead, spans
from bandit_service.store.queries import Queries
from tests.builders import a_decision
from tests.store.records import a_learned, a_policy, an_outcome

DAY = 86_400.0
WEEK = 7 * DAY


@pytest.fixture
def url(postgres_databases: Callable[[str], str]) -> str:
    return postgres_databases("migrated")


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = open_store(url)
    yield store
    store.close()


def made_at(moment: float, **changes: Any) -> Decision:
    return a_decision(id=new_ids(1, moment)[0], create_time=moment, clock=moment, **changes)


def partitions_of(engine: Engine, table: str = "decision") -> list[Partition]:
    with engine.connect() as connection:
        return listed(connection, table)


def where_it_lies(engine: Engine, table: str) -> list[str]:
    """The partition of each row, in the order of their ids."""
    asked = f"SELECT tableoid::regclass::text FROM {table} ORDER BY {PARTITIONED[table]}"  # noqa: S608
    with engine.connect() as connection:
        return list(connection.scalars(text(asked)))


def test_partitions_follow_each_other_and_cover_the_coming_weeks(engine: Engine) -> None:
    now = time.time()
    for table in PARTITIONED:
        found = partitions_of(engine, table)

        assert found[0].low == ""
        assert [one.low for one in found[1:]] == [one.high for one in found[:-1]]
        assert (moment_of(found[-1].high) or 0.0) >= now + 4 * WEEK
        starts = [datetime.fromtimestamp(moment_of(one.low) or 0.0, UTC) for one in found[1:]]
        assert {(one.weekday(), one.hour, one.minute, one.second) for one in starts} == {(0,) * 4}
        assert [one.name for one in found[1:]] == [f"{table}_{one:%Y%m%d}" for one in starts]


def test_rows_lie_where_their_decisions_time_says(engine: Engine, store: Store) -> None:
    bounds = [moment_of(one.high) or 0.0 for one in partitions_of(engine)]
    moments = [1_700_000_000.0, bounds[0] - 0.001, bounds[0], bounds[1] - 0.001, bounds[1] + DAY]
    decisions = [made_at(moment) for moment in moments]
    policy = a_policy(store)

    with store.write() as transaction:
        transaction.add_decisions(decisions)
        transaction.lock_head(policy.id)
        outcomes = [an_outcome(decision_id=one.id) for one in decisions]
        learned = [a_learned(decision_id=one.id) for one in decisions]
        transaction.append(policy.id, [], [], outcomes, learned)

    for table in PARTITIONED:
        names = [one.name for one in partitions_of(engine, table)]
        expected = [names[0], names[0], names[1], names[1], names[2]]
        assert where_it_lies(engine, table) == expected


def test_what_no_partition_covers_is_kept_found_and_moved(engine: Engine, store: Store) -> None:
    now = time.time()
    later = now + 9 * WEEK
    decision = made_at(later, request_id="r1")
    store.log_decisions([made_at(now)])
    with store.write() as transaction:
        transaction.add_decisions([decision])
    assert where_it_lies(engine, "decision") == ["decision_before", "decision_default"]

    made = store.make_partitions(later)

    assert made
    name = where_it_lies(engine, "decision")[1]
    assert name in made
    assert store.decision(decision.id) == decision
    with store.write() as transaction:  # sent again after an answer that was lost
        assert transaction.add_decisions([decision]) == {}
    assert where_it_lies(engine, "decision").count(name) == 1


def test_several_replicas_make_them_once(url: str, engine: Engine) -> None:
    later = time.time() + 20 * WEEK
    stores = [open_store(url) for _ in range(3)]

    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda one: one.make_partitions(later), stores))

    names = [name for one in made for name in one]
    assert len(names) == len(set(names)) > 0
    assert [store.make_partitions(later) for store in stores] == [[], [], []]
    for store in stores:
        store.close()
    found = partitions_of(engine)
    assert [one.low for one in found[1:]] == [one.high for one in found[:-1]]


def test_a_long_pause_is_one_partition_and_days_follow_weeks() -> None:
    monday = float(datetime(2026, 11, 2, tzinfo=UTC).timestamp())
    now = monday + 40 * WEEK + 3.5 * DAY

    found = list(spans(monday, now, days=1))

    today = monday + 40 * WEEK + 3 * DAY
    assert found == [
        (monday, today),
        *((today + n * DAY, today + (n + 1) * DAY) for n in range(5)),
    ]
    assert list(spans(today + 5 * DAY, now, days=1)) == []
    # Back to weeks: up to the next Monday, then from Monday to Monday.
    weeks = list(spans(today + 5 * DAY, now + WEEK, days=7))
    assert weeks[0] == (today + 5 * DAY, monday + 42 * WEEK)
    assert {high - low for low, high in weeks[1:]} == {WEEK}


def test_a_user_who_may_not_make_tables_still_stores_every_decision(
    url: str, engine: Engine
) -> None:
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS server")
        owner.execute("CREATE ROLE server LOGIN")
        owner.execute(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO server"
        )
    later = time.time() + 9 * WEEK
    store = open_store(url.replace("postgres:@", "server:@"))

    with pytest.raises(RefusedByDatabase, match=r"permission denied|must be owner"):
        store.make_partitions(later)

    decision = made_at(later)
    store.log_decisions([decision])
    assert store.decision(decision.id) == decision
    store.close()
    make_ahead(engine, later, 7)  # as `bandit-service migrate` does
    assert where_it_lies(engine, "decision") != ["decision_default"]
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("DROP OWNED BY server")
        owner.execute("DROP ROLE server")


# -- what is touched ------------------------------------------------------------------------

OFTEN = 15  # then psycopg has prepared a statement, and Postgres would plan it for all values


def locked(connection: Connection) -> set[str]:
    """The partitions that a transaction has had to do with."""
    asked = (
        "SELECT c.relname FROM pg_locks l JOIN pg_class c ON c.oid = l.relation "
        "WHERE l.pid = pg_backend_pid() AND c.relispartition AND c.relkind = 'r'"
    )
    return set(connection.scalars(text(asked)))


class Year:
    """Its partitions, with one decision of a session in each. Several tests share it."""

    def __init__(self, url: str) -> None:
        self.store, self.engine = open_store(url), open_engine(url)
        for weeks in range(4, 50, 5):
            self.store.make_partitions(time.time() + weeks * WEEK)
        self.partitions = partitions_of(self.engine)
        assert len(self.partitions) > 45
        ends = [moment_of(one.high) or 0.0 for one in self.partitions]
        self.store.log_decisions([made_at(end - DAY, session_hash=b"session") for end in ends])


@pytest.fixture(scope="module")
def year(postgres_server: Any) -> Iterator[Year]:
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as administrator:
        administrator.execute("CREATE DATABASE year TEMPLATE migrated")
        year = Year(postgres_server.get_uri(database="year"))
        yield year
        year.store.close()
        year.engine.dispose()
        administrator.execute("DROP DATABASE year WITH (FORCE)")


def test_what_is_known_of_decisions_is_asked_of_their_own_partitions_alone(year: Year) -> None:
    queries, engine = Queries("postgresql"), year.engine
    with engine.connect() as connection:
        ids = list(connection.scalars(text("SELECT id FROM decision ORDER BY id")))
    cases: list[tuple[list[str], int]] = [(ids[7:8], 1), (ids[7:9], 2), ([ids[7]] * 100, 1)]
    for wanted, touched in cases:
        names = {
            one.name
            for one in partitions_of(engine)
            if any(one.low <= each < one.high for each in wanted)
        }
        with engine.connect() as connection:
            for _ in range(OFTEN):
                assert len(queries.decisions(connection, wanted)) == touched

            assert locked(connection) == names

        with engine.connect() as connection:
            for _ in range(OFTEN):
                queries.outcomes(connection, wanted)
                queries.learned(connection, wanted)

            assert len(locked(connection)) == 2 * touched


def test_a_decision_that_is_stored_locks_its_own_partition_alone(year: Year) -> None:
    moment = (moment_of(year.partitions[30].low) or 0.0) + DAY
    with year.store.write() as transaction:
        for number in range(OFTEN):
            transaction.add_decisions([made_at(moment + number)])

        assert locked(transaction._connection) == {year.partitions[30].name}  # type: ignore[attr-defined]


def test_the_last_of_a_session_is_looked_for_among_the_newest(year: Year) -> None:
    since, queries = year.partitions[-4].low, Queries("postgresql")
    last = (moment_of(year.partitions[-1].high) or 0.0) - DAY
    with year.engine.connect() as connection:
        for _ in range(OFTEN):
            assert queries.session_arm(connection, 1, b"session", since) == 0
            assert queries.session_arm(connection, 1, b"nobody", since) is None
            found = queries.last_clock(connection, 1, since)
            assert found is not None
            assert found[0] == last

        newest = {one.name for one in year.partitions[-4:]}
        assert locked(connection) == newest | {"decision_default"}


def test_the_last_of_a_session_is_read_from_the_end_of_an_index(year: Year) -> None:
    queries, since = Queries("postgresql"), year.partitions[-4].low
    with year.engine.connect() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # the tables are tiny
        for statement, values in (
            (queries._session_arm, (1, b"session", since)),
            (queries._last_clocks, (1, since, 10_000)),
        ):
            explained = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values)
            (limit,) = [one["Plan"] for one in explained.scalar()]  # type: ignore[union-attr]
            (append,) = limit["Plans"]

            assert (limit["Node Type"], append["Node Type"]) in {
                ("Limit", "Append"),
                ("Limit", "Merge Append"),
            }
            assert {one["Node Type"] for one in append["Plans"]} == {"Index Scan"}
            assert {one["Scan Direction"] for one in append["Plans"]} == {"Backward"}
            assert len(append["Plans"]) == 5
