"""The meter as a library: its own threads, the real pynvml, a driver that the test plays."""

import logging
import time

import pytest

from bandit_service.energy.agent import MeterAgent, steady_clock
from bandit_service.energy.configuration import ArmDevices, MeterConfig
from bandit_service.errors import ArmNotMetered
from bandit_service.model import CallEnergy, EnergySource
from tests.energy.stand_in import NOT_SUPPORTED, StandIn, put_in_place
from tests.energy.waiting import until
from tests.patience import PATIENCE

CONFIG = MeterConfig(
    arms={
        "small": ArmDevices(("GPU-a",)),
        "large": ArmDevices(("GPU-a", "GPU-b")),
        "remote": ArmDevices((), joules_per_output_token=0.5),
        "fallback": ArmDevices(("GPU-b",), joules_per_output_token=0.25),
    },
    idle_watts={"GPU-a": 0.0, "GPU-b": 0.0},
    tick_seconds=0.1,
)


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bandit_service.energy.watching.RETRY_SECONDS", 0.2)
    monkeypatch.setattr("bandit_service.energy.watching.BLOCKED_SECONDS", 0.4)


@pytest.fixture
def settled() -> list[CallEnergy]:
    return []


@pytest.fixture
def agent(driver: StandIn, settled: list[CallEnergy]):
    with MeterAgent(CONFIG, report=settled.append) as agent:
        until(lambda: all(not d.trouble and d.total_joules == 0 for d in agent.accounts().devices))
        yield agent


def device(agent: MeterAgent, index: int = 0):
    return agent.accounts().devices[index]


def arm(agent: MeterAgent, name: str):
    return next(each for each in agent.accounts().arms if each.arm == name)


def test_a_call_gets_the_joules_that_the_counter_moved_by(agent, driver, settled) -> None:
    agent.start_call("c1", "d1", "small", input_tokens=12)
    driver.add_joules(30)
    agent.report_tokens("c1", 10)
    until(lambda: device(agent).total_joules == 30)
    driver.add_joules(12.5)
    until(lambda: device(agent).total_joules == 42.5)
    agent.end_call("c1", 20)

    (call,) = until(lambda: settled)
    assert (call.decision_id, call.arm, call.devices) == ("d1", "small", ("GPU-a",))
    assert call.energy_joules == 42.5
    assert call.energy_source is EnergySource.MEASURED
    account = arm(agent, "small")
    assert (account.joules, account.calls) == ({"measured": 42.5}, {"measured": 1})
    assert account.metered_joules == device(agent).calls_joules == 42.5


def test_a_counter_reset_is_said_and_costs_the_call_its_number(agent, driver, settled, caplog):
    agent.start_call("c1", "d1", "small")
    driver.add_joules(30)
    until(lambda: device(agent).total_joules == 30)
    driver[0].energy_mj = 5  # the driver was loaded again
    until(lambda: "went back from" in caplog.text)
    until(lambda: not device(agent).trouble)
    agent.end_call("c1", 20)

    (call,) = until(lambda: settled)
    assert (call.energy_joules, call.energy_source) == (None, None)
    assert "went back from" in call.why
    assert "went back from" in caplog.text
    assert arm(agent, "small").unmeasured_calls == 1
    assert device(agent).total_joules == 30
    assert device(agent).void_seconds > 0


def test_a_gpu_that_is_lost_and_found(agent, driver, settled) -> None:
    driver[1].lost = 1
    until(lambda: "gpu is lost" in device(agent, 1).trouble)
    agent.start_call("c1", "d1", "large")
    agent.start_call("c2", "d2", "small")
    time.sleep(0.15)  # so that both ran for a while
    agent.end_call("c1", 10)
    agent.end_call("c2", 10)
    driver[1].lost = 0
    until(lambda: not device(agent, 1).trouble)

    until(lambda: len(settled) == 2)
    found = {call.call_id: call for call in settled}
    assert "gpu is lost" in found["c1"].why
    assert found["c2"].energy_joules == 0  # its own GPU was read, and took nothing above idle


def test_a_blocking_driver_holds_up_nobody_but_itself(agent, driver, settled) -> None:
    agent.start_call("c1", "d1", "small")
    driver.state.blocked = 1
    until(lambda: driver.state.waiting == 2)  # both watches are inside the driver
    driver.add_joules(70)

    agent.start_call("c2", "d2", "small")
    agent.report_tokens("c2", 5)
    agent.end_call("c2", 10)
    agent.end_call("c1", 30)
    agent.accounts()
    assert driver.state.waiting == 2, "all of that went on while the driver slept"
    assert settled == []
    until(lambda: "has not answered" in device(agent).trouble)
    driver.state.blocked = 0

    until(lambda: len(settled) == 2)
    # The counter went on while it could not be read: nothing is lost.
    assert sum(call.energy_joules for call in settled) == pytest.approx(70, abs=1e-9)
    assert {call.energy_source for call in settled} == {EnergySource.ESTIMATED}
    until(lambda: not device(agent).trouble)


def test_declared_joules_are_estimates_and_stay_out_of_the_counters_sums(agent, driver, settled):
    agent.start_call("c1", "d1", "remote")
    agent.end_call("c1", output_tokens=40)
    agent.start_call("c2", "d2", "remote")
    agent.end_call("c2")

    declared, unknown = settled
    assert (declared.energy_joules, declared.energy_source) == (20.0, EnergySource.ESTIMATED)
    assert declared.is_declared
    assert unknown.energy_joules is None
    account = arm(agent, "remote")
    assert (account.declared_joules, account.declared_calls, account.unmeasured_calls) == (20, 1, 1)
    assert account.joules == {}


def test_what_is_declared_stands_in_for_a_device_that_cannot_be_read(agent, driver, settled):
    driver[1].lost = 1
    until(lambda: device(agent, 1).trouble)
    agent.start_call("c1", "d1", "fallback")
    time.sleep(0.01)
    agent.end_call("c1", 100)
    driver[1].lost = 0

    (call,) = until(lambda: settled)
    assert (call.energy_joules, call.energy_source) == (25.0, EnergySource.ESTIMATED)
    assert call.is_declared
    assert "gpu is lost" in call.why


def test_power_is_sampled_where_there_is_no_counter(driver, settled, monkeypatch) -> None:
    # On a busy machine this process may not get to sample for long.
    monkeypatch.setattr("bandit_service.energy.watching.BLIND_SECONDS", PATIENCE)
    driver[0].energy_code = NOT_SUPPORTED
    driver[0].instant_mw = 200_000
    config = MeterConfig(
        arms={"small": ArmDevices(("GPU-a",))}, idle_watts={"GPU-a": 50.0}, tick_seconds=0.2
    )
    with MeterAgent(config, report=settled.append) as agent:
        until(lambda: device(agent).total_joules > 0)
        agent.start_call("c1", "d1", "small")
        time.sleep(0.5)
        agent.end_call("c1", 50)
        (call,) = until(lambda: settled)
        account = device(agent)

    assert call.energy_source is EnergySource.SAMPLED
    # It was alone: 150 W above idle from the window it began in to that it ended in.
    assert call.energy_joules == pytest.approx(account.calls_joules)
    assert call.energy_joules >= 150 * (call.end - call.start) - 1e-6
    above = account.calls_joules + account.unclaimed_joules
    assert above == pytest.approx(0.75 * account.total_joules, rel=1e-6)


def test_mig_makes_every_share_an_estimate_and_is_said(driver, settled, caplog) -> None:
    driver[0].mig = 1
    with caplog.at_level(logging.WARNING), MeterAgent(CONFIG, report=settled.append) as agent:
        until(lambda: device(agent).is_partitioned)
        until(lambda: not device(agent).trouble)
        agent.start_call("c1", "d1", "small")
        driver.add_joules(30)
        until(lambda: device(agent).total_joules == 30)
        agent.end_call("c1", 10)
        (call,) = until(lambda: settled)

    assert (call.energy_joules, call.energy_source) == (30, EnergySource.ESTIMATED)
    assert "partitioned (MIG)" in caplog.text


def test_without_a_driver_it_runs_and_measures_nothing(settled, monkeypatch) -> None:
    def no_library(name):
        raise OSError(name)

    put_in_place(None)
    monkeypatch.setattr("pynvml.CDLL", no_library)
    with MeterAgent(CONFIG, report=settled.append) as agent:
        until(lambda: "install the NVIDIA driver" in device(agent).trouble)
        agent.start_call("c1", "d1", "small")
        time.sleep(0.01)
        agent.end_call("c1", 10)
        (call,) = until(lambda: settled)

    assert call.energy_joules is None
    assert "install the NVIDIA driver" in call.why


def test_an_arm_that_the_configuration_lacks_is_refused(agent) -> None:
    with pytest.raises(ArmNotMetered, match="arm 'huge' is not in this meter's configuration"):
        agent.start_call("c1", "d1", "huge")


def test_the_clock_does_not_jump_with_the_systems(monkeypatch) -> None:
    clock = steady_clock()
    before = clock()
    monkeypatch.setattr(time, "time", lambda: 0.0)

    assert 0 <= clock() - before < 60
