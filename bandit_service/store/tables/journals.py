"""Policies, and the journals of what they learn from."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, LargeBinary, Table, text

from bandit_service.model import Effect
from bandit_service.store.tables.columns import Real, Whole, Word, metadata, moment, one_of

policy = Table(
    "policy",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Word, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("create_time", Real, nullable=False),
    Column("delete_time", Real),
    moment("create_time"),
    moment("delete_time"),
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
    moment("create_time"),
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
    one_of("effect", Effect),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)
