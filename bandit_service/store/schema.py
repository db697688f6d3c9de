"""Which tables a database has, and how it gets the ones this version needs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy import (
    Connection,
    Engine,
    NullPool,
    String,
    column,
    create_engine,
    inspect,
    select,
    table,
)
from sqlalchemy.exc import DBAPIError

from bandit_service.errors import (
    DamagedDatabase,
    ForeignDatabase,
    NewerSchema,
    OlderSchema,
    RefusedByDatabase,
)
from bandit_service.store.engine import is_sqlite, telling, where
from bandit_service.store.locks import try_again
from bandit_service.store.tables import compatible_revision, metadata

if TYPE_CHECKING:
    from alembic.config import Config

# Not alembic's own name for it: another program's alembic is not ours.
VERSION_TABLE = "bandit_schema"
ATTEMPTS = 30  # some five minutes, if somebody holds a table all the time
SQLITE_BEGINS = b"SQLite format 3\0"

log = logging.getLogger(__name__)

_one_migration = Lock()  # alembic works through globals


def check_schema(engine: Engine) -> None:
    """Looks whether the database is one this version can work with; writes nothing.

    That is of its own revision, or of a later one that says it fits.

    Raises OlderSchema (also if it is empty), NewerSchema, ForeignDatabase,
    DamagedDatabase, StoreUnavailable.
    """
    known = revisions()
    wanted = known[-1]
    with _looking(engine) as connection:
        if connection is None:
            raise OlderSchema("none", wanted)
        found, names = _found(connection, where(engine))
        if found not in ("none", *known):
            if not _is_marked(connection, wanted, names):
                raise NewerSchema(found)
            log.warning("the schema is %s, newer than %s, and says that it fits", found, wanted)
            found = wanted
    if found != wanted:
        raise OlderSchema(found, wanted)
    if missing := metadata.tables.keys() - names:
        raise DamagedDatabase(where(engine), f"it has lost {', '.join(sorted(missing))}")


def migrate(engine: Engine) -> str:
    """Brings the database up to date, and returns the revision it has then.

    Of an older SQLite file a copy is kept beside it. Raises as `check_schema`, before
    anything is written, but not OlderSchema.
    """
    try:
        check_schema(engine)
    except OlderSchema as older:
        with _one_migration, telling(engine):
            if is_sqlite(engine):
                _prepare_file(engine, older.facts["found"])
            _upgrade(engine)
        check_schema(engine)
    return revisions()[-1]


def migrations_folder() -> Path:
    """The migrations of the wheel, or else of the checkout."""
    package = Path(__file__).parents[1]
    packaged = package / "migrations"
    return packaged if packaged.is_dir() else package.parent / "migrations"


def revisions() -> list[str]:
    """Every revision there is, the first one first: a file of migrations begins with its own.

    As alembic says, too; but to load that takes a fifth of a start, and hardly ever is there
    anything to migrate.
    """
    files = (migrations_folder() / "versions").glob("[0-9]*_*.py")
    return sorted(file.name.partition("_")[0] for file in files)


@contextmanager
def _looking(engine: Engine) -> Iterator[Connection | None]:
    """A connection that cannot write; None where there is no file yet."""
    if not is_sqlite(engine):
        with telling(engine), engine.connect() as connection:
            yield connection
        return
    path = Path(str(engine.url.database))
    if not path.exists():
        yield None
        return
    # At rest, a file can be read without the two files that SQLite puts beside it.
    busy = any(Path(f"{path}{suffix}").exists() for suffix in ("-wal", "-journal"))
    if not busy:
        _refuse_what_is_no_database(path)
    how = "mode=ro" if busy else "mode=ro&immutable=1"
    address = f"sqlite:///{path.resolve().as_uri()}?{how}&uri=true"
    reader = create_engine(address, poolclass=NullPool)
    try:
        with reader.connect() as connection:
            yield connection
    except DBAPIError as error:
        raise DamagedDatabase(str(path), str(error.orig)) from error
    finally:
        reader.dispose()


def _refuse_what_is_no_database(path: Path) -> None:
    """SQLite itself takes a short file for an empty one, and would write over it.

    Only of a file at rest: to close one takes all the locks of this process off it, those of its
    open connections too. The next process that closed the database would then believe to be
    the last one, and delete the log that this one goes on writing to.
    """
    if not path.is_file():
        raise DamagedDatabase(str(path), "it is not a file")
    try:
        with path.open("rb") as file:
            beginning = file.read(len(SQLITE_BEGINS))
    except OSError as error:
        raise RefusedByDatabase(str(path), error.strerror or "it cannot be read") from error
    if beginning not in (b"", SQLITE_BEGINS):
        raise DamagedDatabase(str(path), "it is not an SQLite file")


def _found(connection: Connection, place: str) -> tuple[str, set[str]]:
    """The revision, "none" before the first one, and the names of the tables."""
    names = set(inspect(connection).get_table_names())
    if VERSION_TABLE not in names:
        if names:
            raise ForeignDatabase(place)
        return "none", names
    version = column("version_num", String)
    heads = connection.scalars(select(version).select_from(table(VERSION_TABLE)))
    return ", ".join(sorted(heads)) or "none", names


def _is_marked(connection: Connection, revision: str, names: set[str]) -> bool:
    """Whether a schema says that programs of an older revision can work with it."""
    if compatible_revision.name not in names:
        return False
    marked = select(compatible_revision.c.revision)
    return revision in connection.scalars(marked).all()


def _prepare_file(engine: Engine, found: str) -> None:
    with engine.connect() as connection:  # which begins no transaction
        if found != "none":
            copy = Path(f"{engine.url.database}.{found}.backup")
            copy.unlink(missing_ok=True)  # of an attempt that failed
            connection.exec_driver_sql("VACUUM INTO ?", (str(copy),))
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")  # stays with the file


def _upgrade(engine: Engine) -> None:
    """Runs the migrations; tries again if a table is in use just then."""
    try_again(lambda: _upgrade_now(engine), ATTEMPTS)


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    return config


def _upgrade_now(engine: Engine) -> None:
    from alembic import command

    config = _config()
    with engine.connect().execution_options(write=True) as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        finally:
            connection.invalidate()  # closed for good, and with it what was set and locked
