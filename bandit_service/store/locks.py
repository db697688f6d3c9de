"""Postgres: changes of tables that others use, without making them wait for long.

Whoever waits for a table's lock makes everybody wait who comes after. So every change waits
for two seconds at most, lets the others work, and tries again.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import OperationalError

T = TypeVar("T")

# Advisory locks, so that of several processes one does the work.
MIGRATION_LOCK = 0x62616E646974  # "bandit"
PARTITION_LOCK = 0x62616E646975

_LOCK_NOT_AVAILABLE, _DEADLOCK = "55P03", "40P01"
LONGEST_PAUSE = 10.0  # seconds


def try_again(change: Callable[[], T], attempts: int = 5) -> T:
    """What `change` returns, if a table that it needs is free at one of its attempts.

    The pauses between them grow by a second. Raises the last attempt's error.
    """
    for attempt in range(1, attempts):
        try:
            return change()
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", "") not in (_LOCK_NOT_AVAILABLE, _DEADLOCK):
                raise
        time.sleep(min(attempt, LONGEST_PAUSE))
    return change()
