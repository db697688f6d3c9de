"""The application's side of metering: what the meter hears, and what happens when it does not."""

import logging
from typing import Any

import grpc
import pytest

from bandit_service.client import Choice, Meter, meter
from bandit_service.rpc.pb import energy_pb2, energy_pb2_grpc
from tests.client.fake_service import served
from tests.patience import PATIENCE

CHOICE = Choice(decision_id="d1", arm="small", second_arm="large", token=b"proof")


class FakeEnergy(energy_pb2_grpc.EnergyServiceServicer):
    """`fault` is what every call fails with."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.fault: grpc.StatusCode | None = None

    async def _hear(self, request, context, answer):
        self.heard.append(request)
        if self.fault:
            await context.abort(self.fault, "as told")
        return answer

    async def StartCall(self, request, context):
        return await self._hear(request, context, energy_pb2.StartCallResponse())

    async def ReportTokens(self, request, context):
        return await self._hear(request, context, energy_pb2.ReportTokensResponse())

    async def EndCall(self, request, context):
        return await self._hear(request, context, energy_pb2.EndCallResponse())


@pytest.fixture
def service() -> FakeEnergy:
    return FakeEnergy()


@pytest.fixture
def client(service):
    def add(to):
        energy_pb2_grpc.add_EnergyServiceServicer_to_server(service, to)

    with served(add) as address, Meter(address, timeout=PATIENCE) as client:
        yield client


def test_a_call_is_announced_followed_and_ended(client, service) -> None:
    with client.call(CHOICE, input_tokens=12) as call:
        call.first_token()
        call.tokens(30)
        call.response = {"usage": {"prompt_tokens": 13, "completion_tokens": 44}}

    start, first, second, end = service.heard
    assert (start.decision_id, start.arm, start.input_tokens) == ("d1", "small", 12)
    assert start.token == b"proof"
    assert (first.output_tokens, second.output_tokens) == (1, 30)
    assert (end.output_tokens, end.input_tokens) == (44, 13)
    assert end.HasField("time_to_first_token")
    assert {each.call_id for each in service.heard} == {call.call_id}
    assert call.is_metered


def test_what_is_not_known_is_not_told(client, service) -> None:
    with client.call(CHOICE, arm="large"):
        pass

    start, end = service.heard
    assert start.arm == "large"
    assert not start.HasField("input_tokens")
    assert not end.HasField("output_tokens")
    assert not end.HasField("time_to_first_token")


def test_a_call_that_fails_is_ended_too_and_its_error_goes_on(client, service) -> None:
    def failing_call() -> None:
        with client.call(CHOICE) as call:
            call.tokens(7)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing_call()

    assert service.heard[-1].output_tokens == 7


def test_a_fallback_has_nothing_to_meter(client, service) -> None:
    with client.call(Choice(decision_id="", arm="small", fallback=True)) as call:
        call.tokens(3)

    assert not call.is_metered
    assert service.heard == []


def test_an_arm_that_is_not_metered_is_logged_and_asked_again(client, service, caplog) -> None:
    service.fault = grpc.StatusCode.NOT_FOUND
    for _ in range(2):
        with client.call(CHOICE) as call:
            call.tokens(3)
        assert not call.is_metered

    assert len(service.heard) == 2  # nothing but the two starts
    assert "a call is not metered: NOT_FOUND: as told" in caplog.text


def test_a_meter_that_is_away_is_left_alone_for_a_while(client, service, monkeypatch) -> None:
    monkeypatch.setattr(meter, "REST_SECONDS", PATIENCE)
    service.fault = grpc.StatusCode.UNAVAILABLE
    for _ in range(3):
        with client.call(CHOICE) as call:
            pass
        assert not call.is_metered

    assert len(service.heard) == 1


def test_a_closed_meter_raises_nothing(client, caplog) -> None:
    client.close()
    with caplog.at_level(logging.WARNING), client.call(CHOICE) as call:
        pass

    assert not call.is_metered


def test_to_another_machine_it_needs_tls_or_a_word() -> None:
    with pytest.raises(ValueError, match="not on this machine"):
        Meter("gpu-7.example:7071")
    Meter("gpu-7.example:7071", insecure=True).close()
