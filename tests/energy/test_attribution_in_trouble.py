"""What is not known stays unknown, and holds nobody up; against sums done by hand."""

import pytest

from bandit_service.energy.attribution import LONGEST_CALL_SECONDS
from bandit_service.energy.calls import Call
from bandit_service.errors import CallNotFound, IdReused, InvalidField, TooManyCalls
from tests.energy.house import House


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
