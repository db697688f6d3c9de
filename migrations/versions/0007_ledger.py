"""The ledger of budgets, and what each decision has taken of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql, sqlite

revision = "0007"
down_revision = "0006"

# Written out, not imported: a migration stays as it was when the tables move on.
Word = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Real = sa.Double().with_variant(sqlite.REAL(), "sqlite")
Flag = sa.Boolean().with_variant(sa.Integer(), "sqlite")

MOMENT = "{0} >= 0 AND {0} < 100000000000"


def needed(name: str, kind: sa.types.TypeEngine) -> sa.Column:
    return sa.Column(name, kind, nullable=False)


def flag(name: str) -> tuple[sa.Column, sa.CheckConstraint]:
    return (
        sa.Column(name, Flag, nullable=False, server_default=sa.false()),
        check(name, "{0} IN (0, 1)").ddl_if(dialect="sqlite"),
    )


def check(name: str, rule: str) -> sa.CheckConstraint:
    """`rule` speaks of the column {0}, if the constraint is named for one."""
    return sa.CheckConstraint(rule.format(name), name=name)


def table(name: str, *items: sa.schema.SchemaItem, never_again: bool = False) -> None:
    """`never_again`: no id is given twice."""
    for item in items:  # named as the metadata's naming convention does
        if isinstance(item, sa.CheckConstraint):
            item.name = op.f(f"{name}_{item.name}")
    op.create_table(name, *items, sqlite_strict=True, sqlite_autoincrement=never_again)


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    # What an attempt that was broken off has left is no matter.
    if is_sqlite:
        op.execute("ALTER TABLE decision ADD COLUMN spending BLOB")
    else:
        op.execute("ALTER TABLE decision ADD COLUMN IF NOT EXISTS spending BYTEA")
    closed, closed_check = flag("closed")
    expired, expired_check = flag("expired")
    table(
        "budget_window",
        needed("id", sa.Integer()),
        needed("policy_id", sa.Integer()),
        needed("budget", Word),
        needed("resource", Word),
        needed("span", Word),
        needed("number", Whole),
        needed("revision", Whole),
        needed("amount", Whole),
        needed("held", Whole),
        needed("settled", Whole),
        needed("overrun", Whole),
        needed("requests", Whole),
        needed("start_time", Real),
        sa.Column("end_time", Real),
        closed,
        check("amount", "held >= 0 AND settled >= 0 AND held + settled <= amount"),
        check("overrun", "{0} >= 0"),
        check("requests", "{0} >= 0"),
        check("resource", "{0} IN ('usd', 'joules')"),
        check("start_time", MOMENT),
        check("end_time", MOMENT),
        closed_check,
        sa.PrimaryKeyConstraint("id", name="budget_window_pk"),
        sa.ForeignKeyConstraint(["policy_id"], ["policy.id"], name="budget_window_policy_id_fk"),
    )
    op.create_index(
        "budget_window_number",
        "budget_window",
        ["policy_id", "budget", "span", "number"],
        unique=True,
    )
    table(
        "budget_lease",
        needed("id", sa.Integer()),
        needed("window_id", sa.Integer()),
        needed("holder", Word),
        needed("granted", Whole),
        needed("drawn", Whole),
        needed("requests", Whole),
        needed("until", Real),
        expired,
        check("drawn", "drawn >= 0 AND drawn <= granted"),
        check("requests", "{0} >= 0"),
        check("until", MOMENT),
        expired_check,
        sa.PrimaryKeyConstraint("id", name="budget_lease_pk"),
        sa.ForeignKeyConstraint(
            ["window_id"], ["budget_window.id"], name="budget_lease_window_id_fk"
        ),
        never_again=True,
    )
    op.create_index("budget_lease_window", "budget_lease", ["window_id", "holder"], unique=True)
    # Programs of this revision read and write these tables as they are.
    compatible = sa.table("compatible_revision", sa.column("revision", sa.Text))
    op.bulk_insert(compatible, [{"revision": revision}])


def downgrade() -> None:
    op.execute(f"DELETE FROM compatible_revision WHERE revision = '{revision}'")
    for name in ("budget_lease", "budget_window"):
        op.drop_table(name)
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table("decision") as decision:
            decision.drop_column("spending")
        return
    op.drop_column("decision", "spending")
