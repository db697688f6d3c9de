"""The one database: decisions and journals in SQLite or Postgres.

Nothing outside this folder knows SQL, and no error of a driver leaves it: what the
database refuses to answer is StoreUnavailable, what it cannot be is a BadStore.
"""

import time

from bandit_service.ports import LogReader, Store
from bandit_service.store import schema
from bandit_service.store.energy_log import open_energy_log
from bandit_service.store.engine import is_sqlite, open_engine, open_existing_engine, telling
from bandit_service.store.log_reader import SqlLogReader
from bandit_service.store.partitions import PARTITION_DAYS, make_ahead
from bandit_service.store.rights import check_rights
from bandit_service.store.sql_store import SqlStore

__all__ = ["migrate", "open_energy_log", "open_existing", "open_log_reader", "open_store"]


def open_store(url: str, partition_days: int = PARTITION_DAYS) -> Store:
    """The store at `sqlite:///path` or `postgresql://user@host/database`.

    An SQLite file is made, or brought up to date with a copy of the old one beside it.
    Postgres is never changed here: `bandit-service migrate` does that. The partitions that the
    store makes there, when told to, hold `partition_days` days each.

    Raises InvalidField for another kind of URL, StoreUnavailable, NewerSchema, OlderSchema,
    ForeignDatabase, DamagedDatabase, RefusedByDatabase.
    """
    engine = open_engine(url)
    try:
        if is_sqlite(engine):
            schema.migrate(engine)
        else:
            schema.check_schema(engine)
        check_rights(engine)
    except BaseException:
        engine.dispose()
        raise
    return SqlStore(engine, partition_days)


def open_existing(url: str) -> Store:
    """As `open_store`, but raises DamagedDatabase instead of making an SQLite file."""
    open_existing_engine(url)  # connects to nothing
    return open_store(url)


def open_log_reader(url: str) -> LogReader:
    """Reads the log of a database, which a server may be writing; changes nothing.

    Raises as `open_existing`, and OlderSchema for SQLite too.
    """
    engine = open_existing_engine(url)
    try:
        schema.check_schema(engine)
    except BaseException:
        engine.dispose()
        raise
    return SqlLogReader(engine)


def migrate(url: str) -> str:
    """Brings the database up to date and returns the revision of its schema.

    Room for the coming weeks is made too. Raises as `open_store`, but not OlderSchema.
    """
    engine = open_engine(url)
    try:
        revision = schema.migrate(engine)
        if not is_sqlite(engine):
            with telling(engine):
                make_ahead(engine, time.time(), PARTITION_DAYS)
        return revision
    finally:
        engine.dispose()
