"""A usage says what retries, cascades and judges took, that were paid for the same decision."""

from bandit_service.store import steps

revision = "0009"
down_revision = "0008"

BYTES = {"sqlite": "BLOB", "postgresql": "BYTEA"}


def upgrade() -> None:
    rule = "kind = 'usage' OR other_calls IS NULL"
    steps.add_checked_column("outcome", "other_calls", BYTES, rule)
    steps.serve(revision)


def downgrade() -> None:
    steps.serve_no_longer(revision)
    steps.drop_checked_column("outcome", "other_calls")
