"""Duels whose two arms are drawn independently have a second row of chances."""

from bandit_service.store import steps

revision = "0004"
down_revision = "0003"

BYTES = {"sqlite": "BLOB", "postgresql": "BYTEA"}


def upgrade() -> None:
    rule = "length(second_probabilities) = 8 * length(exclusions)"
    steps.add_checked_column("decision", "second_probabilities", BYTES, rule)
    steps.serve(revision)


def downgrade() -> None:
    steps.serve_no_longer(revision)
    steps.drop_checked_column("decision", "second_probabilities")
