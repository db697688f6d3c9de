"""What challengers could not do, in this process: counted, and told of once a minute at most.

A challenger is on trial. Whatever goes wrong with one, queries are answered and the journal is
folded as without it.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum

log = logging.getLogger(__name__)

QUIET_SECONDS = 60.0


class Task(StrEnum):
    """What a challenger was to do."""

    DECIDE = "decide"
    LEARN = "learn"


class Failures:
    """Of one policy's challengers. Its engine counts; others may read from their threads.

    counts  how often each challenger failed at each task, in decisions or in events
    last    by challenger, what went wrong the last time
    """

    def __init__(self, policy: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.counts: Counter[tuple[str, Task]] = Counter()
        self.last: dict[str, str] = {}
        self._policy, self._monotonic = policy, monotonic
        self._told: dict[str, float] = {}  # by challenger, when the log last said so

    def count(self, challenger: str, task: Task, times: int, why: BaseException | str) -> None:
        """One failure, which `times` decisions or events have met."""
        self.counts[challenger, task] += times
        error = why if isinstance(why, BaseException) else None
        self.last[challenger] = f"{type(error).__name__}: {error}" if error else str(why)
        now = self._monotonic()
        if now - self._told.get(challenger, -QUIET_SECONDS) < QUIET_SECONDS:
            return
        self._told[challenger] = now
        log.warning(
            "challenger %r of policy %r could not %s: %s; the incumbent goes on without it",
            challenger,
            self._policy,
            task.value,
            self.last[challenger],
            exc_info=error,
            extra={"failures": self.counts[challenger, task]},
        )
