"""Decisions whose row was missing when feedback came are made of their tokens, and say so."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "ALTER TABLE decision ADD COLUMN recovered INTEGER NOT NULL DEFAULT 0 "
            "CONSTRAINT decision_recovered CHECK (recovered IN (0, 1))"
        )
    else:  # a constant default is kept beside the table: no row is written
        column = sa.Column("recovered", sa.Boolean, nullable=False, server_default=sa.false())
        op.add_column("decision", column)
    # Programs of this revision read and write these tables as they are.
    compatible = sa.table("compatible_revision", sa.column("revision", sa.Text))
    op.bulk_insert(compatible, [{"revision": revision}])


def downgrade() -> None:
    op.execute(f"DELETE FROM compatible_revision WHERE revision = '{revision}'")
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table("decision") as table:
            table.drop_constraint("decision_recovered")
            table.drop_column("recovered")
        return
    op.drop_column("decision", "recovered")
