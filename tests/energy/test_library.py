"""The meter inside an application, without a process of its own."""

import pytest

from bandit_service.client import Client
from bandit_service.energy.configuration import ArmDevices, MeterConfig
from bandit_service.metering import metering
from bandit_service.rpc.pb import routing_pb2, routing_pb2_grpc
from tests.client.fake_service import FakeRouting, served
from tests.energy.stand_in import StandIn
from tests.energy.waiting import until
from tests.patience import PATIENCE

CONFIG = MeterConfig(
    arms={"small": ArmDevices(("GPU-a",))}, idle_watts={"GPU-a": 0.0}, tick_seconds=0.1
)


@pytest.fixture
def service() -> FakeRouting:
    return FakeRouting()


@pytest.fixture
def client(service: FakeRouting):
    def add(to):
        routing_pb2_grpc.add_RoutingServiceServicer_to_server(service, to)

    with served(add) as address, Client(address, feedback_timeout=PATIENCE) as client:
        yield client


def test_joules_are_sent_as_usage_of_the_decision(driver: StandIn, client, service) -> None:
    with metering(CONFIG, client) as agent:
        until(lambda: not agent.accounts().devices[0].trouble)
        agent.start_call("c1", "d1", "small")
        driver.add_joules(70)
        until(lambda: agent.accounts().devices[0].total_joules == 70)
        agent.end_call("c1", 10)
        until(lambda: agent.accounts().reports_sent == 1)

    (heard,) = service.heard
    assert (heard.decision_id, heard.arm, heard.feedback_id) == ("d1", "small", "energy-c1")
    assert heard.source == routing_pb2.FEEDBACK_SOURCE_CHECK
    assert heard.usage == routing_pb2.Usage(
        energy_joules=70, energy_source=routing_pb2.ENERGY_SOURCE_MEASURED
    )
    assert not heard.HasField("success")


def test_without_a_router_the_joules_stay_in_the_accounts(driver: StandIn) -> None:
    with metering(CONFIG, None) as agent:
        until(lambda: not agent.accounts().devices[0].trouble)
        agent.start_call("c1", "d1", "small")
        driver.add_joules(70)
        until(lambda: agent.accounts().devices[0].total_joules == 70)
        agent.end_call("c1", 10)
        until(lambda: agent.accounts().arms[0].calls)
        (arm,) = agent.accounts().arms

    assert (arm.joules, arm.calls) == ({"measured": 70.0}, {"measured": 1})
