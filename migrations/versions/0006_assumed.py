"""A decision says of which arms the cost, latency or energy was not known."""

from bandit_service.store import steps

revision = "0006"
down_revision = "0005"

BYTES = {"sqlite": "BLOB", "postgresql": "BYTEA"}


def upgrade() -> None:
    rule = "length(assumed) = length(exclusions)"
    steps.add_checked_column("decision", "assumed", BYTES, rule)
    steps.serve(revision)


def downgrade() -> None:
    steps.serve_no_longer(revision)
    steps.drop_checked_column("decision", "assumed")
