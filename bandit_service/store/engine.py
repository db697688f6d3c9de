"""Opens a database, makes both kinds equally strict, and translates their errors."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bandit_service.errors import (
    DamagedDatabase,
    InvalidField,
    RefusedByDatabase,
    SilentDatabase,
    StoreUnavailable,
)

WAIT_SECONDS = 5  # for a lock of somebody else, for a connection of the pool
HEAD_WAIT_SECONDS = 0.3  # for the journal of a policy, which others write as well
CONNECT_SECONDS = 2
LOCK_NOT_AVAILABLE = "55P03"

# What a connection of Postgres waits for at most. A replica that is stopped while it holds
# a head's lock loses the lock with its session, so the others go on.
_POSTGRES_LIMITS = (
    f"SET lock_timeout = '{WAIT_SECONDS}s'; SET statement_timeout = '30s'; "
    "SET idle_in_transaction_session_timeout = '10s'; "
    # A plan made for any decision would have to lock every partition.
    "SET plan_cache_mode = force_custom_plan"
)
# A peer that vanished without a word is noticed by the kernel, not by a hanging thread.
_POSTGRES_SOCKET = {
    "connect_timeout": CONNECT_SECONDS,
    "tcp_user_timeout": 10_000,  # milliseconds
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
_SILENT = (OperationalError, InterfaceError, InternalError, PoolTimeout)
_NO_RIGHTS, _CHECK = "42501", "23514"

# What an operator has to set right, as Postgres and SQLite call it. Who is not let in gets no
# code from Postgres, only words.
_REFUSALS = {_NO_RIGHTS, "25006", "28000", "28P01", "3D000", "53100"}
_REFUSED_ENTRANCE = re.compile(
    r"authentication failed|no password supplied|(role|database) \".*\" does not exist"
    r"|permission denied|not permitted to log in|no pg_hba\.conf entry"
)
_SQLITE_REFUSALS = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}


def open_engine(url: str) -> Engine:
    """An engine for `sqlite:///path` or `postgresql://…`; connects to nothing yet.

    Raises InvalidField for another URL, DamagedDatabase if the file's folder is missing.
    """
    parsed = _parsed(url)
    if parsed.drivername == "sqlite":
        return _sqlite(parsed)
    return _postgres(parsed)


def open_existing_engine(url: str) -> Engine:
    """As `open_engine`; raises DamagedDatabase also where there is no SQLite file."""
    engine = open_engine(url)
    if is_sqlite(engine) and not Path(where(engine)).exists():
        raise DamagedDatabase(where(engine), "there is no such file")
    return engine


def is_sqlite(database: Engine | Connection) -> bool:
    return database.dialect.name == "sqlite"


def where(engine: Engine) -> str:
    """The database's place for messages, without its password."""
    if is_sqlite(engine):
        return str(engine.url.database)
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=True)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that is going to write."""
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        yield connection


@contextmanager
def answering() -> Iterator[None]:
    """Makes StoreUnavailable of whatever says that the database did not do its work.

    A broken constraint is a bug of ours and passes through, to be seen.
    """
    try:
        yield
    except _SILENT as error:
        raise StoreUnavailable from error
    except DatabaseError as error:
        if type(error) is DatabaseError:  # a damaged file, found while serving
            raise StoreUnavailable from error
        if _state(error) == _NO_RIGHTS or _has_lost_its_partition(error):
            raise StoreUnavailable from error
        raise


@contextmanager
def telling(engine: Engine) -> Iterator[None]:
    """As `answering`, for those who can set it right: RefusedByDatabase and SilentDatabase, which
    is a StoreUnavailable, tell what is wrong."""
    try:
        with answering():
            yield
    except StoreUnavailable as error:
        cause = error.__cause__
        if not isinstance(cause, DBAPIError):
            raise
        why = " ".join(str(cause.orig).split())
        kind = RefusedByDatabase if _is_refusal(cause) else SilentDatabase
        raise kind(where(engine), why) from error


def _state(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _has_lost_its_partition(error: DBAPIError) -> bool:
    """A row on its way to the default partition when its own one was made: it finds that the
    next time. Unlike a constraint of ours, that rule has no name."""
    diagnosis = getattr(error.orig, "diag", None)
    return _state(error) == _CHECK and diagnosis is not None and diagnosis.constraint_name is None


def _is_refusal(error: DBAPIError) -> bool:
    if isinstance(error.orig, sqlite3.Error):
        return error.orig.sqlite_errorcode & 0xFF in _SQLITE_REFUSALS
    return _state(error) in _REFUSALS or (
        not _state(error) and _REFUSED_ENTRANCE.search(str(error.orig)) is not None
    )


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the second for a port that is none
        parsed = URL.create("none")
    if parsed.drivername == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    # What was given is not shown: it may hold a password.
    raise InvalidField("database", "must be sqlite:///path or postgresql://user@host/database")


def _sqlite(url: URL) -> Engine:
    path = Path(str(url.database))
    if not path.parent.is_dir():
        raise DamagedDatabase(str(path), "its folder does not exist")
    # The statements that `bulk` builds are worth keeping prepared.
    settings = {"timeout": WAIT_SECONDS, "check_same_thread": False, "cached_statements": 256}
    engine = create_engine(
        url, connect_args=settings, pool_timeout=WAIT_SECONDS, hide_parameters=True
    )
    event.listen(engine, "connect", _be_strict)
    event.listen(engine, "begin", _begin)
    return engine


def _be_strict(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # Python's driver begins late; `_begin` does it
    connection.execute("PRAGMA synchronous = FULL")  # a commit survives the loss of power
    connection.execute("PRAGMA foreign_keys = ON")  # off by default


def _begin(connection: Connection) -> None:
    # A reader that becomes a writer half way is refused when another one was quicker, so
    # who is going to write says so first. A single read needs no transaction.
    if connection.get_execution_options().get("write"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _postgres(url: URL) -> Engine:
    settings: dict[str, Any] = {
        name: value for name, value in _POSTGRES_SOCKET.items() if name not in url.query
    }
    engine = create_engine(
        url,
        connect_args=settings,
        pool_timeout=WAIT_SECONDS,
        pool_pre_ping=True,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _limit)
    return engine


def _limit(connection: Any, _record: object) -> None:
    try:
        connection.autocommit = True
        connection.execute(_POSTGRES_LIMITS)
        connection.autocommit = False
    except BaseException:
        connection.close()  # it never gets into the pool, so nobody else would
        raise
