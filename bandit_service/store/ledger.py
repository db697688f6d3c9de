"""The ledger of budgets in SQL: windows, and the leases that replicas hold on them.

Within a transaction leases are locked before windows, each by rising ids, so that nobody waits in
a circle. Decisions touch the lease of their own replica only; feedback touches windows only.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, and_, delete, func, select, text, update

from bandit_service.model import Ask, BudgetWindow, Grant, unpack_calls
from bandit_service.store.checkpoints import Alone
from bandit_service.store.engine import answering, is_sqlite, writing
from bandit_service.store.ledger_rows import (
    LIVE_REST,
    amended,
    freed,
    grant,
    locked,
    of_row,
    size,
    to_held,
    to_settled,
    totals,
    write,
)
from bandit_service.store.ledger_windows import inserting, last_rate, present_window
from bandit_service.store.tables import budget_lease as lease
from bandit_service.store.tables import budget_window as window

# Seconds since the epoch by the database's clock, which goes on within a transaction.
_NOW = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) AS float8)",
}
_USAGES = (
    "SELECT arm, cost_usd, energy_joules, other_calls FROM outcome "
    "WHERE kind = 'usage' AND decision_id IN "
    "(SELECT id FROM decision WHERE policy_id = {p} ORDER BY id DESC LIMIT {p}) "
    "AND (cost_usd IS NOT NULL OR energy_joules IS NOT NULL) ORDER BY decision_id DESC, arm"
)


class SqlLedger:
    """See ports.Ledger. Every call is a transaction of its own, on a connection of its own."""

    def __init__(self, engine: Engine, alone: Alone) -> None:
        self._engine, self._alone = engine, alone
        self._now = select(text(_NOW[engine.dialect.name]))

    def lease(self, asks: Sequence[Ask], holder: str, seconds: float) -> list[Grant]:
        with self._alone(), answering(), writing(self._engine) as connection:
            now = float(connection.scalar(self._now) or 0.0)
            ids = [present_window(connection, ask, now) for ask in asks]
            mine = self._leases(connection, ids, holder, now + seconds)
            rows = locked(connection, ids)
            so_far = totals(connection, ids)
            grants = []
            for ask, window_id in zip(asks, ids, strict=True):
                row = amended(rows[window_id], ask, mine[window_id])
                granted = size(row, ask)
                row["held"] += granted
                write(connection, row)
                connection.execute(
                    update(lease)
                    .where(lease.c.id == mine[window_id].id)
                    .values(granted=lease.c.granted + granted, until=now + seconds, expired=False)
                )
                before = last_rate(connection, ask, row)
                total = so_far.get(window_id, (0, 0))
                grants.append(grant(row, mine[window_id], granted, total, now, before))
            return grants

    def give_back(self, leases: Mapping[int, int]) -> None:
        """Frees units of leases that nothing was or will be reserved of."""
        self._shrink(leases, ends=False)

    def end(self, leases: Mapping[int, int]) -> None:
        """As `give_back`; what is left of them after that counts as settled."""
        self._shrink(leases, ends=True)

    def sweep(self) -> list[BudgetWindow]:
        """Lets leases expire, and closes windows that are over; returns those, as closed."""
        with self._alone(), answering(), writing(self._engine) as connection:
            now = float(connection.scalar(self._now) or 0.0)
            self._expire(connection, now)
            later = window.alias()
            newer = (
                select(later.c.id)
                .where(
                    later.c.policy_id == window.c.policy_id,
                    later.c.budget == window.c.budget,
                    later.c.span == window.c.span,
                    later.c.number > window.c.number,
                )
                .exists()
            )
            in_use = (
                select(lease.c.id)
                .where(lease.c.window_id == window.c.id, lease.c.expired.is_(False))
                .exists()
            )
            is_over = (window.c.end_time < now) | (window.c.end_time.is_(None) & newer)
            over = select(window.c.id).where(window.c.closed.is_(False), is_over, ~in_use)
            ids = list(connection.scalars(over.order_by(window.c.id)))
            self._close(connection, ids)
            return self._standing(connection, window.c.id.in_(ids))

    def latest(self, policy_id: int) -> list[BudgetWindow]:
        """The latest window of every budget that the policy has or had."""
        newest = select(func.max(window.c.id)).where(window.c.policy_id == policy_id)
        ids = newest.group_by(window.c.budget)
        with answering(), self._engine.connect() as connection:
            return self._standing(connection, window.c.id.in_(ids))

    def windows(self, policy_id: int, budget: str, limit: int) -> list[BudgetWindow]:
        """The last ones of one budget, the latest first, at most `limit`."""
        mine = and_(window.c.policy_id == policy_id, window.c.budget == budget)
        ids = select(window.c.id).where(mine).order_by(window.c.id.desc()).limit(limit)
        with answering(), self._engine.connect() as connection:
            return self._standing(connection, window.c.id.in_(ids))[::-1]

    def usages(self, policy_id: int, limit: int) -> list[tuple[int, float | None, float | None]]:
        """Slot, dollars and joules of the policy's last calls that told, the oldest first; with
        those of the calls beside them."""
        mark = "?" if is_sqlite(self._engine) else "%s"
        asked = _USAGES.format(p=mark)
        with answering(), self._engine.connect() as connection:
            found = connection.exec_driver_sql(asked, (policy_id, limit)).fetchall()
        return [_with_others(*row) for row in reversed(found)]

    def _leases(
        self, connection: Connection, ids: Iterable[int], holder: str, until: float
    ) -> dict[int, Any]:
        """The holder's lease on each window, locked; by window."""
        ids = sorted(set(ids))
        for window_id in ids:
            connection.execute(
                inserting(connection, lease)
                .values(
                    window_id=window_id, holder=holder, granted=0, drawn=0, requests=0, until=until
                )
                .on_conflict_do_nothing()
            )
        found = (
            select(lease)
            .where(lease.c.window_id.in_(ids), lease.c.holder == holder)
            .order_by(lease.c.id)
            .with_for_update()
        )
        return {row.window_id: row for row in connection.execute(found)}

    def _shrink(self, leases: Mapping[int, int], ends: bool) -> None:
        if not leases:
            return
        with self._alone(), answering(), writing(self._engine) as connection:
            asked = select(lease).where(lease.c.id.in_(leases)).order_by(lease.c.id)
            found = list(connection.execute(asked.with_for_update()))
            rows = locked(connection, {one.window_id for one in found})
            for one in found:
                row, back = rows[one.window_id], leases[one.id]
                if one.expired:
                    to_held(row, back)
                freed(row, back)
                if ends:
                    if not one.expired:
                        to_settled(row, one.granted - one.drawn - back)
                    row["requests"] += one.requests
                    connection.execute(delete(lease).where(lease.c.id == one.id))
                else:
                    smaller = update(lease).where(lease.c.id == one.id)
                    connection.execute(smaller.values(granted=lease.c.granted - back))
            for row in rows.values():
                write(connection, row)

    def _expire(self, connection: Connection, now: float) -> None:
        overdue = and_(lease.c.until < now, lease.c.expired.is_(False))
        asked = select(lease).where(overdue).order_by(lease.c.id).with_for_update()
        found = list(connection.execute(asked))
        rows = locked(connection, {one.window_id for one in found})
        for one in found:
            to_settled(rows[one.window_id], one.granted - one.drawn)
            connection.execute(update(lease).where(lease.c.id == one.id).values(expired=True))
        for row in rows.values():
            write(connection, row)

    def _close(self, connection: Connection, ids: Sequence[int]) -> None:
        asked = select(lease).where(lease.c.window_id.in_(ids)).order_by(lease.c.id)
        found = list(connection.execute(asked.with_for_update()))
        for row in locked(connection, ids).values():
            to_settled(row, row["held"])  # what nobody settled by now counts as spent
            row["requests"] += sum(one.requests for one in found if one.window_id == row["id"])
            row["closed"] = True
            write(connection, row)
        connection.execute(delete(lease).where(lease.c.id.in_([one.id for one in found])))

    def _standing(self, connection: Connection, which: Any) -> list[BudgetWindow]:
        """In one statement, so that what is leased and what is reserved go together."""
        asked = (
            select(
                window,
                func.coalesce(func.sum(LIVE_REST), 0).label("leased"),
                func.coalesce(func.sum(lease.c.requests), 0).label("under_way"),
            )
            .select_from(window.outerjoin(lease, lease.c.window_id == window.c.id))
            .where(which)
            .group_by(*window.columns)
            .order_by(window.c.id)
        )
        return [of_row(row) for row in connection.execute(asked).mappings()]


def _with_others(
    slot: int, usd: float | None, joules: float | None, others: bytes | None
) -> tuple[int, float | None, float | None]:
    for one in () if others is None else unpack_calls(others):
        usd = usd if usd is None else usd + (one.cost_usd or 0.0)
        joules = joules if joules is None else joules + (one.energy_joules or 0.0)
    return slot, usd, joules
