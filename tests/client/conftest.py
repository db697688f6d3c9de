import socket

import pytest

from bandit_service.client import Client
from bandit_service.rpc.pb import routing_pb2_grpc
from tests.client.fake_service import FakeRouting, served
from tests.patience import PATIENCE


@pytest.fixture
def service():
    return FakeRouting()


@pytest.fixture
def server(service):
    """Its address."""
    with served(
        lambda to: routing_pb2_grpc.add_RoutingServiceServicer_to_server(service, to)
    ) as at:
        yield at


@pytest.fixture
def client(server):
    with Client(server, policy="chat", timeout=PATIENCE, feedback_timeout=PATIENCE) as made:
        yield made


@pytest.fixture
def nobody():
    """An address at which nobody answers, and nobody will."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"
