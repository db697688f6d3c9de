"""What moves in a window of the ledger, and where: shared by replicas' leases and by the journal.

A window is a dict of its row while it is locked; see `tables.budget_window`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, case, func, select, update

from bandit_service.model import Ask, BudgetWindow, Grant, Resource, Settlement
from bandit_service.store.engine import is_sqlite
from bandit_service.store.tables import budget_lease as lease
from bandit_service.store.tables import budget_window as window

# A replica gets at most this part of what is free, unless it needs more to decide at all.
SHARE = 20

MOST_OVERRUN = 2**62  # what a database's whole number holds, whatever nonsense is reported

REST = lease.c.granted - lease.c.drawn
LIVE_REST = case((lease.c.expired.is_(False), REST), else_=0)

_DRAW = (
    "UPDATE budget_lease SET drawn = drawn + {p}, requests = requests + {p} WHERE id = {p} "
    "RETURNING window_id, expired"
)


def book(
    connection: Connection,
    draws: Mapping[int, tuple[int, int]],
    settlements: Iterable[Settlement],
) -> None:
    """Books what stored decisions have reserved, units and decisions by lease, and what became of
    reservations. The last that a transaction does: leases before windows."""
    mark = "?" if is_sqlite(connection) else "%s"
    revived: Counter[int] = Counter()
    for lease_id in sorted(draws):
        units, count = draws[lease_id]
        asked = connection.exec_driver_sql(_DRAW.format(p=mark), (units, count, lease_id))
        found = asked.one_or_none()  # None: its window is closed, and all of it settled
        if found is not None and found[1]:  # expired: the rest had been counted as settled
            revived[found[0]] += units
    changes = list(settlements)
    if not changes and not revived:  # most of the time: decisions touch their own lease only
        return
    rows = locked(connection, {one.window for one in changes} | revived.keys())
    for window_id, units in revived.items():
        to_held(rows[window_id], units)
    for one in changes:
        if one.window in rows:  # else the policy's budgets were of another database
            settled(rows[one.window], one)
    for row in rows.values():
        write(connection, row)


def to_settled(row: dict[str, Any], units: int) -> None:
    """What a lease has left has timed out."""
    moved = min(units, row["held"])
    row["held"] -= moved
    row["settled"] += moved


def to_held(row: dict[str, Any], units: int) -> None:
    """What had timed out is of use after all."""
    moved = min(units, row["settled"])
    row["settled"] -= moved
    row["held"] += moved


def freed(row: dict[str, Any], units: int) -> None:
    """Nothing will be reserved of these. They are in `settled` where they had timed out."""
    from_held = min(units, row["held"])
    row["held"] -= from_held
    row["settled"] -= min(units - from_held, row["settled"])


def settled(row: dict[str, Any], one: Settlement) -> None:
    """Moves one window's numbers.

    What was reserved is in `held`, or in `settled` where it has timed out. Usage that is revised
    upwards may find that others have taken what it had given back: the rest is overrun. Then
    `settled` holds less than it gives back when it is revised again.
    """
    from_held = min(one.released, row["held"])
    row["held"] -= from_held
    change = one.settled - (one.released - from_held)
    room = row["amount"] - row["held"] - row["settled"]
    change_settled = max(-row["settled"], min(change, room))
    row["settled"] += change_settled
    overrun = row["overrun"] + one.overrun + change - change_settled
    row["overrun"] = min(max(0, overrun), MOST_OVERRUN)


def locked(connection: Connection, ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Windows by id, as they are once nobody else can change them."""
    asked = select(window).where(window.c.id.in_(sorted(set(ids)))).order_by(window.c.id)
    found = connection.execute(asked.with_for_update()).mappings()
    return {row["id"]: dict(row) for row in found}


def write(connection: Connection, row: Mapping[str, Any]) -> None:
    names = ("revision", "amount", "held", "settled", "overrun", "requests", "closed")
    values = {name: row[name] for name in names}
    connection.execute(update(window).where(window.c.id == row["id"]).values(values))


def totals(connection: Connection, ids: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Decisions of all leases on each window, and what the live ones have left."""
    asked = (
        select(lease.c.window_id, func.sum(lease.c.requests), func.sum(LIVE_REST))
        .where(lease.c.window_id.in_(sorted(set(ids))))
        .group_by(lease.c.window_id)
    )
    return {row[0]: (int(row[1]), int(row[2])) for row in connection.execute(asked)}


def amended(row: dict[str, Any], ask: Ask, mine: Any) -> dict[str, Any]:
    """The window under the asker's configuration, and with its lease alive again."""
    if ask.revision > row["revision"]:
        row["amount"] = max(ask.amount, row["held"] + row["settled"])
        row["revision"] = ask.revision
    if mine.expired:
        to_held(row, mine.granted - mine.drawn)
    row["closed"] = False
    return row


def free(row: Mapping[str, Any]) -> int:
    """That nobody holds; negative where the overrun is greater than the rest."""
    return int(row["amount"] - row["held"] - row["settled"] - row["overrun"])


def size(row: Mapping[str, Any], ask: Ask) -> int:
    """What is granted of what is asked for."""
    left, has = free(row), ask.rest if ask.window == row["id"] else 0
    wanted = max(ask.least - has, min(ask.wish - has, left // SHARE))
    return max(0, min(left, wanted))


def grant(
    row: Mapping[str, Any],
    mine: Any,
    granted: int,
    total: tuple[int, int],
    now: float,
    last_rate: float | None,
) -> Grant:
    requests, leased = total
    if mine.expired:
        leased += mine.granted - mine.drawn
    end = row["end_time"]
    return Grant(
        budget=row["budget"],
        window=row["id"],
        lease=mine.id,
        granted=mine.granted + granted,
        drawn=mine.drawn,
        own_requests=mine.requests,
        amount=row["amount"],
        settled=row["settled"],
        overrun=row["overrun"],
        pending=max(0, row["held"] - granted - leased),
        free=free(row),
        requests=row["requests"] + requests,
        elapsed=max(0.0, now - row["start_time"]),
        left=None if end is None else max(0.0, end - now),
        last_rate=last_rate,
    )


def of_row(row: Any) -> BudgetWindow:
    leased = int(row["leased"])
    return BudgetWindow(
        id=row["id"],
        policy_id=row["policy_id"],
        budget=row["budget"],
        resource=Resource(row["resource"]),
        span=row["span"],
        amount=row["amount"],
        leased=leased,
        reserved=row["held"] - leased,
        settled=row["settled"],
        overrun=row["overrun"],
        requests=row["requests"] + int(row["under_way"]),
        start_time=row["start_time"],
        end_time=row["end_time"],
        closed=bool(row["closed"]),
    )
