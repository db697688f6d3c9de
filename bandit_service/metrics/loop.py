"""How late the event loop is: everything that this process answers waits as long."""

import asyncio
import time

from prometheus_client import CollectorRegistry, Histogram

INTERVAL_SECONDS = 0.25
# A loop that has been held up for so long will not come back by itself.
DEAD_SECONDS = 30.0

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0)


class LoopMetrics:
    """Asks the loop to call back four times a second, and looks how late it does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._late = Histogram(
            "bandit_event_loop_lag_seconds",
            "How much later than it was due a timer of the event loop ran, four times a second.",
            buckets=SECONDS,
            registry=registry,
        )
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = time.monotonic() + INTERVAL_SECONDS
        self._timer = loop.call_later(INTERVAL_SECONDS, self._beat, loop)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def is_alive(self) -> bool:
        """From any thread. Before `start`, nothing is known to be wrong."""
        return self._due is None or time.monotonic() - self._due < DEAD_SECONDS

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        assert self._due is not None
        self._late.observe(max(0.0, time.monotonic() - self._due))
        self.start(loop)
