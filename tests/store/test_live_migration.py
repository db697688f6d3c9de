"""The tables become partitioned while services work, and somebody else holds them up."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import Any, cast

import psycopg
import pytest
from alembic import command
from sqlalchemy import inspect, text
from sqlalchemy.schema import CreateColumn

from bandit_service.draw import new_ids
from bandit_service.errors import NewerSchema, StoreUnavailable
from bandit_service.model import Recorded, Routed
from bandit_service.store import migrate, open_store, schema
from bandit_service.store.engine import open_engine
from bandit_service.store.partitions import PARTITIONED
from bandit_service.store.sql_store import SqlStore
from bandit_service.store.tables import metadata
from tests.builders import a_query, a_submission
from tests.faults.effort import effort, write_counts
from tests.patience import PATIENCE
from tests.service.running import Service, WatchedStore, running_on
from tests.store.test_migrations import HEAD

BEFORE = "0002"  # the last revision without partitions
MIGRATIONS = effort(1, 20)  # under load
ROWS = "SELECT tableoid::regclass::text, count(*) FROM {} GROUP BY 1"


def migrate_to(url: str, revision: str) -> None:
    engine = open_engine(url)
    with engine.connect() as connection:
        config = schema._config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.invalidate()
    engine.dispose()


@pytest.fixture
def url(postgres_databases: Callable[[str], str]) -> str:
    return of_the_version_before(postgres_databases)


def of_the_version_before(postgres_databases: Callable[[str], str]) -> str:
    url = postgres_databases("template0")
    migrate_to(url, BEFORE)
    return url


class OldProgram:
    """The statements of the version before, prepared once, on one connection for all the time."""

    INSERT = """
        INSERT INTO decision (id, policy_id, revision, position, create_time, clock,
            feature_version, context, arm, propensity, probabilities, means, deviations, exclusions)
        SELECT id, 99, 1, 1, 1.7e9, %s::float8, 'v', '', 0, 1.0, z, z, z, '\\x00'
        FROM unnest(%s::text[]) AS id, (SELECT decode('0000000000000000', 'hex') AS z) AS zero
        ON CONFLICT (id) DO NOTHING"""
    REVISE = """
        INSERT INTO outcome (decision_id, arm, kind, source, position, update_time, value)
        VALUES (%s, 0, 'score', 'user', 1, 1.7e9, %s)
        ON CONFLICT (decision_id, arm, kind, source) DO UPDATE SET value = excluded.value"""
    READ = "SELECT count(*) FROM decision JOIN outcome ON decision_id = id WHERE id = ANY(%s)"
    LAST_CLOCK = "SELECT clock FROM decision WHERE policy_id = %s ORDER BY id DESC LIMIT 1"

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self.rounds = 0

    def work(self, until: threading.Event) -> int:
        """Decides, hears and reads back until told to stop, and once more."""
        with closing(self._connection):
            is_last = False
            while not is_last:
                is_last = until.is_set()
                self._one_round(float(self.rounds))
                self.rounds += 1
        return self.rounds

    def _one_round(self, clock: float) -> None:
        def ask(statement: str, *values: Any) -> Any:
            return self._connection.execute(statement, values, prepare=True)

        ids = new_ids(3, time.time())
        assert ask(self.INSERT, clock, ids).rowcount == 3
        assert ask(self.INSERT, clock, ids).rowcount == 0
        for value in (0.25, 0.75):
            ask(self.REVISE, ids[0], value)
        assert ask(self.READ, ids).fetchone() == (1,)
        assert ask(self.LAST_CLOCK, 99).fetchone() == (clock,)


class Load:
    """Calls to one service; what the database did not answer is sent again, as a client does."""

    def __init__(self, service: Service, name: str) -> None:
        self._service, self._name = service, name
        self.routed: dict[str, Routed] = {}  # by request id
        self.recorded: dict[str, Recorded] = {}  # by feedback id
        self.is_under_way = asyncio.Event()
        self.sent_again = 0
        self.slowest = 0.0  # seconds, of one call with all that it was sent again

    async def run(self, until: asyncio.Event) -> None:
        is_last = False
        while not is_last:
            is_last = until.is_set()
            number = len(self.routed)
            request = f"{self._name}-{number}"
            routed = await self._insist(
                lambda request=request: self._service.router.route(  # type: ignore[misc]
                    a_query(request_id=request, session=f"{self._name}-{number % 7}")  # noqa: B023
                )
            )
            self.routed[request] = routed
            told = a_submission(
                decision_id=routed.decision.id, feedback_id=request, score=(number % 11) / 10
            )
            self.recorded[request] = await self._insist(
                lambda told=told: self._service.recorder.record(told)  # type: ignore[misc]
            )
            self.is_under_way.set()

    async def _insist(self, call: Callable[[], Any]) -> Any:
        began = time.monotonic()
        while True:
            try:
                answer = await call()
                self.slowest = max(self.slowest, time.monotonic() - began)
                return answer
            except StoreUnavailable:
                self.sent_again += 1
                await asyncio.sleep(0.05)


def add_the_columns_of_today(url: str) -> None:
    """The program of today cannot do without them: with them it stands for the one before, which
    knew the tables as they were. The migrations that make them find them there."""
    engine = open_engine(url)
    with engine.begin() as connection:
        for name in PARTITIONED:
            there = {column["name"] for column in inspect(connection).get_columns(name)}
            for column in metadata.tables[name].columns:
                if column.name not in there:
                    made = CreateColumn(column).compile(dialect=engine.dialect)
                    connection.execute(text(f"ALTER TABLE {name} ADD COLUMN {made}"))
    engine.dispose()


@asynccontextmanager
async def two_services(url: str) -> AsyncIterator[list[Service]]:
    """Of the version before, which do not look at the schema again."""
    add_the_columns_of_today(url)
    async with AsyncExitStack() as stack:
        running = []
        for _ in range(2):
            watched = WatchedStore(cast(Any, SqlStore(open_engine(url), 7)))
            running.append(await stack.enter_async_context(running_on(watched, time.time)))
            if len(running) == 1:
                await running[0].create()
        yield running


async def test_a_migration_under_load_loses_nothing_and_fails_nobody(
    postgres_databases: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held_up, loop = asyncio.Event(), asyncio.get_running_loop()

    def pause(_seconds: float) -> None:  # before the next attempt at a lock
        loop.call_soon_threadsafe(held_up.set)
        time.sleep(0.2)

    monkeypatch.setattr("bandit_service.store.locks.time", type("Clock", (), {"sleep": pause}))
    loads: list[Load] = []
    for _ in range(MIGRATIONS):
        held_up.clear()
        url = of_the_version_before(postgres_databases)
        async with two_services(url) as services:
            loads += await migrated_under_load(url, services, held_up)
    write_counts(
        "test_live_migration::test_a_migration_under_load_loses_nothing_and_fails_nobody",
        migrations=MIGRATIONS,
        acknowledged=sum(len(load.routed) + len(load.recorded) for load in loads),
        lost=0,
        twice=0,
        sent_again=sum(load.sent_again for load in loads),
        slowest_seconds=round(max(load.slowest for load in loads), 2),
    )


async def migrated_under_load(
    url: str, services: list[Service], held_up: asyncio.Event
) -> list[Load]:
    """Two services and an older program work on, and for a while somebody holds a table."""
    loads = [Load(service, f"service {number}") for number, service in enumerate(services)]
    migrated, stop = asyncio.Event(), threading.Event()
    old = OldProgram(url)
    with psycopg.connect(url) as long_one, ThreadPoolExecutor(2) as threads:
        long_one.execute("SELECT count(*) FROM decision")  # and does not end its transaction
        working = asyncio.gather(*(load.run(migrated) for load in loads))
        old_one = threads.submit(old.work, stop)
        for load in loads:
            await asyncio.wait_for(load.is_under_way.wait(), PATIENCE)
        migration = threads.submit(migrate, url)
        await asyncio.wait_for(held_up.wait(), PATIENCE)
        assert not migration.done()
        long_one.rollback()

        assert await asyncio.wait_for(asyncio.wrap_future(migration), PATIENCE) == HEAD

        migrated.set()
        stop.set()
        await asyncio.wait_for(working, PATIENCE)
        rounds = await asyncio.wait_for(asyncio.wrap_future(old_one), PATIENCE)

    assert rounds > 1
    assert all(len(load.recorded) == len(load.routed) > 1 for load in loads)
    check_nothing_is_lost(url, loads, rounds)
    return loads


def check_nothing_is_lost(url: str, loads: list[Load], rounds: int) -> None:
    store = open_store(url)
    (policy,) = store.policies()
    events = store.events(policy.id, 0, 1_000_000)
    for load in loads:
        for request, routed in load.routed.items():
            assert store.requested(policy.id, request) == routed.decision
            (outcome,) = store.outcomes(routed.decision.id)
            assert outcome.position == load.recorded[request].position
    told = [one.event.feedback_id for one in events if hasattr(one.event, "feedback_id")]
    assert sorted(told) == sorted(name for load in loads for name in load.recorded)
    assert [one.position for one in events] == list(range(1, len(events) + 1))
    store.close()
    with psycopg.connect(url) as connection:
        for table, expected in {
            "decision": len(told) + 3 * rounds,
            "outcome": len(told) + rounds,
            "learned": len(told),
        }.items():
            counted = connection.execute(ROWS.format(table).encode()).fetchall()
            assert counted == [(f"{table}_before", expected)]


def test_rows_keep_their_place_and_are_not_looked_through(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "sqlalchemy.dialects.postgresql")  # what the server remarks
    OldProgram(url).work(_set())
    files = "SELECT pg_relation_filenode(%s::regclass)"
    with psycopg.connect(url) as connection:
        before = {t: connection.execute(files, (t,)).fetchone() for t in PARTITIONED}

    migrate(f"{url}&options=-c%20client_min_messages%3Ddebug1")

    with psycopg.connect(url) as connection:
        after = {t: connection.execute(files, (f"{t}_before",)).fetchone() for t in PARTITIONED}
        fences = "SELECT conname FROM pg_constraint WHERE conname LIKE '%fence'"
        assert connection.execute(fences).fetchall() == []
    assert after == before
    for table in PARTITIONED:
        proved = f'constraint for table "{table}_before" is implied by existing constraints'
        assert proved in caplog.text


def test_who_had_rights_keeps_them(url: str) -> None:
    rights = (
        "SELECT privilege_type FROM information_schema.role_table_grants "
        "WHERE grantee = 'reader' AND table_name = 'decision' ORDER BY 1"
    )
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS reader")
        owner.execute("CREATE ROLE reader")
        owner.execute("GRANT SELECT, INSERT ON decision TO reader")

        migrate(url)

        assert owner.execute(rights).fetchall() == [("INSERT",), ("SELECT",)]
        owner.execute("DROP OWNED BY reader")
        owner.execute("DROP ROLE reader")


def test_decisions_of_a_clock_that_is_years_ahead_are_kept_too(url: str) -> None:
    (ahead,) = new_ids(1, time.time() + 5e8)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(OldProgram.INSERT, (1.0, [ahead, *new_ids(2, time.time())]))

        migrate(url)

        counted = connection.execute(ROWS.format("decision").encode()).fetchall()
        assert sorted(counted) == [("decision_before", 2), ("decision_default", 1)]


def test_an_attempt_that_broke_off_is_gone_on_with(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    OldProgram(url).work(_set())
    monkeypatch.setattr(schema, "ATTEMPTS", 1)
    with psycopg.connect(url) as long_one:
        long_one.execute("SELECT count(*) FROM outcome")  # the second table

        with pytest.raises(StoreUnavailable):
            migrate(url)

    with psycopg.connect(url) as connection:
        kinds = "SELECT relname, relkind FROM pg_class WHERE relname IN ('decision', 'outcome')"
        assert sorted(connection.execute(kinds).fetchall()) == [("decision", "p"), ("outcome", "r")]
    OldProgram(url).work(_set())  # half way, and still of use

    assert migrate(url) == HEAD

    with psycopg.connect(url) as connection:
        assert connection.execute(b"SELECT count(*) FROM outcome_before").fetchone() == (2,)
    open_store(url).close()


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def test_a_newer_schema_is_served_if_it_says_that_it_fits(store_url: str, tmp_path: Any) -> None:
    open_store(store_url).close()
    later(store_url, "9999", keep=True)
    try:
        open_store(store_url).close()
        later(store_url, "9999", keep=False)
        with pytest.raises(NewerSchema):
            open_store(store_url)
    finally:
        later(store_url, HEAD, keep=True)


def later(url: str, revision: str, *, keep: bool) -> None:
    """What a later version's migration does: it takes over, and keeps or takes our mark."""
    engine = open_engine(url)
    names = {"revision": revision, "ours": HEAD}
    with engine.begin() as connection:
        connection.execute(text("UPDATE bandit_schema SET version_num = :revision"), names)
        connection.execute(text("DELETE FROM compatible_revision WHERE revision = :ours"), names)
        if keep:
            connection.execute(text("INSERT INTO compatible_revision VALUES (:ours)"), names)
    engine.dispose()
