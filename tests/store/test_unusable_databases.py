"""A database that is not ours, or not of this version, is refused and not touched."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from bandit_service.errors import (
    BanditError,
    DamagedDatabase,
    ForeignDatabase,
    InvalidField,
    NewerSchema,
)
from bandit_service.store import (
    migrate,
    open_energy_log,
    open_existing,
    open_log_reader,
    open_store,
)
from tests.store.records import a_policy

SOMEONE_ELSES = [
    "CREATE TABLE customer (id INTEGER PRIMARY KEY)",
    # Another program that uses alembic, at a revision that happens to be called like ours.
    "CREATE TABLE alembic_version (version_num VARCHAR(32)); "
    "INSERT INTO alembic_version VALUES ('0001')",
    "CREATE TABLE policy (id INTEGER PRIMARY KEY)",
]


def our_file(path: Path) -> None:
    store = open_store(f"sqlite:///{path}")
    a_policy(store)
    store.close()


def a_text(path: Path) -> None:
    path.write_text("Dear diary, " * 1000)


def a_short_text(path: Path) -> None:
    path.write_bytes(b"\n")


def half_of_ours(path: Path) -> None:
    our_file(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def beginning_of_ours(path: Path) -> None:
    our_file(path)
    path.write_bytes(path.read_bytes()[:50])


def ours_without_its_schema_page(path: Path) -> None:
    our_file(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * 3996 + whole[4096:])


def ours_without_a_table(path: Path) -> None:
    our_file(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE journal")


def of_a_later_version(path: Path) -> None:
    our_file(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE bandit_schema SET version_num = '9999'")
        connection.execute("DELETE FROM compatible_revision")


def someone_elses(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SOMEONE_ELSES[0])


def someone_elses_in_wal_mode(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(SOMEONE_ELSES[1])


def with_a_table_named_like_ours(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SOMEONE_ELSES[2])


def contents(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir()}


@pytest.mark.parametrize("enter", [open_store, migrate])
@pytest.mark.parametrize(
    ("make", "error"),
    [
        (a_text, DamagedDatabase),
        (a_short_text, DamagedDatabase),
        (half_of_ours, DamagedDatabase),
        (beginning_of_ours, DamagedDatabase),
        (ours_without_its_schema_page, DamagedDatabase),
        (ours_without_a_table, DamagedDatabase),
        (of_a_later_version, NewerSchema),
        (someone_elses, ForeignDatabase),
        (someone_elses_in_wal_mode, ForeignDatabase),
        (with_a_table_named_like_ours, ForeignDatabase),
    ],
)
def test_an_unusable_file_is_refused_and_left_as_it_was(
    tmp_path: Path,
    make: Callable[[Path], None],
    error: type[BanditError],
    enter: Callable[[str], object],
) -> None:
    path = tmp_path / "test.db"
    make(path)
    before = contents(tmp_path)

    with pytest.raises(error):
        enter(f"sqlite:///{path}")

    assert contents(tmp_path) == before


@pytest.mark.parametrize("enter", [open_store, migrate])
def test_a_file_that_someone_else_has_open_is_left_as_it_was(
    tmp_path: Path, enter: Callable[[str], object]
) -> None:
    path = tmp_path / "test.db"
    someone_elses_in_wal_mode(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("INSERT INTO alembic_version VALUES ('0002')")
        other.commit()
        before = contents(tmp_path)
        assert before.keys() == {"test.db", "test.db-wal", "test.db-shm"}

        with pytest.raises(ForeignDatabase):
            enter(f"sqlite:///{path}")

        after = contents(tmp_path)
        del before["test.db-shm"], after["test.db-shm"]  # a table of locks, in shared memory
        assert after == before


@pytest.mark.parametrize("enter", [open_store, migrate])
@pytest.mark.parametrize("tables", SOMEONE_ELSES)
def test_someone_elses_postgres_is_refused_and_left_as_it_was(
    postgres_databases: Callable[[str], str], tables: str, enter: Callable[[str], object]
) -> None:
    url = postgres_databases("template0")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(tables.encode())
        asked = "SELECT relname FROM pg_class ORDER BY relname"
        before = connection.execute(asked).fetchall()

        with pytest.raises(ForeignDatabase, match="holds tables of something else"):
            enter(url)

        assert connection.execute(asked).fetchall() == before


@pytest.mark.parametrize("enter", [open_store, migrate])
def test_a_newer_postgres_is_refused(
    postgres_databases: Callable[[str], str], enter: Callable[[str], object]
) -> None:
    url = postgres_databases("migrated")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE bandit_schema SET version_num = '9999'")
        connection.execute("DELETE FROM compatible_revision")

    with pytest.raises(NewerSchema, match="'9999'"):
        enter(url)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DamagedDatabase, match=r"nowhere/test\.db .*folder does not exist"):
        open_store(f"sqlite:///{tmp_path}/nowhere/test.db")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("read", [open_existing, open_log_reader, open_energy_log])
def test_who_reads_makes_no_file(tmp_path: Path, read: Callable[[str], object]) -> None:
    with pytest.raises(DamagedDatabase, match="there is no such file"):
        read(f"sqlite:///{tmp_path}/missing.db")

    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(DamagedDatabase, match="it is not a file"):
        open_store(f"sqlite:///{tmp_path}")


@pytest.mark.parametrize(
    "url",
    [
        "mysql://root:hidden@host/db",
        "postgresql://root:hidden@host:port/db",
        "sqlite://",
        "sqlite:///:memory:",
        "hidden",
        "",
        "postgresql",
    ],
)
def test_another_kind_of_url_is_refused_without_showing_a_password(url: str) -> None:
    with pytest.raises(
        InvalidField, match="database: must be sqlite:///path or postgresql:"
    ) as refused:
        open_store(url)

    assert "hidden" not in str(refused.value)


def test_messages_do_not_show_the_password(postgres_databases: Callable[[str], str]) -> None:
    url = postgres_databases("template0").replace("postgres:@", "postgres:hidden@")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(b"CREATE TABLE customer (id integer)")

    with pytest.raises(ForeignDatabase) as refused:
        open_store(url)

    assert "hidden" not in str(refused.value)
    assert str(refused.value).startswith("postgresql://postgres:***@/")
