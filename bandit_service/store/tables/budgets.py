"""Budgets: their windows, and the leases on them."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Table, false

from bandit_service.model import Resource
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
    one_of("resource", Resource),
    moment("start_time"),
    moment("end_time"),
    flag("closed"),
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
    moment("until"),
    flag("expired"),
    # An id is never given twice: decisions that are stored late draw on theirs by it.
    sqlite_autoincrement=True,
    sqlite_strict=True,
)
Index("budget_lease_window", budget_lease.c.window_id, budget_lease.c.holder, unique=True)
