"""The tables, as SQLAlchemy metadata. `migrations/` makes the same ones, and a test compares.

Times are float64 seconds since the epoch (UTC), as in the records: they come back bit for
bit, equally from both databases, and cost nothing to write. To read them as timestamps:
`to_timestamp(create_time)` in Postgres, `datetime(create_time, 'unixepoch')` in SQLite.

What must always hold is a named constraint. NaN and infinity are refused by upper bounds:
Postgres sorts NaN above every number, and SQLite stores it as NULL. SQLite's tables are
STRICT, so that both databases refuse a wrong type; those with a key of several columns are
one b-tree instead of two. Foreign keys are only on cold tables:
decisions and feedback are written in bulk under the head's lock, which a deleted policy
does not have, and old decisions are dropped by partition.

In Postgres `decision`, `outcome` and `learned` are partitioned by the time in the decision's
id; `partitions` knows how. SQLite has one table each.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

from bandit_service.model import (
    CheckpointStatus,
    Effect,
    EnergySource,
    Failure,
    Kind,
    Resource,
    Source,
)

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "fk": "%(table_name)s_%(column_0_name)s_fk",
        "ck": "%(table_name)s_%(constraint_name)s",
    }
)

# Bytewise order in both databases, whatever the locale of the server.
Word = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
Whole = BigInteger().with_variant(Integer(), "sqlite")
Real: TypeEngine[Any] = Double().with_variant(sqlite.REAL(), "sqlite")
Flag = Boolean().with_variant(Integer(), "sqlite")

FIRST_MOMENT, LAST_MOMENT = 0, 100_000_000_000


def _one_of(column: str, words: type[StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{word.value}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _moment(column: str) -> CheckConstraint:
    return CheckConstraint(f"{column} >= {FIRST_MOMENT} AND {column} < {LAST_MOMENT}", name=column)


def _flag(column: str) -> CheckConstraint:
    check = CheckConstraint(f"{column} IN (0, 1)", name=column)
    return check.ddl_if(dialect="sqlite")  # Postgres has a type for it


def _amount(column: str) -> CheckConstraint:
    finite = "" if column.endswith("tokens") else f" AND {column} < 1e300"
    return CheckConstraint(f"{column} >= 0{finite}", name=column)


def _pool_of(column: str) -> CheckConstraint:
    """One float64 a slot, and a slot for each byte of `exclusions`."""
    return CheckConstraint(f"length({column}) = 8 * length(exclusions)", name=column)


policy = Table(
    "policy",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Word, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("create_time", Real, nullable=False),
    Column("delete_time", Real),
    _moment("create_time"),
    _moment("delete_time"),
    sqlite_strict=True,
)
# A deleted policy frees its name and keeps its rows.
_LIVING = text("delete_time IS NULL")
Index("policy_name", policy.c.name, unique=True, sqlite_where=_LIVING, postgresql_where=_LIVING)

# The journal's last position. A deleted policy has no head, so nobody can lock it.
policy_head = Table(
    "policy_head",
    metadata,
    Column("policy_id", ForeignKey("policy.id"), primary_key=True, autoincrement=False),
    Column("head", Whole, nullable=False),
    CheckConstraint("head >= 0", name="head"),
    sqlite_strict=True,
)

journal = Table(
    "journal",
    metadata,
    Column("policy_id", Integer, primary_key=True, autoincrement=False),
    Column("position", Whole, primary_key=True, autoincrement=False),
    Column("kind", Word, nullable=False),
    Column("body", LargeBinary, nullable=False),  # msgpack of a model.Event
    Column("create_time", Real, nullable=False),
    CheckConstraint("position >= 1", name="position"),
    CheckConstraint("kind IN ('feedback', 'revision')", name="kind"),
    _moment("create_time"),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)

recorded_feedback = Table(
    "recorded_feedback",
    metadata,
    Column("policy_id", Integer, primary_key=True, autoincrement=False),
    Column("feedback_id", Word, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("position", Whole, nullable=False),
    Column("effect", Word, nullable=False),
    CheckConstraint("position >= 1", name="position"),
    _one_of("effect", Effect),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)

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
    _moment("create_time"),
    _amount("clock"),
    CheckConstraint("arm >= 0 AND arm < length(exclusions)", name="arm"),
    CheckConstraint("second_arm >= 0 AND second_arm < length(exclusions)", name="second_arm"),
    CheckConstraint("length(context) % 8 = 0", name="context"),
    *map(_pool_of, ("probabilities", "means", "deviations", "shadow", "offsets")),
    _pool_of("second_probabilities"),
    CheckConstraint("length(assumed) = length(exclusions)", name="assumed"),
    # A row for the incumbent, and one for each challenger.
    CheckConstraint("length(challengers) % (8 * length(exclusions)) = 0", name="challengers"),
    *map(_flag, ("forced", "sticky", "observed", "degraded", "recovered")),
    *map(_amount, ("input_tokens", "output_tokens")),
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
    _one_of("kind", Kind),
    _one_of("source", Source),
    CheckConstraint("position >= 1", name="position"),
    _moment("update_time"),
    CheckConstraint("value >= 0 AND value <= 1", name="value"),
    CheckConstraint("kind NOT IN ('success', 'score') OR value IS NOT NULL", name="quality"),
    _one_of("failure", Failure),
    CheckConstraint("(kind = 'failure') = (failure IS NOT NULL)", name="failed"),
    *map(_amount, AMOUNTS),
    _one_of("energy_source", EnergySource),
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

# Revisions of the schema whose programs can work with these tables as they are: a program that
# does not know the revision it finds looks whether its own is here.
compatible_revision = Table(
    "compatible_revision",
    metadata,
    Column("revision", Word, primary_key=True),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)

# Who may do what only one may do at a time, by the database's own clock.
lease = Table(
    "lease",
    metadata,
    Column("name", Word, primary_key=True),
    Column("holder", Word, nullable=False),
    Column("epoch", Whole, nullable=False),
    Column("until", Real, nullable=False),
    CheckConstraint("epoch >= 1", name="epoch"),
    _moment("until"),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)

# Columns in the order of model.Checkpoint's fields.
checkpoint = Table(
    "checkpoint",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("policy_id", ForeignKey("policy.id"), nullable=False),
    Column("position", Whole, nullable=False),
    Column("fold_version", Integer, nullable=False),
    Column("size", Whole, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Column("epoch", Whole, nullable=False),
    Column("create_time", Real, nullable=False),
    Column("status", Word, nullable=False),
    Column("pinned", Flag, nullable=False, server_default=false()),
    CheckConstraint("position >= 1", name="position"),
    CheckConstraint("size >= 1 AND parts >= 1", name="size"),
    CheckConstraint("length(sha256) = 32", name="sha256"),
    CheckConstraint("length(mac) = 32", name="mac"),
    CheckConstraint("epoch >= 1", name="epoch"),
    _moment("create_time"),
    _one_of("status", CheckpointStatus),
    _flag("pinned"),
    sqlite_strict=True,
)
Index("checkpoint_policy", checkpoint.c.policy_id, checkpoint.c.position)

# In pieces, so that no statement is long and the writer of decisions gets its turn between them.
# With a rowid in SQLite: rows of a quarter megabyte would overflow a keyed b-tree's pages.
checkpoint_part = Table(
    "checkpoint_part",
    metadata,
    Column("checkpoint_id", ForeignKey("checkpoint.id"), primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
    CheckConstraint("part >= 0", name="part"),
    sqlite_strict=True,
)

# What a budget holds over one window, and what became of it, in whole units: billionths of a
# dollar, millionths of a joule. `held` is what replicas have leased and what their decisions have
# reserved, until usage settles it: one column, so that a decision which draws on its replica's
# lease need not touch a row that all replicas share. The split is in `budget_lease`.
budget_window = Table(
    "budget_window",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("policy_id", ForeignKey("policy.id"), nullable=False),
    Column("budget", Word, nullable=False),
    Column("resource", Word, nullable=False),
    Column("span", Word, nullable=False),  # such as "86400.0 s" or "1000 requests"
    Column("number", Whole, nullable=False),
    Column("revision", Whole, nullable=False),
    Column("amount", Whole, nullable=False),
    Column("held", Whole, nullable=False),
    Column("settled", Whole, nullable=False),
    Column("overrun", Whole, nullable=False),
    Column("requests", Whole, nullable=False),  # of leases that have ended
    Column("start_time", Real, nullable=False),
    Column("end_time", Real),
    Column("closed", Flag, nullable=False, server_default=false()),
    CheckConstraint("held >= 0 AND settled >= 0 AND held + settled <= amount", name="amount"),
    CheckConstraint("overrun >= 0", name="overrun"),
    CheckConstraint("requests >= 0", name="requests"),
    _one_of("resource", Resource),
    _moment("start_time"),
    _moment("end_time"),
    _flag("closed"),
    sqlite_strict=True,
)
Index(
    "budget_window_number",
    budget_window.c.policy_id,
    budget_window.c.budget,
    budget_window.c.span,
    budget_window.c.number,
    unique=True,
)

# What one replica may spend of a window without asking: granted - drawn, where drawn is what its
# stored decisions have reserved. Expired, the rest counts as settled until it is drawn after all.
budget_lease = Table(
    "budget_lease",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("window_id", ForeignKey("budget_window.id"), nullable=False),
    Column("holder", Word, nullable=False),
    Column("granted", Whole, nullable=False),
    Column("drawn", Whole, nullable=False),
    Column("requests", Whole, nullable=False),
    Column("until", Real, nullable=False),
    Column("expired", Flag, nullable=False, server_default=false()),
    CheckConstraint("drawn >= 0 AND drawn <= granted", name="drawn"),
    CheckConstraint("requests >= 0", name="requests"),
    _moment("until"),
    _flag("expired"),
    # An id is never given twice: decisions that are stored late draw on theirs by it.
    sqlite_autoincrement=True,
    sqlite_strict=True,
)
Index("budget_lease_window", budget_lease.c.window_id, budget_lease.c.holder, unique=True)
