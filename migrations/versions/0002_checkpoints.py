"""Checkpoints, and the lease under which they are written."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql, sqlite

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Written out, not imported: a migration stays as it was when the tables move on.
Word = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Real = sa.Double().with_variant(sqlite.REAL(), "sqlite")
Flag = sa.Boolean().with_variant(sa.Integer(), "sqlite")
Bytes = sa.LargeBinary()

MOMENT = "{0} >= 0 AND {0} < 100000000000"


def needed(name: str, kind: sa.types.TypeEngine) -> sa.Column:
    return sa.Column(name, kind, nullable=False)


def check(name: str, rule: str) -> sa.CheckConstraint:
    """`rule` speaks of the column {0}, if the constraint is named for one."""
    return sa.CheckConstraint(rule.format(name), name=name)


def table(name: str, *items: sa.schema.SchemaItem, with_rowid: bool = True) -> None:
    for item in items:  # named as the metadata's naming convention does
        if isinstance(item, sa.CheckConstraint):
            item.name = op.f(f"{name}_{item.name}")
    op.create_table(name, *items, sqlite_with_rowid=with_rowid, sqlite_strict=True)


def upgrade() -> None:
    table(
        "lease",
        needed("name", Word),
        needed("holder", Word),
        needed("epoch", Whole),
        needed("until", Real),
        check("epoch", "{0} >= 1"),
        check("until", MOMENT),
        sa.PrimaryKeyConstraint("name", name="lease_pk"),
        with_rowid=False,
    )
    table(
        "checkpoint",
        needed("id", sa.Integer()),
        needed("policy_id", sa.Integer()),
        needed("position", Whole),
        needed("fold_version", sa.Integer()),
        needed("size", Whole),
        needed("parts", sa.Integer()),
        needed("sha256", Bytes),
        needed("mac", Bytes),
        needed("epoch", Whole),
        needed("create_time", Real),
        needed("status", Word),
        sa.Column("pinned", Flag, nullable=False, server_default=sa.false()),
        check("position", "{0} >= 1"),
        check("size", "size >= 1 AND parts >= 1"),
        check("sha256", "length({0}) = 32"),
        check("mac", "length({0}) = 32"),
        check("epoch", "{0} >= 1"),
        check("create_time", MOMENT),
        check("status", "{0} IN ('writing', 'usable', 'withdrawn')"),
        check("pinned", "{0} IN (0, 1)").ddl_if(dialect="sqlite"),
        sa.PrimaryKeyConstraint("id", name="checkpoint_pk"),
        sa.ForeignKeyConstraint(["policy_id"], ["policy.id"], name="checkpoint_policy_id_fk"),
    )
    op.create_index("checkpoint_policy", "checkpoint", ["policy_id", "position"])
    table(
        "checkpoint_part",
        needed("checkpoint_id", sa.Integer()),
        needed("part", sa.Integer()),
        needed("body", Bytes),
        check("part", "{0} >= 0"),
        sa.PrimaryKeyConstraint("checkpoint_id", "part", name="checkpoint_part_pk"),
        sa.ForeignKeyConstraint(
            ["checkpoint_id"], ["checkpoint.id"], name="checkpoint_part_checkpoint_id_fk"
        ),
    )


def downgrade() -> None:
    for name in ("checkpoint_part", "checkpoint", "lease"):
        op.drop_table(name)
