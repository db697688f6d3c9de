"""How alembic runs the migrations: on the connection that `bandit_service.store` opened."""

from alembic import context
from sqlalchemy import Connection, text

from bandit_service.store.locks import MIGRATION_LOCK
from bandit_service.store.schema import VERSION_TABLE
from bandit_service.store.tables import metadata


def run() -> None:
    connection = context.config.attributes.get("connection")
    if connection is None:
        raise RuntimeError("run `bandit-service migrate`")
    on_postgres = connection.dialect.name == "postgresql"
    if on_postgres:
        be_the_only_one(connection)
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        render_as_batch=True,  # SQLite alters a table by writing it anew
        transactional_ddl=True,  # all or nothing, in SQLite too
        # In Postgres each migration for itself: one of several steps lets others work between
        # them. SQLite's migrator is alone because it holds the one lock from the beginning.
        transaction_per_migration=on_postgres,
    )
    with context.begin_transaction():
        context.run_migrations()


def be_the_only_one(connection: Connection) -> None:
    """Waits for other migrators, which leave nothing to do. The lock ends with the session."""
    connection.execute(text("SET lock_timeout = '60s'"))
    connection.execute(text("SET statement_timeout = 0"))
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
    # Whoever waits for a table makes everybody wait behind it, so not for long.
    connection.execute(text("SET lock_timeout = '2s'"))
    connection.commit()


run()
