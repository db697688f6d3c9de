"""Decisions and what came of them, partitioned by time; which programs the tables serve.

In Postgres the three tables become partitioned ones without a row being rewritten: each old
table is attached as the first partition. It is done while the service works. Every lock that
others have to wait behind is asked for with a timeout and held for a moment only; the one
long step, the check that no row lies beyond the first boundary, lets everybody read and
write. An attempt that was broken off leaves usable tables, and the next one goes on there.

SQLite has no partitions, and nothing to change but the new table.
"""

import time
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Programs of these revisions read and write these tables as they are.
SERVES = ("0001", "0002", "0003")

Word = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

# What each table is partitioned by, its primary key, and its other indexes.
TABLES = {
    "decision": ("id", ("id",), ("decision_policy", "decision_session")),
    "outcome": ("decision_id", ("decision_id", "arm", "kind", "source"), ()),
    "learned": ("decision_id", ("decision_id", "arm"), ()),
}
INDEXES = {
    "decision_policy": "(policy_id, id)",
    "decision_session": "(policy_id, session_hash, id) WHERE session_hash IS NOT NULL",
}

DAY = 86_400
A_MONDAY = 4 * DAY  # the epoch began on a Thursday


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        with op.get_context().autocommit_block():
            for table, (column, key, indexes) in TABLES.items():
                if not is_partitioned(table):
                    boundary = first_boundary(time.time())
                    fence(table, column, boundary)
                    op.execute(swap(table, column, key, indexes, boundary))
    op.create_table(
        "compatible_revision",
        sa.Column("revision", Word, nullable=False),
        sa.PrimaryKeyConstraint("revision", name="compatible_revision_pk"),
        sqlite_with_rowid=False,
        sqlite_strict=True,
    )
    compatible = sa.table("compatible_revision", sa.column("revision", Word))
    op.bulk_insert(compatible, [{"revision": one} for one in SERVES])


def first_boundary(now: float) -> str:
    """The smallest id of a Monday that is a day away or more, so that no new row reaches it
    before the next partitions are there, even if a clock is wrong by hours."""
    week = 7 * DAY
    monday = (int(now) + DAY - A_MONDAY) // week * week + week + A_MONDAY
    stamp = f"{monday * 1000:012x}"
    return f"{stamp[:8]}-{stamp[8:]}-7000-8000-000000000000"


def is_partitioned(table: str) -> bool:
    kind = sa.text("SELECT relkind FROM pg_class WHERE oid = CAST(:name AS regclass)")
    return bool(op.get_bind().scalar(kind, {"name": table}) == "p")


def fence(table: str, column: str, boundary: str) -> None:
    """Proves that all rows lie below the boundary, so that attaching need not look.

    Rows beyond it come from a clock that is weeks ahead; then `swap` moves them, and looks.
    """
    beyond = sa.text(f"SELECT 1 FROM {table} WHERE {column} >= :boundary LIMIT 1")
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {table}_fence")
    if op.get_bind().scalar(beyond, {"boundary": boundary}) is None:
        rule = f"CHECK ({column} < '{boundary}') NOT VALID"
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {table}_fence {rule}")
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {table}_fence")


def swap(table: str, column: str, key: Sequence[str], indexes: Sequence[str], boundary: str) -> str:
    """One statement, so all or nothing. Who may do what with the table stays so."""
    old, default = f"{table}_before", f"{table}_default"
    renamed = [
        f"ALTER INDEX {one} RENAME TO {one.replace(table, old, 1)}"
        for one in (f"{table}_pk", *indexes)
    ]
    steps = [
        f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE",
        f"ALTER TABLE {table} RENAME TO {old}",
        *renamed,
        f"CREATE TABLE {table} (LIKE {old} INCLUDING DEFAULTS INCLUDING CONSTRAINTS, "
        f"CONSTRAINT {table}_pk PRIMARY KEY ({', '.join(key)})) PARTITION BY RANGE ({column})",
        f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {table}_fence",
        *(f"CREATE INDEX {one} ON {table} {INDEXES[one]}" for one in indexes),
        f"CREATE TABLE {default} PARTITION OF {table} DEFAULT",
        f"WITH beyond AS (DELETE FROM {old} WHERE {column} >= '{boundary}' RETURNING *) "
        f"INSERT INTO {default} SELECT * FROM beyond",
        f"ALTER TABLE {table} ATTACH PARTITION {old} FOR VALUES FROM (MINVALUE) TO ('{boundary}')",
        f"ALTER TABLE {old} DROP CONSTRAINT IF EXISTS {table}_fence",
    ]
    return f"DO $$ DECLARE given record; BEGIN {'; '.join(steps)}; {same_rights(table, old)} END $$"


def same_rights(table: str, old: str) -> str:
    return f"""
    FOR given IN
        SELECT privilege_type AS what, is_grantable,
            CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS who
        FROM pg_class, aclexplode(relacl) WHERE oid = '{old}'::regclass
    LOOP
        EXECUTE format('GRANT %s ON {table} TO %s', given.what, given.who)
            || CASE WHEN given.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END;
    END LOOP;
    EXECUTE format('ALTER TABLE {table} OWNER TO %s',
        (SELECT relowner::regrole FROM pg_class WHERE oid = '{old}'::regclass));
    """


def downgrade() -> None:
    """Writes the rows anew, under a lock: with the service stopped."""
    op.drop_table("compatible_revision")
    if op.get_context().dialect.name == "postgresql":
        for table, (_, key, indexes) in TABLES.items():
            joined = f"{table}_joined"
            kept = "INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
            op.execute(f"CREATE TABLE {joined} (LIKE {table} {kept})")
            op.execute(f"INSERT INTO {joined} SELECT * FROM {table}")
            op.execute(f"DROP TABLE {table}")
            op.execute(f"ALTER TABLE {joined} RENAME TO {table}")
            op.execute(
                f"ALTER TABLE {table} ADD CONSTRAINT {table}_pk PRIMARY KEY ({', '.join(key)})"
            )
            for one in indexes:
                op.execute(f"CREATE INDEX {one} ON {table} {INDEXES[one]}")
