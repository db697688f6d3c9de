"""A decision says what each challenger of its policy would have drawn from."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

CHECK = "length(challengers) % (8 * length(exclusions)) = 0"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "ALTER TABLE decision ADD COLUMN challengers BLOB "
            f"CONSTRAINT decision_challengers CHECK ({CHECK})"
        )
        serve()
        return
    # What an attempt that was broken off has left is no matter.
    op.execute("ALTER TABLE decision ADD COLUMN IF NOT EXISTS challengers BYTEA")
    op.execute("ALTER TABLE decision DROP CONSTRAINT IF EXISTS decision_challengers")
    # Not valid at first: to read all rows under the lock would hold everybody up.
    op.execute(
        f"ALTER TABLE decision ADD CONSTRAINT decision_challengers CHECK ({CHECK}) NOT VALID"
    )
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE decision VALIDATE CONSTRAINT decision_challengers")
    serve()


def serve() -> None:
    """Programs of this revision read and write these tables as they are."""
    compatible = sa.table("compatible_revision", sa.column("revision", sa.Text))
    op.bulk_insert(compatible, [{"revision": revision}])


def downgrade() -> None:
    op.execute(f"DELETE FROM compatible_revision WHERE revision = '{revision}'")
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table("decision") as table:
            table.drop_constraint("decision_challengers")
            table.drop_column("challengers")
        return
    op.drop_column("decision", "challengers")
