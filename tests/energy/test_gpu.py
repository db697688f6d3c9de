"""The same meter on a real GPU, where there is one."""

import time

import pytest

from bandit_service.energy import nvml
from bandit_service.energy.agent import MeterAgent
from bandit_service.energy.configuration import ArmDevices, MeterConfig
from bandit_service.energy.records import Unreadable
from bandit_service.model import CallEnergy
from tests.energy.stand_in import put_in_place
from tests.energy.waiting import until


def why_not() -> str:
    """Why no GPU can be metered here; empty if one can."""
    put_in_place(None)
    try:
        return "" if nvml.devices() else "the driver knows of no GPU"
    except Unreadable as error:
        return str(error)


REASON = why_not()
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(bool(REASON), reason=f"no GPU to meter: {REASON}"),
]


def test_a_call_on_a_real_gpu_takes_what_the_gpu_took() -> None:
    put_in_place(None)
    uuid, _ = nvml.devices()[0]
    settled: list[CallEnergy] = []
    config = MeterConfig(arms={"m": ArmDevices((uuid,))}, idle_watts={uuid: 0.0})
    with MeterAgent(config, report=settled.append) as agent:
        until(lambda: agent.accounts().devices[0].total_joules > 0)
        agent.start_call("c", "d", "m")
        time.sleep(3)
        agent.end_call("c", 100)
        (call,) = until(lambda: settled)
        account = agent.accounts().devices[0]

    assert call.energy_joules is not None
    assert call.energy_joules > 3  # no board that computes idles below a watt
    assert call.energy_joules <= account.total_joules
    assert account.method in ("energy_counter", "instant_power", "average_power", "power_usage")
