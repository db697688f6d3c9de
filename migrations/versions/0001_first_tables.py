"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql, sqlite

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Written out, not imported: a migration stays as it was when the tables move on.
Word = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Real = sa.Double().with_variant(sqlite.REAL(), "sqlite")
Flag = sa.Boolean().with_variant(sa.Integer(), "sqlite")
Bytes = sa.LargeBinary()

MOMENT = "{0} >= 0 AND {0} < 100000000000"
AMOUNT = "{0} >= 0 AND {0} < 1e300"
COUNT = "{0} >= 0"
A_SLOT_EACH = "length({0}) = 8 * length(exclusions)"
USAGE_ONLY = (
    "kind = 'usage' OR (cost_usd IS NULL AND input_tokens IS NULL AND output_tokens IS NULL "
    "AND latency_seconds IS NULL AND time_to_first_token_seconds IS NULL "
    "AND energy_joules IS NULL AND energy_source IS NULL)"
)
MEASURES = ("latency_seconds", "time_to_first_token_seconds", "energy_joules")
PER_SLOT = ("probabilities", "means", "deviations", "shadow", "offsets")


def needed(name: str, kind: sa.types.TypeEngine) -> sa.Column:
    return sa.Column(name, kind, nullable=False)


def optional(name: str, kind: sa.types.TypeEngine) -> sa.Column:
    return sa.Column(name, kind)


def flag(name: str) -> sa.Column:
    return sa.Column(name, Flag, nullable=False, server_default=sa.false())


def check(name: str, rule: str) -> sa.CheckConstraint:
    """`rule` speaks of the column {0}, if the constraint is named for one."""
    return sa.CheckConstraint(rule.format(name), name=name)


def check_flag(name: str) -> sa.CheckConstraint:
    return check(name, "{0} IN (0, 1)").ddl_if(dialect="sqlite")


def key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"{table}_pk")


def table(name: str, *items: sa.schema.SchemaItem, with_rowid: bool = False) -> None:
    for item in items:  # named as the metadata's naming convention does
        if isinstance(item, sa.CheckConstraint):
            item.name = op.f(f"{name}_{item.name}")
    op.create_table(name, *items, sqlite_with_rowid=with_rowid, sqlite_strict=True)


def upgrade() -> None:
    create_policies()
    create_journal()
    create_decisions()
    index_decisions()
    create_requests()
    create_outcomes()
    create_learned()


def create_policies() -> None:
    table(
        "policy",
        needed("id", sa.Integer()),
        needed("name", Word),
        needed("secret", Bytes),
        needed("create_time", Real),
        optional("delete_time", Real),
        check("create_time", MOMENT),
        check("delete_time", MOMENT),
        key("policy", "id"),
        with_rowid=True,
    )
    living = sa.text("delete_time IS NULL")
    op.create_index(
        "policy_name", "policy", ["name"], unique=True, sqlite_where=living, postgresql_where=living
    )
    table(
        "policy_head",
        sa.Column("policy_id", sa.Integer(), autoincrement=False),
        needed("head", Whole),
        check("head", COUNT),
        key("policy_head", "policy_id"),
        sa.ForeignKeyConstraint(["policy_id"], ["policy.id"], name="policy_head_policy_id_fk"),
        with_rowid=True,
    )


def create_journal() -> None:
    table(
        "journal",
        needed("policy_id", sa.Integer()),
        needed("position", Whole),
        needed("kind", Word),
        needed("body", Bytes),
        needed("create_time", Real),
        check("position", "{0} >= 1"),
        check("kind", "{0} IN ('feedback', 'revision')"),
        check("create_time", MOMENT),
        key("journal", "policy_id", "position"),
    )
    table(
        "recorded_feedback",
        needed("policy_id", sa.Integer()),
        needed("feedback_id", Word),
        needed("digest", Bytes),
        needed("position", Whole),
        needed("effect", Word),
        check("position", "{0} >= 1"),
        check(
            "effect",
            "{0} IN ('learned', 'recorded', 'outranked', 'not_configured', "
            "'other_features', 'arm_removed')",
        ),
        key("recorded_feedback", "policy_id", "feedback_id"),
    )


def create_decisions() -> None:
    table(
        "decision",
        needed("id", Word),
        needed("policy_id", sa.Integer()),
        needed("revision", Whole),
        needed("position", Whole),
        needed("create_time", Real),
        needed("clock", Real),
        needed("feature_version", Word),
        needed("context", Bytes),
        needed("arm", sa.Integer()),
        needed("propensity", Real),
        *(needed(name, Bytes) for name in ("probabilities", "means", "deviations", "exclusions")),
        optional("second_arm", sa.Integer()),
        *(optional(name, Bytes) for name in ("shadow", "offsets")),
        *map(flag, ("forced", "sticky", "observed", "degraded")),
        optional("request_id", Word),
        *(optional(name, Bytes) for name in ("request_digest", "session_hash", "subject_hash")),
        *(optional(name, Whole) for name in ("input_tokens", "output_tokens")),
        check("propensity", "{0} > 0 AND {0} <= 1"),
        check("position", "revision >= 0 AND position >= 0"),
        check("create_time", MOMENT),
        check("clock", AMOUNT),
        check("arm", "{0} >= 0 AND {0} < length(exclusions)"),
        check("second_arm", "{0} >= 0 AND {0} < length(exclusions)"),
        check("context", "length({0}) % 8 = 0"),
        *(check(name, A_SLOT_EACH) for name in PER_SLOT),
        *map(check_flag, ("forced", "sticky", "observed", "degraded")),
        check("input_tokens", COUNT),
        check("output_tokens", COUNT),
        key("decision", "id"),
        with_rowid=True,
    )


def index_decisions() -> None:
    op.create_index("decision_policy", "decision", ["policy_id", "id"])
    in_session = sa.text("session_hash IS NOT NULL")
    op.create_index(
        "decision_session",
        "decision",
        ["policy_id", "session_hash", "id"],
        sqlite_where=in_session,
        postgresql_where=in_session,
    )


def create_requests() -> None:
    table(
        "route_request",
        needed("policy_id", sa.Integer()),
        needed("request_id", Word),
        needed("decision_id", Word),
        key("route_request", "policy_id", "request_id"),
    )


def create_outcomes() -> None:
    table(
        "outcome",
        needed("decision_id", Word),
        needed("arm", sa.Integer()),
        needed("kind", Word),
        needed("source", Word),
        needed("position", Whole),
        needed("update_time", Real),
        optional("value", Real),
        optional("failure", Word),
        optional("cost_usd", Real),
        optional("input_tokens", Whole),
        optional("output_tokens", Whole),
        *(optional(name, Real) for name in MEASURES),
        optional("energy_source", Word),
        check("arm", COUNT),
        check("kind", "{0} IN ('success', 'score', 'preference', 'failure', 'usage')"),
        check("source", "{0} IN ('expert', 'user', 'check', 'judge', 'implicit')"),
        check("position", "{0} >= 1"),
        check("update_time", MOMENT),
        check("value", "{0} >= 0 AND {0} <= 1"),
        check("quality", "kind NOT IN ('success', 'score') OR value IS NOT NULL"),
        check("failure", "{0} IN ('timeout', 'rate_limit', 'error', 'refusal')"),
        check("failed", "(kind = 'failure') = (failure IS NOT NULL)"),
        check("cost_usd", AMOUNT),
        check("input_tokens", COUNT),
        check("output_tokens", COUNT),
        *(check(name, AMOUNT) for name in MEASURES),
        check("energy_source", "{0} IN ('measured', 'sampled', 'estimated')"),
        check("usage", USAGE_ONLY),
        key("outcome", "decision_id", "arm", "kind", "source"),
    )


def create_learned() -> None:
    table(
        "learned",
        needed("decision_id", Word),
        needed("arm", sa.Integer()),
        needed("value", Real),
        needed("epoch", Whole),
        check("arm", COUNT),
        check("value", "{0} >= 0 AND {0} <= 1"),
        check("epoch", COUNT),
        key("learned", "decision_id", "arm"),
    )


def downgrade() -> None:
    for name in (
        "learned",
        "outcome",
        "route_request",
        "decision",
        "recorded_feedback",
        "journal",
        "policy_head",
        "policy",
    ):
        op.drop_table(name)
