"""Leases and checkpoints in SQL. Each transaction has a connection of its own: the journal's
writer never waits behind a checkpoint for longer than one part of it takes."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from bandit_service.errors import LeaseLost
from bandit_service.model import Checkpoint, CheckpointStatus, Lease, LeaseStanding
from bandit_service.ports import CheckpointWriter
from bandit_service.store.engine import answering, is_sqlite
from bandit_service.store.tables import checkpoint, checkpoint_part, policy

_FIELDS = tuple(name for name in Checkpoint.__struct_fields__ if name != "id")

Alone = Callable[[], AbstractContextManager[Any]]

# Seconds since the epoch by the database's clock, which goes on within a transaction.
_NOW = {
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) AS float8)",
}


class SqlLeases:
    """See ports.Leases."""

    def __init__(self, engine: Engine, alone: Alone) -> None:
        self._engine, self._alone = engine, alone
        dialect = engine.dialect.name
        now, mark = _NOW[dialect], "?" if dialect == "sqlite" else "%s"
        # One statement: it sees the row as it is when it has waited for its lock.
        self._take = (
            f"INSERT INTO lease (name, holder, epoch, until) "  # noqa: S608 - our own words
            f"VALUES ({mark}, {mark}, 1, {now} + {mark}) ON CONFLICT (name) DO UPDATE SET "
            "epoch = lease.epoch + CASE WHEN lease.holder = excluded.holder THEN 0 ELSE 1 END, "
            "holder = excluded.holder, until = excluded.until "
            f"WHERE lease.holder = excluded.holder OR lease.until < {now} RETURNING epoch"
        )
        self._drop = (
            f"UPDATE lease SET until = 0 WHERE name = {mark} AND holder = {mark} "  # noqa: S608
            f"AND epoch = {mark}"
        )
        self._standing = f"SELECT name, holder, epoch, until - {now} FROM lease WHERE name = {mark}"  # noqa: S608

    def take(self, name: str, holder: str, seconds: float) -> Lease | None:
        with self._alone(), answering(), _writing(self._engine) as connection:
            asked = (name, holder, float(seconds))
            row = connection.exec_driver_sql(self._take, asked).one_or_none()
            return None if row is None else Lease(name, holder, int(row[0]))

    def drop(self, lease: Lease) -> None:
        with self._alone(), answering(), _writing(self._engine) as connection:
            connection.exec_driver_sql(self._drop, (lease.name, lease.holder, lease.epoch))

    def standing(self, name: str) -> LeaseStanding | None:
        with answering(), self._engine.connect() as connection:
            row = connection.exec_driver_sql(self._standing, (name,)).one_or_none()
            return None if row is None else LeaseStanding(Lease(*row[:3]), float(row[3]))


class SqlCheckpointWriter:
    """See ports.CheckpointWriter."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, one: Checkpoint) -> Checkpoint:
        values = {name: getattr(one, name) for name in _FIELDS}
        made = self._connection.scalar(
            insert(checkpoint)
            .values(values | {"status": one.status.value})
            .returning(checkpoint.c.id)
        )
        assert made is not None
        return Checkpoint(id=made, **values)

    def add_part(self, checkpoint_id: int, part: int, body: bytes) -> None:
        self._connection.execute(
            insert(checkpoint_part).values(checkpoint_id=checkpoint_id, part=part, body=body)
        )

    def mark(self, checkpoint_id: int, status: CheckpointStatus) -> None:
        self._change(checkpoint_id, status=status.value)

    def pin(self, checkpoint_id: int, pinned: bool) -> None:
        self._change(checkpoint_id, pinned=pinned)

    def _change(self, checkpoint_id: int, **values: Any) -> None:
        one = checkpoint.c.id == checkpoint_id
        self._connection.execute(update(checkpoint).where(one).values(values))

    def delete(self, checkpoint_id: int) -> None:
        parts = checkpoint_part.c.checkpoint_id == checkpoint_id
        self._connection.execute(delete(checkpoint_part).where(parts))
        self._connection.execute(delete(checkpoint).where(checkpoint.c.id == checkpoint_id))


class SqlCheckpoints:
    """See ports.Checkpoints."""

    def __init__(self, engine: Engine, alone: Alone) -> None:
        self._engine, self._alone = engine, alone
        mark, lock = ("?", "") if is_sqlite(engine) else ("%s", " FOR SHARE")
        self._fence = (
            f"SELECT epoch FROM lease WHERE name = {mark} AND holder = {mark} "  # noqa: S608
            f"AND epoch = {mark}{lock}"
        )

    def of(self, policy_id: int) -> list[Checkpoint]:
        return self._listed(select(checkpoint).where(checkpoint.c.policy_id == policy_id))

    def of_deleted_policies(self) -> list[Checkpoint]:
        gone = policy.c.delete_time.is_not(None)
        return self._listed(select(checkpoint).join(policy).where(gone))

    def _listed(self, query: Any) -> list[Checkpoint]:
        newest_first = query.order_by(checkpoint.c.position.desc(), checkpoint.c.id.desc())
        with answering(), self._engine.connect() as connection:
            return [_of_row(row) for row in connection.execute(newest_first).mappings()]

    def part_sizes(self, checkpoint_id: int) -> list[int]:
        query = (
            select(func.length(checkpoint_part.c.body))
            .where(checkpoint_part.c.checkpoint_id == checkpoint_id)
            .order_by(checkpoint_part.c.part)
        )
        with answering(), self._engine.connect() as connection:
            return [int(size) for size in connection.scalars(query)]

    def part(self, checkpoint_id: int, part: int) -> bytes | None:
        query = select(checkpoint_part.c.body).where(
            checkpoint_part.c.checkpoint_id == checkpoint_id, checkpoint_part.c.part == part
        )
        with answering(), self._engine.connect() as connection:
            body: bytes | None = connection.scalar(query)
            return body

    @contextmanager
    def fenced(self, lease: Lease) -> Iterator[CheckpointWriter]:
        with self._alone(), answering(), _writing(self._engine) as connection:
            # Until this ends, Postgres keeps whoever wants to take the lease over waiting for
            # the row, and SQLite for the file.
            mine = (lease.name, lease.holder, lease.epoch)
            if connection.exec_driver_sql(self._fence, mine).one_or_none() is None:
                raise LeaseLost(lease.name, lease.epoch)
            yield SqlCheckpointWriter(connection)


def _of_row(row: Any) -> Checkpoint:
    flags = {"status": CheckpointStatus(row["status"]), "pinned": bool(row["pinned"])}
    return Checkpoint(**(dict(row) | flags))


@contextmanager
def _writing(engine: Engine) -> Iterator[Connection]:
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        yield connection
