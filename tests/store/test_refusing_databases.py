"""A database that is there and does not let us: said at the start, and survived while serving."""

import os
import sqlite3
import stat
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from sqlalchemy import event

from bandit_service.cli.exits import PRECONDITION, exit_code
from bandit_service.errors import RefusedByDatabase, StoreUnavailable
from bandit_service.model import Effect, Recorded
from bandit_service.store import migrate, open_store
from bandit_service.store.sql_store import SqlStore
from tests.builders import NOW, a_query, a_submission
from tests.service.running import Service, WatchedStore, running_on
from tests.store.records import a_policy
from tests.store.test_unusable_databases import contents, our_file

NOBODY = 65_534


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that others can look into; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        path = Path(made)
        path.chmod(0o755)
        yield path
        path.chmod(0o755)


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may write whatever the file says; so, if we are, be nobody for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def a_file_to_read_only(folder: Path) -> None:
    our_file(folder / "test.db")
    (folder / "test.db").chmod(0o444)
    folder.chmod(0o777)


def a_folder_to_read_only(folder: Path) -> None:
    our_file(folder / "test.db")
    (folder / "test.db").chmod(0o666)
    folder.chmod(0o555)


def a_file_that_cannot_be_made(folder: Path) -> None:
    folder.chmod(0o555)


def a_file_to_nobody(folder: Path) -> None:
    our_file(folder / "test.db")
    (folder / "test.db").chmod(stat.S_IRUSR if os.geteuid() == 0 else 0)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (a_file_to_read_only, "readonly database"),
        (a_folder_to_read_only, "unable to open database file|readonly database"),
        (a_file_that_cannot_be_made, "unable to open database file"),
        (a_file_to_nobody, "Permission denied"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_with_the_reason(
    folder: Path, make: Callable[[Path], None], why: str
) -> None:
    make(folder)
    before = contents_of(folder)

    with without_privileges(), pytest.raises(RefusedByDatabase, match=why) as refused:
        open_store(f"sqlite:///{folder}/test.db")

    assert str(folder) in str(refused.value)
    assert exit_code(refused.value) == PRECONDITION
    folder.chmod(0o755)
    assert contents_of(folder) == before


def contents_of(folder: Path) -> dict[str, bytes]:
    """Without the two files that SQLite puts beside a database that is open."""
    found = contents(folder)
    return {name: held for name, held in found.items() if name == "test.db"}


# -- Postgres -------------------------------------------------------------------------------


@pytest.fixture
def url(postgres_databases: Callable[[str], str]) -> str:
    return postgres_databases("migrated")


@pytest.fixture
def owner(url: str) -> Iterator[Any]:
    """A connection that may do anything; roles that it makes are gone afterwards."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'right'")
        yield connection
        connection.execute("DROP OWNED BY guest")
        connection.execute("DROP ROLE guest")


def as_guest(url: str, password: str = "") -> str:
    return url.replace("postgres:@", f"guest:{password}@")


@pytest.fixture
def guarded(postgres_server: Any, owner: Any, url: str) -> Iterator[None]:
    """The server asks the guest for a password."""
    rules = Path(postgres_server.pgdata) / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"local all guest scram-sha-256\n{before}")
    owner.execute("SELECT pg_reload_conf()")
    while lets_in(as_guest(url, "wrong")):  # until it has read that
        time.sleep(0.02)
    yield
    rules.write_text(before)
    owner.execute("SELECT pg_reload_conf()")


def lets_in(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.parametrize("enter", [open_store, migrate])
@pytest.mark.usefixtures("guarded")
def test_wrong_credentials_are_named_and_not_shown(
    url: str, enter: Callable[[str], object]
) -> None:
    for password, why in (("hidden", "password authentication failed"), ("", "no password")):
        with pytest.raises(RefusedByDatabase, match=why) as refused:
            enter(as_guest(url, password))

        assert "hidden" not in str(refused.value)
        assert exit_code(refused.value) == PRECONDITION


@pytest.mark.parametrize("enter", [open_store, migrate])
def test_a_database_or_a_user_that_is_not_there_is_named(
    url: str, owner: Any, enter: Callable[[str], object]
) -> None:
    with pytest.raises(RefusedByDatabase, match=r'database "nowhere" does not exist'):
        enter(url.replace("/test_0", "/nowhere"))
    with pytest.raises(RefusedByDatabase, match=r'role "stranger" does not exist'):
        enter(url.replace("postgres:@", "stranger:@"))
    owner.execute("ALTER ROLE guest NOLOGIN")
    with pytest.raises(RefusedByDatabase, match="not permitted to log in"):
        enter(as_guest(url))


def test_a_user_who_may_only_read_is_refused_with_what_is_missing(url: str, owner: Any) -> None:
    owner.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest")
    owner.execute("GRANT INSERT ON decision, journal TO guest")

    with pytest.raises(RefusedByDatabase, match=r"may not .*INSERT on learned, ") as refused:
        open_store(as_guest(url))

    assert "INSERT on decision" not in str(refused.value)
    assert "UPDATE on policy_head" in str(refused.value)


def test_a_user_who_may_read_and_write_is_let_in(url: str, owner: Any) -> None:
    owner.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest")
    owner.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO guest")

    store = open_store(as_guest(url))
    a_policy(store)
    store.close()


@pytest.mark.parametrize(
    ("database", "enter"), [("migrated", open_store), ("migrated", migrate), ("template0", migrate)]
)
@pytest.mark.usefixtures("owner")
def test_a_user_who_may_not_even_read_is_refused(
    postgres_databases: Callable[[str], str], database: str, enter: Callable[[str], object]
) -> None:
    with pytest.raises(RefusedByDatabase, match="permission denied"):
        enter(as_guest(postgres_databases(database)))


def test_a_database_that_only_reads_is_refused(url: str, owner: Any) -> None:
    owner.execute("ALTER DATABASE test_0 SET default_transaction_read_only = on")

    with pytest.raises(RefusedByDatabase, match="it is read-only"):
        open_store(url)


def test_an_empty_database_that_only_reads_cannot_be_migrated(
    postgres_databases: Callable[[str], str],
) -> None:
    url = postgres_databases("template0")
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("ALTER DATABASE test_0 SET default_transaction_read_only = on")

    with pytest.raises(RefusedByDatabase, match="read-only transaction"):
        migrate(url)


# -- while it serves ------------------------------------------------------------------------


class Trouble:
    """Makes a database refuse writes for a while."""

    def __init__(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        self.begin, self.end = begin, end


def full_file(store: SqlStore) -> Trouble:
    """As if the disk had no page left: SQLite's own limit."""
    pages = {"most": 1}  # SQLite never takes it below what there is

    def limit(connection: sqlite3.Connection, _record: object = None) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages['most']}")

    def set_to(most: int) -> None:
        pages["most"] = most
        with store._writing() as writers:
            writers.drop()
        store._engine.dispose()

    event.listen(store._engine, "connect", limit)
    return Trouble(lambda: set_to(1), lambda: set_to(4_294_967_294))


def file_to_read_only(store: SqlStore) -> Trouble:
    """As if the file system had been mounted anew: SQLite says the same."""
    only = {"read": 0}

    def limit(connection: sqlite3.Connection, _record: object = None) -> None:
        connection.execute(f"PRAGMA query_only = {only['read']}")

    def set_to(read_only: int) -> None:
        only["read"] = read_only
        with store._writing() as writers:
            writers.drop()
        store._engine.dispose()

    event.listen(store._engine, "connect", limit)
    return Trouble(lambda: set_to(1), lambda: set_to(0))


def server_to_read_only(url: str) -> Trouble:
    """As a server is that has become a standby, or that its provider has locked."""
    writing = {"options": "-c default_transaction_read_only=off"}

    def set_to(value: str) -> None:
        with psycopg.connect(url, autocommit=True, **writing) as connection:  # type: ignore[arg-type]
            change = f"ALTER DATABASE test_0 SET default_transaction_read_only = {value}"
            connection.execute(change.encode())
            connection.execute(  # those that are open took the old one
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    return Trouble(lambda: set_to("on"), lambda: set_to("off"))


def full_server(url: str) -> Trouble:
    """As if the disk were full: the error that Postgres reports then."""
    tables = ("decision", "journal", "recorded_feedback")

    def run(*statements: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    run(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$"
    )
    trigger = (
        "CREATE TRIGGER full_disk BEFORE INSERT ON {0} FOR EACH {1} EXECUTE FUNCTION full_disk()"
    )
    return Trouble(
        lambda: run(*(trigger.format(one, "STATEMENT") for one in tables)),
        lambda: run(*(f"DROP TRIGGER full_disk ON {one}" for one in tables)),
    )


def rights_taken(url: str) -> Trouble:
    def run(statement: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.encode())

    rights = "INSERT, UPDATE ON ALL TABLES IN SCHEMA public"
    return Trouble(
        lambda: run(f"REVOKE {rights} FROM guest"), lambda: run(f"GRANT {rights} TO guest")
    )


AT_MOST = 100  # rows that find room in the last pages


async def check_it_survives(service: Service, trouble: Trouble) -> None:
    """Nothing is acknowledged meanwhile, nothing changes, and afterwards all goes on."""
    await service.create()
    earlier = [await service.decide() for _ in range(AT_MOST)]

    trouble.begin()
    told = [a_submission(decision_id=one, feedback_id=one, score=0.5) for one in earlier]
    asked = [a_query(request_id=f"r{number}") for number in range(AT_MOST)]
    await first_refused(service.router.route, [a_query()] * AT_MOST)
    query = await first_refused(service.router.route, asked)
    feedback = await first_refused(service.recorder.record, told)
    state, position = service.engine().state_hash(), service.engine().position
    for call in (service.router.route(query), service.recorder.record(feedback)):
        with pytest.raises(StoreUnavailable):
            await call
    assert (service.engine().state_hash(), service.engine().position) == (state, position)
    assert service.store.events(1, position, 9) == [], "and reading goes on"
    trouble.end()

    routed = await service.router.route(query)
    assert service.store.requested(1, query.request_id) == routed.decision
    recorded = await service.recorder.record(feedback)
    assert recorded == Recorded(feedback.feedback_id, position + 1, Effect.LEARNED)


async def first_refused(call: Callable[[Any], Awaitable[Any]], given: Sequence[Any]) -> Any:
    """In the last page there may be room for some."""
    for one in given:
        try:
            await call(one)
        except StoreUnavailable:
            return one
    raise AssertionError("none was refused")


async def test_a_full_disk_is_unavailable_until_there_is_room(tmp_path: Path) -> None:
    store = cast(SqlStore, open_store(f"sqlite:///{tmp_path}/test.db"))
    async with running_on(WatchedStore(store), lambda: NOW) as service:
        await check_it_survives(service, full_file(store))


async def test_a_full_server_is_unavailable_until_there_is_room(url: str) -> None:
    async with running_on(WatchedStore(open_store(url)), lambda: NOW) as service:
        await check_it_survives(service, full_server(url))


async def test_a_file_that_only_reads_is_unavailable_until_it_takes_writes_again(
    tmp_path: Path,
) -> None:
    store = cast(SqlStore, open_store(f"sqlite:///{tmp_path}/test.db"))
    async with running_on(WatchedStore(store), lambda: NOW) as service:
        await check_it_survives(service, file_to_read_only(store))


async def test_a_server_that_only_reads_is_unavailable_until_it_takes_writes_again(
    url: str,
) -> None:
    async with running_on(WatchedStore(open_store(url)), lambda: NOW) as service:
        await check_it_survives(service, server_to_read_only(url))


async def test_rights_that_are_taken_away_are_unavailable_until_they_are_back(
    url: str, owner: Any
) -> None:
    owner.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest")
    owner.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO guest")
    async with running_on(WatchedStore(open_store(as_guest(url))), lambda: NOW) as service:
        await check_it_survives(service, rights_taken(url))


def test_a_disk_that_is_full_while_migrating_is_named(
    postgres_databases: Callable[[str], str],
) -> None:
    url = postgres_databases("template0")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION full_disk() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE 'No space left on device' USING ERRCODE = '53100'; END $$"
        )
        connection.execute(
            "CREATE EVENT TRIGGER full_disk ON ddl_command_start EXECUTE FUNCTION full_disk()"
        )

        with pytest.raises(RefusedByDatabase, match="No space left on device"):
            migrate(url)

        connection.execute("DROP EVENT TRIGGER full_disk")
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert connection.execute(tables).fetchone() == (0,)
    migrate(url)
