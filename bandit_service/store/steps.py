"""Steps that several migrations take, on a service that works meanwhile.

A migration stays as it was when it has been released, and so does a step: one that is to do
something else is another function.
"""

from collections.abc import Mapping

import sqlalchemy as sa
from alembic import op


def add_checked_column(table: str, column: str, kinds: Mapping[str, str], rule: str) -> None:
    """Adds a column that may be NULL, and the constraint `<table>_<column>` that it obeys `rule`.

    `kinds` are its types, by dialect. Nobody waits while old rows are looked through: in Postgres
    the constraint is validated behind the lock's back, and an attempt that was broken off is gone
    on with; SQLite's table is not written anew.
    """
    name, kind = f"{table}_{column}", kinds[op.get_bind().dialect.name]
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"ALTER TABLE {table} ADD COLUMN {column} {kind} CONSTRAINT {name} CHECK ({rule})"
        )
        return
    # What an attempt that was broken off has left is no matter.
    op.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column} {kind}")
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")
    # Not valid at first: to read all rows under the lock would hold everybody up.
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({rule}) NOT VALID")
    with op.get_context().autocommit_block():
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def drop_checked_column(table: str, column: str) -> None:
    """Takes both back: with the service stopped, for SQLite writes the table anew."""
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(f"{table}_{column}")
            batch.drop_column(column)
        return
    op.drop_column(table, column)


def serve(revision: str) -> None:
    """Programs of this revision read and write the tables as they are."""
    compatible = sa.table("compatible_revision", sa.column("revision", sa.Text))
    op.bulk_insert(compatible, [{"revision": revision}])


def serve_no_longer(revision: str) -> None:
    op.execute(f"DELETE FROM compatible_revision WHERE revision = '{revision}'")  # noqa: S608
