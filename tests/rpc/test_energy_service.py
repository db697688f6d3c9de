"""EnergyService over a loopback socket: what reaches the meter, what returns, what is refused."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bandit_service.errors import ArmNotMetered, CallNotFound, TooManyCalls
from bandit_service.model import ArmAccount, DeviceAccount, EnergyAccounts, EnergySource
from bandit_service.rpc.meter_server import SERVICE, build_meter_server
from bandit_service.rpc.pb import energy_pb2 as pb
from bandit_service.rpc.pb import routing_pb2
from bandit_service.rpc.pb.energy_pb2_grpc import EnergyServiceStub
from bandit_service.rpc.server import ListenRefused, start, stop
from tests.rpc.refusals import refused

INVALID = grpc.StatusCode.INVALID_ARGUMENT
ACCOUNTS = EnergyAccounts(
    start_time=1_700_000_000.0,
    time=1_700_000_060.5,
    devices=(
        DeviceAccount(
            "GPU-a", "A100", "energy_counter", EnergySource.MEASURED, 9, 4, 3, 2, 0, None, 1
        ),
        DeviceAccount("GPU-b", "", "", None, 0, 0, 0, 0, 0, 61.5, 60, True, "GPU is lost"),
    ),
    arms=(
        ArmAccount(
            "m", ("GPU-a",), {"estimated": 4.0}, {"estimated": 2}, 4, 1.5, 1, 3, 5, 0.1, 0.9
        ),
        ArmAccount("n", (), {}, {}, 0, 0, 0, 0, 0),
    ),
    reports_sent=7,
    reports_waiting=8,
    reports_lost=9,
)


@dataclass
class FakeMeter:
    told: list[tuple[Any, ...]] = field(default_factory=list)
    fault: Exception | None = None

    def start_call(self, *given: Any) -> None:
        self._hear("start", *given)

    def report_tokens(self, *given: Any) -> None:
        self._hear("tokens", *given)

    def end_call(self, *given: Any) -> None:
        self._hear("end", *given)

    def accounts(self) -> EnergyAccounts:
        return ACCOUNTS

    def _hear(self, *told: Any) -> None:
        if self.fault:
            raise self.fault
        self.told.append(told)


@pytest.fixture
def meter() -> FakeMeter:
    return FakeMeter()


@pytest.fixture
async def channel(meter: FakeMeter) -> AsyncIterator[grpc.aio.Channel]:
    server, health, port = build_meter_server(meter, listen="127.0.0.1:0")
    await start(server, health)
    await health.serving()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await stop(server, health, grace=0)


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:
    return EnergyServiceStub(channel)


async def test_what_is_told_reaches_the_meter(stub, meter) -> None:
    await stub.StartCall(pb.StartCallRequest(call_id="c", decision_id="d", arm="m", input_tokens=3))
    await stub.StartCall(pb.StartCallRequest(call_id="c", decision_id="d", arm="m", token=b"t\0"))
    await stub.ReportTokens(pb.ReportTokensRequest(call_id="c", output_tokens=0))
    await stub.EndCall(pb.EndCallRequest(call_id="c"))
    after = Duration(seconds=1, nanos=500_000_000)
    await stub.EndCall(
        pb.EndCallRequest(call_id="c", output_tokens=0, input_tokens=4, time_to_first_token=after)
    )

    assert meter.told == [
        ("start", "c", "d", "m", 3, b""),
        ("start", "c", "d", "m", None, b"t\0"),
        ("tokens", "c", 0, None),
        ("end", "c", None, None, None),
        ("end", "c", 0, 4, 1.5),
    ]


@pytest.mark.parametrize(
    ("method", "request_", "at_fault"),
    [
        ("StartCall", pb.StartCallRequest(decision_id="d", arm="m"), "call_id"),
        ("StartCall", pb.StartCallRequest(call_id="c", arm="m"), "decision_id"),
        ("StartCall", pb.StartCallRequest(call_id="c", decision_id="d"), "arm"),
        ("StartCall", pb.StartCallRequest(call_id="c" * 129, decision_id="d", arm="m"), "call_id"),
        ("StartCall", pb.StartCallRequest(call_id="c\0", decision_id="d", arm="m"), "call_id"),
        (
            "StartCall",
            pb.StartCallRequest(call_id="c", decision_id="d", arm="m", input_tokens=-1),
            "input_tokens",
        ),
        (
            "StartCall",
            pb.StartCallRequest(call_id="c", decision_id="d", arm="m", token=bytes(2_049)),
            "token",
        ),
        ("ReportTokens", pb.ReportTokensRequest(output_tokens=1), "call_id"),
        ("ReportTokens", pb.ReportTokensRequest(call_id="c", output_tokens=-1), "output_tokens"),
        ("EndCall", pb.EndCallRequest(call_id="c", output_tokens=-1), "output_tokens"),
        (
            "EndCall",
            pb.EndCallRequest(call_id="c", time_to_first_token=Duration(seconds=-1)),
            "time_to_first_token",
        ),
    ],
)
async def test_what_makes_no_sense_is_refused(stub, meter, method, request_, at_fault) -> None:
    async with refused() as caught:
        await getattr(stub, method)(request_)

    assert caught.value.code() is INVALID
    assert caught.value.details().startswith(f"{at_fault}: ")
    assert meter.told == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (ArmNotMetered("m"), grpc.StatusCode.NOT_FOUND),
        (CallNotFound("c"), grpc.StatusCode.NOT_FOUND),
        (TooManyCalls(10_000), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (RuntimeError("a bug"), grpc.StatusCode.INTERNAL),
    ],
)
async def test_the_meters_errors_are_statuses(stub, meter, fault, code) -> None:
    meter.fault = fault
    async with refused() as caught:
        await stub.EndCall(pb.EndCallRequest(call_id="c"))

    assert caught.value.code() is code


async def test_the_accounts_return_as_they_are(stub) -> None:
    answer = await stub.GetEnergy(pb.GetEnergyRequest())

    first, second = answer.devices
    assert (answer.start_time.seconds, answer.time.nanos) == (1_700_000_000, 500_000_000)
    assert first == pb.DeviceEnergy(
        device="GPU-a",
        name="A100",
        method="energy_counter",
        source=routing_pb2.ENERGY_SOURCE_MEASURED,
        total_joules=9,
        calls_joules=4,
        idle_joules=3,
        unclaimed_joules=2,
        void_seconds=1,
    )
    assert not first.HasField("idle_watts")
    assert (second.idle_watts, second.partitioned, second.trouble) == (61.5, True, "GPU is lost")
    assert second.source == routing_pb2.ENERGY_SOURCE_UNSPECIFIED
    m, n = answer.arms
    assert [(s.source, s.energy_joules, s.calls) for s in m.sources] == [
        (routing_pb2.ENERGY_SOURCE_ESTIMATED, 4.0, 2)
    ]
    assert (m.metered_joules, m.declared_joules, m.declared_calls) == (4, 1.5, 1)
    assert (m.unmeasured_calls, m.calls_under_way) == (3, 5)
    assert (m.joules_per_input_token, m.joules_per_output_token) == (0.1, 0.9)
    assert not n.sources
    assert not n.HasField("joules_per_output_token")
    assert (answer.reports_sent, answer.reports_waiting, answer.reports_lost) == (7, 8, 9)


async def test_it_says_that_it_is_well(channel) -> None:
    check = health_pb2_grpc.HealthStub(channel).Check
    for name in ("", SERVICE.full_name):
        answer = await check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_beyond_this_machine_it_needs_a_word(meter) -> None:
    with pytest.raises(ListenRefused, match="can be reached from other machines"):
        build_meter_server(meter, listen="0.0.0.0:0")
