"""A thread a device: its readings, made into windows that leave no gap.

A driver call may block for as long as it likes: it holds up this thread and nothing else. The
counter goes on meanwhile, so the window after is longer and as good; power that nobody sampled is
lost, so there the window is void.
"""

import logging
import threading
from collections.abc import Callable

from bandit_service.energy.records import NANOJOULES, Sensor, Unreadable, Window
from bandit_service.model import EnergySource

log = logging.getLogger(__name__)

SAMPLE_SECONDS = 0.1  # between two samples of power
BLIND_SECONDS = 1.0  # without a sample, after which power is not guessed at
RETRY_SECONDS = 2.0  # between two attempts at opening a device
BLOCKED_SECONDS = 2.0  # in a driver call, after which the device is said to be blocked
# No board takes more: a counter may have wrapped unseen if it could have been filled meanwhile.
MOST_WATTS = 2_000


class Watch:
    """Watches one device.

    open_sensor  opens it; raises Unreadable
    deliver      gets every window, on the thread of the watch
    clock        seconds, never going back
    """

    def __init__(
        self,
        device: str,
        open_sensor: Callable[[str], Sensor],
        deliver: Callable[[Window], None],
        clock: Callable[[], float],
        tick_seconds: float,
    ) -> None:
        self.device = device
        self.sensor: Sensor | None = None
        self._open_sensor = open_sensor
        self._deliver = deliver
        self._clock = clock
        self._tick = tick_seconds
        self._trouble = "not read yet"
        self._asking_since: float | None = None
        self._window_start: float | None = None
        self._last: tuple[float, int] | None = None  # the reading before: when, and what
        self._gathered = 0  # nanojoules since the window's start
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"meter {device}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience: float) -> None:
        """Waits up to `patience` seconds; a thread inside the driver ends with the process."""
        self._stop.set()
        self._thread.join(patience)

    def trouble(self) -> str:
        """Why there are no readings now; empty if there are."""
        if self.is_blocked():
            return f"the driver has not answered for more than {BLOCKED_SECONDS:g} s"
        return self._trouble

    def is_blocked(self) -> bool:
        """Whether the thread has been inside the driver for long. Safe to ask from any thread."""
        since = self._asking_since
        return since is not None and self._clock() - since >= BLOCKED_SECONDS

    def step(self) -> float:
        """One reading; delivers the window that it completes. Seconds until the next."""
        if self._window_start is None:
            self._window_start = self._clock()
        try:
            self._read()
        except Unreadable as error:
            self._lose(str(error))
            return RETRY_SECONDS
        except Exception as error:  # a surprise must not end the watch
            log.warning("%s: unexpected %s", self.device, type(error).__name__, exc_info=True)
            self._lose(f"unexpected {type(error).__name__}: {error}")
            return RETRY_SECONDS
        assert self.sensor is not None
        return min(SAMPLE_SECONDS, self._tick) if self.sensor.is_power else self._tick

    def _run(self) -> None:
        while not self._stop.is_set():
            self._stop.wait(self.step())
        if self.sensor is not None:
            self.sensor.close()

    def _read(self) -> None:
        self._asking_since = self._clock()
        try:
            if self.sensor is None:
                self.sensor = self._open_sensor(self.device)
            value = self.sensor.read()
            now = self._clock()
        finally:
            self._asking_since = None
        if self._last is None:
            self._begin(now)
        else:
            self._gathered += _taken(self.sensor, *self._last, now, value)
        self._last = now, value
        assert self._window_start is not None
        # Half a sample early is nearer than half a sample late.
        if now - self._window_start >= self._tick - SAMPLE_SECONDS / 2:
            self._complete(now, self._gathered)

    def _begin(self, now: float) -> None:
        assert self.sensor is not None
        log.info("%s is read through %s", self.device, self.sensor.method)
        if self.sensor.is_partitioned:
            log.warning(
                "%s is partitioned (MIG): its numbers are of the whole board, so every call's "
                "share is an estimate",
                self.device,
            )
        assert self._window_start is not None
        if now > self._window_start:
            self._complete(now, None, self._trouble)
        self._trouble = ""

    def _lose(self, why: str) -> None:
        if why != self._trouble:
            log.warning("%s gives no reading: %s", self.device, why)
        self._trouble = why
        sensor, self.sensor, self._last = self.sensor, None, None
        if sensor is not None:
            sensor.close()
        self._complete(self._clock(), None, why)

    def _complete(self, end: float, nanojoules: int | None, why: str = "") -> None:
        start, self._window_start, self._gathered = self._window_start, end, 0
        assert start is not None
        if end <= start:
            return
        sensor = self.sensor
        self._deliver(
            Window(
                device=self.device,
                start=start,
                end=end,
                nanojoules=nanojoules,
                source=EnergySource.MEASURED if sensor is None else sensor.source,
                is_partitioned=sensor is not None and sensor.is_partitioned,
                why=why,
            )
        )


def _taken(sensor: Sensor, before: float, first: int, now: float, second: int) -> int:
    """Nanojoules between two readings. Raises Unreadable where they do not tell."""
    if sensor.is_power:
        if now - before > BLIND_SECONDS:
            raise Unreadable(f"power was not sampled for {now - before:.1f} s")
        return round((first + second) / 2 * (now - before))  # trapezoid
    if sensor.wraps_at is not None:
        if (now - before) * MOST_WATTS * NANOJOULES >= sensor.wraps_at:
            raise Unreadable(f"not read for {now - before:.0f} s, so it may have wrapped unseen")
        return (second - first) % sensor.wraps_at
    if second < first:
        raise Unreadable(
            f"the counter went back from {first / NANOJOULES:.3f} J to {second / NANOJOULES:.3f} J,"
            " as it does when the driver is loaded again"
        )
    return second - first
