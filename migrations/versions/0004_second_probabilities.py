"""Duels whose two arms are drawn independently have a second row of chances."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

CHECK = "length(second_probabilities) = 8 * length(exclusions)"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "ALTER TABLE decision ADD COLUMN second_probabilities BLOB "
            f"CONSTRAINT decision_second_probabilities CHECK ({CHECK})"
        )
        serve()
        return
    # What an attempt that was broken off has left is no matter.
    op.execute("ALTER TABLE decision ADD COLUMN IF NOT EXISTS second_probabilities BYTEA")
    op.execute("ALTER TABLE decision DROP CONSTRAINT IF EXISTS decision_second_probabilities")
    # Not valid at first: to read all rows under the lock would hold everybody up.
    added = f"ADD CONSTRAINT decision_second_probabilities CHECK ({CHECK}) NOT VALID"
    op.execute(f"ALTER TABLE decision {added}")
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE decision VALIDATE CONSTRAINT decision_second_probabilities")
    serve()


def serve() -> None:
    """Programs of this revision read and write these tables as they are."""
    compatible = sa.table("compatible_revision", sa.column("revision", sa.Text))
    op.bulk_insert(compatible, [{"revision": revision}])


def downgrade() -> None:
    op.execute(f"DELETE FROM compatible_revision WHERE revision = '{revision}'")
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table("decision") as table:
            table.drop_constraint("decision_second_probabilities")
            table.drop_column("second_probabilities")
        return
    op.drop_column("decision", "second_probabilities")
