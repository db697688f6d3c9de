"""The one database: decisions and journals in SQLite or Postgres.

Nothing outside this folder knows SQL, and no error of a driver leaves it: what the
database refuses to answer is StoreUnavailable, what it cannot be is a BadStore.
"""

from bandit_service.ports import LogReader, Store
from bandit_service.store import schema
from bandit_service.store.engine import is_sqlite, open_engine
from bandit_service.store.log_reader import SqlLogReader
from bandit_service.store.sql_store import SqlStore

__all__ = ["migrate", "open_log_reader", "open_store"]


def open_store(url: str) -> Store:
    """The store at `sqlite:///path` or `postgresql://user@host/database`.

    An SQLite file is made, or brought up to date with a copy of the old one beside it.
    Postgres is never changed here: `bandit-service migrate` does that.

    Raises InvalidField for another kind of URL, StoreUnavailable, NewerSchema, OlderSchema,
    ForeignDatabase, DamagedDatabase.
    """
    engine = open_engine(url)
    try:
        if is_sqlite(engine):
            schema.migrate(engine)
        else:
            schema.check_schema(engine)
    except BaseException:
        engine.dispose()
        raise
    return SqlStore(engine)


def open_log_reader(url: str) -> LogReader:
    """Reads the log of a database, which a server may be writing; changes nothing.

    Raises as `open_store`, and OlderSchema for SQLite too.
    """
    engine = open_engine(url)
    try:
        schema.check_schema(engine)
    except BaseException:
        engine.dispose()
        raise
    return SqlLogReader(engine)


def migrate(url: str) -> str:
    """Brings the database up to date and returns the revision of its schema.

    Raises as `open_store`, but not OlderSchema.
    """
    engine = open_engine(url)
    try:
        return schema.migrate(engine)
    finally:
        engine.dispose()
