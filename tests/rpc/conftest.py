"""A server over a real loopback socket, in front of use cases that do as they are told."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
import pytest

from bandit_service.rpc.pb import policy_pb2_grpc, routing_pb2_grpc
from bandit_service.rpc.server import Health, build_server, start, stop
from tests.rpc.fakes import FakeUseCases


@dataclass
class Service:
    use_cases: FakeUseCases
    server: grpc.aio.Server
    health: Health
    port: int
    channel: grpc.aio.Channel

    @property
    def routing(self) -> routing_pb2_grpc.RoutingServiceStub:
        return routing_pb2_grpc.RoutingServiceStub(self.channel)

    @property
    def policies(self) -> policy_pb2_grpc.PolicyServiceStub:
        return policy_pb2_grpc.PolicyServiceStub(self.channel)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    use_cases, health = FakeUseCases(), Health()
    server, port = build_server(
        use_cases,
        use_cases,
        use_cases,
        health=health,
        listen="127.0.0.1:0",
        with_reflection=True,
    )
    await start(server, health)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Service(use_cases, server, health, port, channel)
    await stop(server, health, grace=0)
