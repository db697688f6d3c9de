"""How alembic runs the migrations: on the connection that `bandit_service.store` opened."""

from alembic import context
from sqlalchemy import text

from bandit_service.store.schema import MIGRATION_LOCK, VERSION_TABLE
from bandit_service.store.tables import metadata


def run() -> None:
    connection = context.config.attributes.get("connection")
    if connection is None:
        raise RuntimeError("run `bandit-service migrate`")
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        render_as_batch=True,  # SQLite alters a table by writing it anew
        transactional_ddl=True,  # all or nothing, in SQLite too
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            # One migrator at a time; the others wait here, then find nothing to do.
            connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            # Whoever waits for a table makes everybody wait behind it, so not for long.
            connection.execute(text("SET LOCAL lock_timeout = '2s'"))
        context.run_migrations()


run()
