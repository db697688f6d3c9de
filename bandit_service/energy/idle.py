"""What a device takes while nothing runs on it, learned while no call is known of."""

from collections import deque

# A device cools for a while after a call, and other programs may run unannounced: both only
# ever add, so the idle draw is near the low end of what is seen.
QUANTILE = 0.25
LEAST_WINDOWS, MOST_WINDOWS = 4, 240


class IdlePower:
    """Idle watts of one device; None until known. `watts` given: it is configured."""

    def __init__(self, watts: float | None = None) -> None:
        self._configured = watts
        self._seen: deque[float] = deque(maxlen=MOST_WINDOWS)
        self._watts: float | None = None

    @property
    def watts(self) -> float | None:
        return self._watts if self._configured is None else self._configured

    def learn(self, joules: float, seconds: float) -> None:
        """What it took in a window without a call."""
        self._seen.append(joules / seconds)
        if len(self._seen) >= LEAST_WINDOWS:
            self._watts = sorted(self._seen)[int(QUANTILE * len(self._seen))]
