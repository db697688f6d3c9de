"""Checkpoints, who may write them, and which programs may work here."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    false,
)

from bandit_service.model import CheckpointStatus
from bandit_service.store.tables.columns import (
    Flag,
    Real,
    Whole,
    Word,
    flag,
    metadata,
    moment,
    one_of,
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
    moment("until"),
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
    moment("create_time"),
    one_of("status", CheckpointStatus),
    flag("pinned"),
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
