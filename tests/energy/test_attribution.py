"""Joules divided among calls, against sums done by hand."""

import pytest

from bandit_service.energy.attribution import LONGEST_CALL_SECONDS, Attribution
from bandit_service.energy.calls import Call
from bandit_service.energy.records import NANOJOULES, Window
from bandit_service.errors import CallNotFound, IdReused, InvalidField, TooManyCalls
from bandit_service.model import CallEnergy, EnergySource

MEASURED, SAMPLED, ESTIMATED = EnergySource


class House:
    """A meter whose devices idle at 10 W unless told otherwise; windows of one second."""

    def __init__(self, *devices: str, idle: float | None = 10.0, patience: float = 100.0) -> None:
        self.devices = devices or ("a",)
        self.meter = Attribution(dict.fromkeys(self.devices, idle), patience)
        self.settled: dict[str, CallEnergy] = {}

    def start(self, name: str, at: float, *devices: str, arm: str = "m", **given) -> None:
        self.meter.start(Call(name, f"d-{name}", arm, devices or self.devices, at, **given))

    def tell(self, name: str, at: float, tokens: int) -> None:
        self._note(self.meter.tell(name, at, tokens))

    def end(self, name: str, at: float, tokens: int | None = None, **given) -> None:
        self._note(self.meter.end(name, at, tokens, **given))

    def window(
        self, start: float, joules: float | None, device: str = "a", seconds: float = 1.0, **given
    ) -> None:
        amount = None if joules is None else round(joules * NANOJOULES)
        window = Window(device, start, start + seconds, amount, **given)
        self._note(self.meter.add(window, window.end))

    def expire(self, now: float) -> None:
        self._note(self.meter.expire(now))

    def _note(self, done: list[CallEnergy]) -> None:
        self.settled |= {call.call_id: call for call in done}

    def books(self, device: str = "a") -> tuple[float, float, float, float]:
        books = self.meter.books[device]
        amounts = books.total, books.given, books.idle, books.unclaimed
        return tuple(amount / NANOJOULES for amount in amounts)  # type: ignore[return-value]


def test_a_call_alone_gets_all_above_idle_and_it_is_measured() -> None:
    house = House()
    house.start("x", 0.5)
    house.window(0, 60)
    house.window(1, 110)
    house.end("x", 2.5, 40)
    house.window(2, 30)

    call = house.settled["x"]
    assert call.energy_joules == 50 + 100 + 20
    assert call.energy_source is MEASURED
    assert call.idle_joules == 10 * 2.0  # it ran for two seconds
    assert (call.decision_id, call.arm, call.devices) == ("d-x", "m", ("a",))
    assert (call.start, call.end, call.output_tokens) == (0.5, 2.5, 40)
    assert house.books() == (200, 170, 30, 0)


def test_calls_at_the_same_time_share_by_output_tokens() -> None:
    house = House()
    house.start("x", 0)
    house.start("y", 0)
    house.end("x", 1, 30)
    house.end("y", 1, 10)
    house.window(0, 90)

    assert house.settled["x"].energy_joules == 60
    assert house.settled["y"].energy_joules == 20
    assert {call.energy_source for call in house.settled.values()} == {ESTIMATED}


def test_declared_joules_weigh_the_tokens_of_arms_that_share_a_device() -> None:
    house = House()
    house.meter = Attribution({"a": 10.0}, 100.0, {"small": 0.1, "large": 0.3})
    house.start("x", 0, arm="small")
    house.start("y", 0, arm="large")
    house.end("x", 1, 30)
    house.end("y", 1, 30)
    house.window(0, 90)

    assert house.settled["x"].energy_joules == pytest.approx(20)
    assert house.settled["y"].energy_joules == pytest.approx(60)


def test_tokens_are_spread_evenly_between_two_reports() -> None:
    house = House()
    house.start("x", 0)
    house.start("y", 0)
    house.tell("x", 2, 20)  # 10 a second
    house.end("x", 3, 50)  # then 30
    house.end("y", 3, 30)  # 10 a second
    for second in range(3):
        house.window(second, 50)

    assert house.settled["x"].energy_joules == 20 + 20 + 30
    assert house.settled["y"].energy_joules == 20 + 20 + 10


def test_a_window_waits_for_the_tokens_of_its_calls() -> None:
    house = House()
    house.start("x", 0)
    house.start("y", 0)
    house.end("x", 1, 30)
    house.window(0, 90)
    house.window(1, 90)
    assert house.settled == {}

    house.tell("y", 1.5, 15)
    assert house.settled["x"].energy_joules == 60  # y wrote 10 in the first second

    house.end("y", 2, 20)
    assert house.settled["y"].energy_joules == 20 + 80


def test_without_tokens_they_share_by_time() -> None:
    house = House()
    house.start("x", 0)
    house.start("y", 0.75)
    house.end("x", 1)
    house.end("y", 1, 1000)
    house.window(0, 110)

    assert house.settled["x"].energy_joules == 80
    assert house.settled["y"].energy_joules == 20
    assert {call.energy_source for call in house.settled.values()} == {ESTIMATED}


def test_while_all_still_read_they_share_by_time() -> None:
    house = House()
    house.start("x", 0)
    house.start("y", 0)
    for name in ("x", "y"):
        house.end(name, 2, 10, first_token_seconds=1.0)
    house.window(0, 50)
    house.window(1, 30)

    assert [house.settled[name].energy_joules for name in "xy"] == [30, 30]


def test_only_while_it_is_alone_is_a_call_measured() -> None:
    house = House()
    house.start("x", 0)
    house.window(0, 20)
    house.start("y", 1.5)
    house.end("x", 2, 10)
    house.end("y", 3, 10)
    house.window(1, 20)
    house.window(2, 20)

    assert house.settled["x"].energy_source is ESTIMATED
    assert house.settled["y"].energy_source is ESTIMATED
    house.start("z", 3.0)
    house.end("z", 4.0)
    house.window(3, 20)
    assert house.settled["z"].energy_source is MEASURED


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ({"source": SAMPLED}, SAMPLED),
        ({"source": ESTIMATED}, ESTIMATED),
        ({"is_partitioned": True}, ESTIMATED),
        ({"source": SAMPLED, "is_partitioned": True}, ESTIMATED),
    ],
)
def test_no_call_is_better_than_its_windows(given, source) -> None:
    house = House()
    house.start("x", 0)
    house.window(0, 20)
    house.end("x", 2, 5)
    house.window(1, 20, **given)

    assert house.settled["x"].energy_source is source


def test_devices_of_one_call_are_summed_and_shared_apart() -> None:
    house = House("a", "b")
    house.start("big", 0, "a", "b")
    house.start("small", 0, "b")
    house.end("big", 1, 10)
    house.end("small", 1, 30)
    house.window(0, 60, "a")
    assert house.settled == {}
    house.window(0, 90, "b")

    assert house.settled["big"].energy_joules == 50 + 20
    assert house.settled["small"].energy_joules == 60
    assert house.books("b") == (90, 80, 10, 0)


def test_idle_never_takes_more_than_there_is() -> None:
    house = House()
    house.start("x", 0)
    house.end("x", 1, 5)
    house.window(0, 4)

    assert house.settled["x"].energy_joules == 0
    assert house.books() == (4, 0, 4, 0)


def test_what_runs_unannounced_is_unclaimed() -> None:
    house = House()
    house.window(0, 250)

    assert house.books() == (250, 0, 10, 240)


def test_idle_power_is_learned_while_no_call_runs() -> None:
    house = House(idle=None)
    house.start("early", 0)
    house.end("early", 1, 5)
    house.window(0, 60)
    assert house.settled["early"].energy_joules == 60  # the idle draw is in it, so
    assert house.settled["early"].energy_source is ESTIMATED

    for second, joules in enumerate([55, 20, 20, 21, 20, 300], start=1):
        house.window(second, joules)  # it cools down; later another program runs
    house.start("x", 7)
    house.end("x", 8, 5)
    house.window(7, 120)

    assert house.meter.books["a"].idle_power.watts == 20
    assert house.settled["x"].energy_joules == 100
    assert house.settled["x"].energy_source is MEASURED
    total, given, idle, unclaimed = house.books()
    assert (given, total - given - idle - unclaimed) == (160, 0)


def test_a_void_window_makes_its_calls_unmeasured_and_no_others() -> None:
    house = House()
    house.start("x", 0)
    house.start("y", 1)
    house.window(0, 50)
    house.window(1, None, why="the counter went back")
    house.end("y", 2, 10)
    house.end("x", 2, 10)
    house.start("z", 2)
    house.end("z", 3, 10)
    house.window(2, 50)

    for name in ("x", "y"):
        call = house.settled[name]
        assert (call.energy_joules, call.energy_source, call.idle_joules) == (None, None, None)
        assert call.why == "a: the counter went back"
    assert house.settled["z"].energy_joules == 40
    assert house.meter.books["a"].void_seconds == 1
    assert house.books() == (100, 80, 20, 0)


def test_a_call_that_began_before_the_meter_is_unmeasured() -> None:
    house = House()
    house.start("x", -5)
    house.end("x", 1, 10)
    house.window(0, 50)

    assert house.settled["x"].energy_joules is None
    assert house.settled["x"].why == "a was not read for all of it"


def test_a_call_of_no_length_is_unmeasured_not_zero() -> None:
    house = House()
    house.start("x", 0.5)
    house.end("x", 0.5, 0)
    house.window(0, 50)

    assert house.settled["x"].energy_joules is None
    assert house.settled["x"].why == "it took no time"
    assert house.books() == (50, 0, 10, 40)


def test_a_device_that_falls_silent_does_not_hold_a_call_for_ever() -> None:
    house = House("a", "b", patience=30)
    house.start("x", 0)
    house.end("x", 1, 10)
    house.window(0, 50, "a")
    house.expire(31)
    assert house.settled == {}
    house.expire(31.5)

    assert house.settled["x"].why == "b was not read for all of it"
    house.window(0, 70, "b", seconds=40)
    assert house.books("b") == (70, 0, 70, 0)


def test_a_call_that_tells_nothing_does_not_hold_up_the_others_for_ever() -> None:
    house = House(patience=5)
    house.start("x", 0)
    house.start("silent", 0)
    house.end("x", 1, 30)
    for second in range(7):
        house.window(second, 90)
    assert house.settled["x"].energy_joules == 40  # by time

    house.expire(LONGEST_CALL_SECONDS + 1)
    house.window(7, 90 * LONGEST_CALL_SECONDS, seconds=LONGEST_CALL_SECONDS)
    assert house.settled["silent"].why == "it was never ended"


def test_an_arm_without_devices_is_settled_at_once() -> None:
    house = House()
    house.meter.start(Call("x", "d", "remote", (), 0.0))
    house.end("x", 1, 10)

    assert house.settled["x"].energy_joules is None
    assert house.settled["x"].why == "no device is named for the arm"


def test_repeats_and_mistakes() -> None:
    house = House()
    house.start("x", 0)
    house.start("x", 0.2)  # sent again
    with pytest.raises(IdReused):
        house.start("x", 0.3, arm="other")
    house.tell("x", 0.5, 10)
    with pytest.raises(InvalidField, match="9 is fewer than the 10 told before"):
        house.tell("x", 0.6, 9)
    with pytest.raises(InvalidField):
        house.end("x", 0.7, 9)
    with pytest.raises(CallNotFound):
        house.tell("y", 1, 5)
    house.end("x", 1, 10)
    with pytest.raises(CallNotFound):
        house.end("x", 1, 10)
    house.window(0, 50)

    assert house.settled["x"].energy_joules == 40
    assert house.settled["x"].start == 0


def test_there_is_an_end_to_the_calls_at_once(monkeypatch) -> None:
    monkeypatch.setattr("bandit_service.energy.attribution.MOST_CALLS", 2)
    house = House()
    house.start("x", 0)
    house.start("y", 0)

    with pytest.raises(TooManyCalls):
        house.start("z", 0)
