"""Which window of a budget is the present one: made by whoever asks first, in SQL."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, and_, select
from sqlalchemy.dialects import postgresql, sqlite

from bandit_service.model import Ask
from bandit_service.store.engine import is_sqlite
from bandit_service.store.ledger_rows import totals
from bandit_service.store.tables import budget_window as window


def inserting(connection: Connection, table: Table) -> Any:
    """An insert that can do nothing on conflict."""
    dialect = sqlite if is_sqlite(connection) else postgresql
    return dialect.insert(table)


def present_window(connection: Connection, ask: Ask, now: float) -> int:
    """The present window; made if this is the first to ask."""
    key = and_(
        window.c.policy_id == ask.policy_id,
        window.c.budget == ask.budget,
        window.c.span == ask.span,
    )
    start, end = now, None
    if ask.seconds is not None:
        number = int(now // ask.seconds)
        start = number * ask.seconds
        end = start + ask.seconds
    else:
        number = _number(connection, key, ask.requests or 1)
    wanted = {"policy_id": ask.policy_id, "budget": ask.budget, "span": ask.span}
    connection.execute(
        inserting(connection, window)
        .values(
            **wanted,
            number=number,
            resource=ask.resource.value,
            revision=ask.revision,
            amount=ask.amount,
            held=0,
            settled=0,
            overrun=0,
            requests=0,
            start_time=start,
            end_time=end,
        )
        .on_conflict_do_nothing()
    )
    found = connection.scalar(select(window.c.id).where(key, window.c.number == number))
    assert found is not None
    return int(found)


def _number(connection: Connection, key: Any, requests: int) -> int:
    last = connection.execute(
        select(window.c.id, window.c.number, window.c.requests)
        .where(key)
        .order_by(window.c.number.desc())
        .limit(1)
    ).first()
    if last is None:
        return 0
    counted = int(last.requests) + totals(connection, [last.id]).get(last.id, (0, 0))[0]
    return int(last.number) + int(counted >= requests)


def last_rate(connection: Connection, ask: Ask, row: Mapping[str, Any]) -> float | None:
    """Requests a second of the window of time before this one; None where there was none."""
    if ask.seconds is None:
        return None
    before = connection.execute(
        select(window.c.id, window.c.requests).where(
            window.c.policy_id == ask.policy_id,
            window.c.budget == ask.budget,
            window.c.span == ask.span,
            window.c.number == row["number"] - 1,
        )
    ).first()
    if before is None:
        return None
    counted = before.requests + totals(connection, [before.id]).get(before.id, (0, 0))[0]
    return float(counted / ask.seconds)
