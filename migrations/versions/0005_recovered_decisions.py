"""Decisions whose row was missing when feedback came are made of their tokens, and say so."""

from alembic import op

from bandit_service.store import steps

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "ALTER TABLE decision ADD COLUMN recovered INTEGER NOT NULL DEFAULT 0 "
            "CONSTRAINT decision_recovered CHECK (recovered IN (0, 1))"
        )
    else:  # a constant default is kept beside the table: no row is written
        op.execute(
            "ALTER TABLE decision ADD COLUMN IF NOT EXISTS recovered BOOLEAN DEFAULT false NOT NULL"
        )
    steps.serve(revision)


def downgrade() -> None:
    steps.serve_no_longer(revision)
    steps.drop_checked_column("decision", "recovered")
