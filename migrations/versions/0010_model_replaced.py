"""Feedback can have come too late because the arm's model was declared replaced meanwhile."""

from alembic import op

from bandit_service.store import steps

revision = "0010"
down_revision = "0009"

BEFORE = ("learned", "recorded", "outranked", "not_configured", "other_features", "arm_removed")


def upgrade() -> None:
    allow((*BEFORE, "model_replaced"))
    steps.serve(revision)


def downgrade() -> None:
    steps.serve_no_longer(revision)
    # The older program has no word for it, and none that is nearer.
    op.execute("UPDATE recorded_feedback SET effect = 'recorded' WHERE effect = 'model_replaced'")
    allow(BEFORE)


def allow(effects: tuple[str, ...]) -> None:
    """Nobody waits in Postgres: the new constraint is validated behind the lock's back. SQLite has
    no way to change one: its table of answers to feedback ids is written anew, some seconds a
    million rows, by the start of a service."""
    rule = f"effect IN ({', '.join(repr(one) for one in effects)})"
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TABLE recorded_feedback_new ("
            "policy_id INTEGER NOT NULL, feedback_id TEXT NOT NULL, digest BLOB NOT NULL, "
            "position INTEGER NOT NULL, effect TEXT NOT NULL, "
            "CONSTRAINT recorded_feedback_position CHECK (position >= 1), "
            f"CONSTRAINT recorded_feedback_effect CHECK ({rule}), "
            "CONSTRAINT recorded_feedback_pk PRIMARY KEY (policy_id, feedback_id)"
            ") WITHOUT ROWID, STRICT"
        )
        names = "policy_id, feedback_id, digest, position, effect"
        op.execute(
            f"INSERT INTO recorded_feedback_new ({names}) SELECT {names} FROM recorded_feedback"
        )
        op.execute("DROP TABLE recorded_feedback")
        op.execute("ALTER TABLE recorded_feedback_new RENAME TO recorded_feedback")
        return
    op.execute("ALTER TABLE recorded_feedback DROP CONSTRAINT IF EXISTS recorded_feedback_effect")
    op.execute(
        "ALTER TABLE recorded_feedback ADD CONSTRAINT recorded_feedback_effect "
        f"CHECK ({rule}) NOT VALID"
    )
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE recorded_feedback VALIDATE CONSTRAINT recorded_feedback_effect")
