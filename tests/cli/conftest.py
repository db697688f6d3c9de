import os

import pytest
from typer.testing import CliRunner

from bandit_service.cli import app
from bandit_service.rpc.pb import policy_pb2_grpc, routing_pb2_grpc
from tests.cli.fake_policies import FakePolicies
from tests.client.fake_service import FakeRouting, served


@pytest.fixture(autouse=True)
def _a_bare_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("BANDIT_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def run():
    """Runs a command line as given, with what else to read from stdin."""
    return lambda *words, stdin="": CliRunner().invoke(app, [str(word) for word in words], stdin)


@pytest.fixture
def policies():
    return FakePolicies()


@pytest.fixture
def service():
    return FakeRouting()


@pytest.fixture
def server(policies, service, monkeypatch):
    """Its address; the commands know it already."""

    def add(to):
        policy_pb2_grpc.add_PolicyServiceServicer_to_server(policies, to)
        routing_pb2_grpc.add_RoutingServiceServicer_to_server(service, to)

    with served(add) as address:
        monkeypatch.setenv("BANDIT_SERVER", address)
        yield address
