"""Decisions, and what came of them."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, LargeBinary, Table, false, text

from bandit_service.model import EnergySource, Failure, Kind, Source
from bandit_service.store.tables.columns import (
    Flag,
    Real,
    Whole,
    Word,
    amount,
    flag,
    metadata,
    moment,
    one_of,
)


def _pool_of(column: str) -> CheckConstraint:
    """One float64 a slot, and a slot for each byte of `exclusions`."""
    return CheckConstraint(f"length({column}) = 8 * length(exclusions)", name=column)


# Columns in the order of model.Decision's fields. With a rowid in SQLite: rows of wide
# contexts would overflow a keyed b-tree's pages, and it measured no quicker.
decision = Table(
    "decision",
    metadata,
    Column("id", Word, primary_key=True),  # UUIDv7: later ones sort later, so it appends
    Column("policy_id", Integer, nullable=False),
    Column("revision", Whole, nullable=False),
    Column("position", Whole, nullable=False),
    Column("create_time", Real, nullable=False),
    Column("clock", Real, nullable=False),  # seconds, or requests
    Column("feature_version", Word, nullable=False),
    Column("context", LargeBinary, nullable=False),
    Column("arm", Integer, nullable=False),
    Column("propensity", Real, nullable=False),
    Column("probabilities", LargeBinary, nullable=False),
    Column("means", LargeBinary, nullable=False),
    Column("deviations", LargeBinary, nullable=False),
    Column("exclusions", LargeBinary, nullable=False),
    Column("second_arm", Integer),
    Column("shadow", LargeBinary),
    Column("offsets", LargeBinary),
    Column("forced", Flag, nullable=False, server_default=false()),
    Column("sticky", Flag, nullable=False, server_default=false()),
    Column("observed", Flag, nullable=False, server_default=false()),
    Column("degraded", Flag, nullable=False, server_default=false()),
    Column("request_id", Word),
    Column("request_digest", LargeBinary),
    Column("session_hash", LargeBinary),
    Column("subject_hash", LargeBinary),
    Column("input_tokens", Whole),
    Column("output_tokens", Whole),
    Column("second_probabilities", LargeBinary),
    Column("recovered", Flag, nullable=False, server_default=false()),
    Column("assumed", LargeBinary),
    Column("spending", LargeBinary),  # msgpack of a model.Spending
    Column("challengers", LargeBinary),
    CheckConstraint("propensity > 0 AND propensity <= 1", name="propensity"),
    CheckConstraint("revision >= 0 AND position >= 0", name="position"),
    moment("create_time"),
    amount("clock"),
    CheckConstraint("arm >= 0 AND arm < length(exclusions)", name="arm"),
    CheckConstraint("second_arm >= 0 AND second_arm < length(exclusions)", name="second_arm"),
    CheckConstraint("length(context) % 8 = 0", name="context"),
    *map(_pool_of, ("probabilities", "means", "deviations", "shadow", "offsets")),
    _pool_of("second_probabilities"),
    CheckConstraint("length(assumed) = length(exclusions)", name="assumed"),
    # A row for the incumbent, and one for each challenger.
    CheckConstraint("length(challengers) % (8 * length(exclusions)) = 0", name="challengers"),
    *map(flag, ("forced", "sticky", "observed", "degraded", "recovered")),
    *map(amount, ("input_tokens", "output_tokens")),
    sqlite_strict=True,
    postgresql_partition_by="RANGE (id)",
)
Index("decision_policy", decision.c.policy_id, decision.c.id)

_IN_SESSION = text("session_hash IS NOT NULL")
Index(
    "decision_session",
    decision.c.policy_id,
    decision.c.session_hash,
    decision.c.id,
    sqlite_where=_IN_SESSION,
    postgresql_where=_IN_SESSION,
)

route_request = Table(
    "route_request",
    metadata,
    Column("policy_id", Integer, primary_key=True, autoincrement=False),
    Column("request_id", Word, primary_key=True),
    Column("decision_id", Word, nullable=False),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)

AMOUNTS = (
    "cost_usd",
    "input_tokens",
    "output_tokens",
    "latency_seconds",
    "time_to_first_token_seconds",
    "energy_joules",
)
_NO_USAGE = " AND ".join(f"{column} IS NULL" for column in (*AMOUNTS, "energy_source"))

# Columns in the order of model.Outcome's fields, then of model.Usage's.
outcome = Table(
    "outcome",
    metadata,
    Column("decision_id", Word, primary_key=True),
    Column("arm", Integer, primary_key=True, autoincrement=False),
    Column("kind", Word, primary_key=True),
    Column("source", Word, primary_key=True),
    Column("position", Whole, nullable=False),
    Column("update_time", Real, nullable=False),
    Column("value", Real),
    Column("failure", Word),
    *(Column(name, Whole if name.endswith("tokens") else Real) for name in AMOUNTS),
    Column("energy_source", Word),
    Column("other_calls", LargeBinary),
    CheckConstraint("arm >= 0", name="arm"),
    one_of("kind", Kind),
    one_of("source", Source),
    CheckConstraint("position >= 1", name="position"),
    moment("update_time"),
    CheckConstraint("value >= 0 AND value <= 1", name="value"),
    CheckConstraint("kind NOT IN ('success', 'score') OR value IS NOT NULL", name="quality"),
    one_of("failure", Failure),
    CheckConstraint("(kind = 'failure') = (failure IS NOT NULL)", name="failed"),
    *map(amount, AMOUNTS),
    one_of("energy_source", EnergySource),
    CheckConstraint(f"kind = 'usage' OR ({_NO_USAGE})", name="usage"),
    CheckConstraint("kind = 'usage' OR other_calls IS NULL", name="other_calls"),
    sqlite_with_rowid=False,
    sqlite_strict=True,
    postgresql_partition_by="RANGE (decision_id)",
)

learned = Table(
    "learned",
    metadata,
    Column("decision_id", Word, primary_key=True),
    Column("arm", Integer, primary_key=True, autoincrement=False),
    Column("value", Real, nullable=False),
    Column("epoch", Whole, nullable=False),
    CheckConstraint("arm >= 0", name="arm"),
    CheckConstraint("value >= 0 AND value <= 1", name="value"),
    CheckConstraint("epoch >= 0", name="epoch"),
    sqlite_with_rowid=False,
    sqlite_strict=True,
    postgresql_partition_by="RANGE (decision_id)",
)
