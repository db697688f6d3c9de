"""Joules divided among calls, against sums done by hand."""

import pytest

from bandit_service.energy.attribution import Attribution
from bandit_service.model import EnergySource
from tests.energy.house import House

MEASURED, SAMPLED, ESTIMATED = EnergySource


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
