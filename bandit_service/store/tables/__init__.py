"""The tables, as SQLAlchemy metadata. `migrations/` makes the same ones, and a test compares.

Times are float64 seconds since the epoch (UTC), as in the records: they come back bit for
bit, equally from both databases, and cost nothing to write. To read them as timestamps:
`to_timestamp(create_time)` in Postgres, `datetime(create_time, 'unixepoch')` in SQLite.

What must always hold is a named constraint. NaN and infinity are refused by upper bounds:
Postgres sorts NaN above every number, and SQLite stores it as NULL. SQLite's tables are
STRICT, so that both databases refuse a wrong type; those with a key of several columns are
one b-tree instead of two. Foreign keys are only on cold tables:
decisions and feedback are written in bulk under the head's lock, which a deleted policy
does not have, and old decisions are dropped by partition.

In Postgres `decision`, `outcome` and `learned` are partitioned by the time in the decision's
id; `partitions` knows how. SQLite has one table each.
"""

from bandit_service.store.tables.budgets import budget_lease, budget_window
from bandit_service.store.tables.checkpoints import (
    checkpoint,
    checkpoint_part,
    compatible_revision,
    lease,
)
from bandit_service.store.tables.columns import metadata
from bandit_service.store.tables.decisions import AMOUNTS, decision, learned, outcome, route_request
from bandit_service.store.tables.journals import journal, policy, policy_head, recorded_feedback

__all__ = [
    "AMOUNTS",
    "budget_lease",
    "budget_window",
    "checkpoint",
    "checkpoint_part",
    "compatible_revision",
    "decision",
    "journal",
    "learned",
    "lease",
    "metadata",
    "outcome",
    "policy",
    "policy_head",
    "recorded_feedback",
    "route_request",
]
