"""Readings become windows: step by step, on a clock that the test sets."""

import threading
from collections.abc import Iterator

import pytest

from bandit_service.energy import watching
from bandit_service.energy.records import Sensor, Unreadable, Window
from bandit_service.energy.watching import Watch
from bandit_service.model import EnergySource
from tests.patience import PATIENCE

JOULE = 1_000_000_000


class Bench:
    """A watch of one device whose readings, troubles and time are set by the test."""

    def __init__(self, **sensor) -> None:
        self.now, self.value = 100.0, 1000 * JOULE
        self.trouble: str | None = None
        self.refused: str | None = None
        self.opened = self.closed = 0
        self.windows: list[Window] = []
        self._sensor = sensor
        self.watch = Watch("GPU-a", self._open, self.windows.append, lambda: self.now, 0.5)

    def step(self, seconds: float = 0.0, joules: float = 0.0) -> float:
        self.now += seconds
        self.value += round(joules * JOULE)
        return self.watch.step()

    def _open(self, device: str) -> Sensor:
        if self.refused:
            raise Unreadable(self.refused)
        self.opened += 1
        given = {"method": "energy_counter", "source": EnergySource.MEASURED} | self._sensor
        return Sensor(device=device, name="bench", read=self._read, close=self._close, **given)

    def _read(self) -> int:
        if self.trouble:
            raise Unreadable(self.trouble)
        return self.value

    def _close(self) -> None:
        self.closed += 1


def spans(windows: list[Window]) -> Iterator[tuple[float, float, float | None]]:
    for w in windows:
        yield (w.start, w.end, None if w.nanojoules is None else w.nanojoules / JOULE)


def test_a_counter_is_read_once_a_tick() -> None:
    bench = Bench()

    assert bench.step() == 0.5
    bench.step(0.5, joules=30)
    bench.step(0.5, joules=40)

    assert list(spans(bench.windows)) == [(100.0, 100.5, 30.0), (100.5, 101.0, 40.0)]
    assert {w.source for w in bench.windows} == {EnergySource.MEASURED}
    assert bench.watch.trouble() == ""


def test_a_late_reading_makes_a_longer_window_and_loses_nothing() -> None:
    bench = Bench()
    bench.step()
    bench.step(7.5, joules=700)

    assert list(spans(bench.windows)) == [(100.0, 107.5, 700.0)]


def test_a_counter_that_goes_back_voids_the_window_and_says_so(caplog) -> None:
    bench = Bench()
    bench.step()
    bench.value = 3 * JOULE

    assert bench.step(0.5) == watching.RETRY_SECONDS
    bench.step(2.0, joules=5)
    bench.step(0.5, joules=6)

    assert list(spans(bench.windows)) == [
        (100.0, 100.5, None),
        (100.5, 102.5, None),
        (102.5, 103.0, 6.0),
    ]
    assert "went back from 1000.000 J to 3.000 J" in bench.windows[0].why
    assert "the driver is loaded again" in caplog.text
    assert (bench.opened, bench.closed) == (2, 1)


def test_a_lost_device_is_void_until_it_is_back(caplog) -> None:
    bench = Bench()
    bench.step()
    bench.step(0.5, joules=10)
    bench.trouble, bench.refused = "GPU is lost", "GPU is still lost"
    bench.step(0.5, joules=10)
    bench.step(2.0)
    assert bench.watch.trouble() == "GPU is still lost"
    bench.trouble = bench.refused = None
    bench.step(2.0)
    bench.step(0.5, joules=10)

    assert list(spans(bench.windows)) == [
        (100.0, 100.5, 10.0),
        (100.5, 101.0, None),
        (101.0, 103.0, None),
        (103.0, 105.0, None),
        (105.0, 105.5, 10.0),
    ]
    assert [w.why for w in bench.windows if w.why] == ["GPU is lost", *["GPU is still lost"] * 2]
    assert caplog.text.count("GPU is still lost") == 1  # said once, not every two seconds


def test_power_is_summed_by_trapezoids() -> None:
    bench = Bench(method="instant_power", source=EnergySource.SAMPLED, is_power=True)
    bench.value = 100 * JOULE  # nanowatts: 100 W
    watts = [100, 100, 200, 400, 400, 400]

    for at, each in enumerate(watts):
        bench.value = each * JOULE
        assert bench.step(0.1 if at else 0.0) == 0.1

    (window,) = bench.windows
    assert (window.start, window.end) == pytest.approx((100.0, 100.5))
    assert window.source is EnergySource.SAMPLED
    assert window.nanojoules == pytest.approx((10 + 15 + 30 + 40 + 40) * JOULE)


def test_power_that_nobody_sampled_is_not_guessed() -> None:
    bench = Bench(method="instant_power", source=EnergySource.SAMPLED, is_power=True)
    bench.step()
    bench.step(3.0)

    assert list(spans(bench.windows)) == [(100.0, 103.0, None)]
    assert bench.windows[0].why == "power was not sampled for 3.0 s"


def test_a_counter_may_wrap_once_a_window() -> None:
    bench = Bench(method="rapl", source=EnergySource.ESTIMATED, wraps_at=1_200_000 * JOULE)
    bench.value = 1_199_990 * JOULE
    bench.step()
    bench.value = 15 * JOULE
    bench.step(0.5)

    assert list(spans(bench.windows)) == [(100.0, 100.5, 25.0)]


def test_a_counter_that_may_have_wrapped_unseen_is_void() -> None:
    bench = Bench(method="rapl", source=EnergySource.ESTIMATED, wraps_at=10_000 * JOULE)
    bench.step()
    bench.step(6.0, joules=10)

    assert list(spans(bench.windows)) == [(100.0, 106.0, None)]
    assert "may have wrapped" in bench.windows[0].why


def test_a_driver_that_blocks_holds_up_its_own_thread_only() -> None:
    entered, go_on, delivered = threading.Event(), threading.Event(), threading.Event()

    def slow(device: str) -> Sensor:
        entered.set()
        assert go_on.wait(PATIENCE)
        return Sensor(device, "slow", "energy_counter", EnergySource.MEASURED, lambda: 0)

    times = iter([0.0, 0.0])
    late = [0.0]
    watch = Watch(
        "GPU-a", slow, lambda w: delivered.set(), lambda: next(times, late[0]), tick_seconds=0.1
    )
    watch.start()
    try:
        assert entered.wait(PATIENCE)
        assert not watch.is_blocked()
        late[0] = 60.0
        assert watch.is_blocked()
        assert watch.trouble() == "the driver has not answered for more than 2 s"
        go_on.set()
        assert delivered.wait(PATIENCE)
        assert not watch.is_blocked()
    finally:
        go_on.set()
        watch.stop(PATIENCE)


def test_a_surprise_does_not_end_the_watch(caplog) -> None:
    bench = Bench()

    def broken(_device: str) -> Sensor:
        raise RuntimeError("what is this?")

    bench.watch._open_sensor = broken

    assert bench.step() == watching.RETRY_SECONDS
    assert bench.watch.trouble() == "unexpected RuntimeError: what is this?"
