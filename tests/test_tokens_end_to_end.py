"""A server with keys: the clients carry tokens by themselves, keys rotate while it serves."""

import asyncio
import base64
import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from bandit_service.client import AsyncClient, BanditRpcError, Choice, Client
from bandit_service.rpc.pb import routing_pb2 as pb
from bandit_service.rpc.pb import routing_pb2_grpc
from tests.patience import PATIENCE
from tests.servers import Server, a_server, policy_file

POLICY = """
name: chat
features: {vector: {dimension: 2}}
arms: [{name: small}, {name: large}]
"""
QUERY = [0.3, -0.2]
FIRST, SECOND = "c0ffee" * 12, "0ddba11e" * 9


def write_keys(path: Path, *lines: str) -> None:
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text("".join(f"{line}\n" for line in lines))
    new.replace(path)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    write_keys(path, f"k1 {FIRST}")
    return path


@pytest.fixture
def server(tmp_path: Path, keys: Path) -> Iterator[Server]:
    policy = str(policy_file(tmp_path, POLICY))
    with a_server(
        f"sqlite:///{tmp_path}/bandit.db",
        *("--policy", policy, "--token-keys", str(keys), "--require-token"),
        *("--log-level", "debug", "--log-format", "json"),
    ) as made:
        yield made


@contextmanager
def denied(reason: str) -> Iterator[None]:
    with pytest.raises(BanditRpcError) as refused:
        yield
    assert (refused.value.code, refused.value.reason) == (
        grpc.StatusCode.PERMISSION_DENIED,
        reason,
    )
    assert refused.value.callers


def outcome_of(client: Client, choice: Choice) -> str:
    """What becomes of feedback on a choice."""
    try:
        client.feedback(choice, success=True)
    except BanditRpcError as error:
        return f"{error.code.name}: {error.reason or error.message}"
    return "OK"


def a_client(server: Server) -> Client:
    return Client(server.address, policy="chat", timeout=PATIENCE, feedback_timeout=PATIENCE)


async def with_tasks(server: Server) -> None:
    async with AsyncClient(server.address, policy="chat", timeout=PATIENCE) as client:
        choices = await asyncio.gather(*(client.route(vector=QUERY) for _ in range(5)))
        told = [client.feedback(choice, success=True, timeout=PATIENCE) for choice in choices]
        assert [one.effect for one in await asyncio.gather(*told)] == ["learned"] * 5
        assert (await client.tie(choices[0], choices[1], timeout=PATIENCE)).recorded
        with denied("TOKEN_REQUIRED"):
            await client.feedback(choices[0].decision_id, success=True, timeout=PATIENCE)


def test_clients_carry_tokens_and_keys_rotate(server, keys):
    asyncio.run(with_tasks(server))
    with a_client(server) as client:
        choice, other = client.route(vector=QUERY), client.route(vector=QUERY)
        assert choice.token
        assert "token" not in repr(choice)
        assert client.feedback(choice, score=0.5).effect == "learned"
        assert client.prefer(choice, over=other).recorded
        with denied("TOKEN_REQUIRED"):
            client.feedback(choice.decision_id, success=True)
        with denied("TOKEN_REQUIRED"):
            client.prefer(choice, over=other.decision_id)
        with denied("TOKEN_REFUSED"):
            client.feedback(Choice(choice.decision_id, "small", token=other.token), success=True)

        write_keys(keys, f"k2 {SECOND}", f"k1 {FIRST}")
        server.signal(signal.SIGHUP)
        until = time.monotonic() + PATIENCE
        while b"k2" not in (newer := client.route(vector=QUERY)).token[:8]:
            assert time.monotonic() < until
        assert client.feedback(newer, success=True).recorded
        assert client.feedback(other, success=True).recorded  # signed by the old one

        write_keys(keys, f"k2 {SECOND}")  # and this is noticed without a signal
        until = time.monotonic() + PATIENCE
        while (answer := outcome_of(client, other)) == "OK":
            assert time.monotonic() < until
            time.sleep(0.1)
        assert answer == "PERMISSION_DENIED: TOKEN_REFUSED"

    code, log = server.terminate()
    assert code == 0
    assert any("k2 signs" in json.loads(line)["event"] for line in log.splitlines())
    for secret in (FIRST, SECOND, repr(bytes.fromhex(FIRST)), base64.b64encode(choice.token)):
        assert str(secret) not in log


def test_the_wire_says_permission_denied_and_explanations_hold_no_token(server):
    with grpc.insecure_channel(server.address) as channel:
        stub = routing_pb2_grpc.RoutingServiceStub(channel)
        query = pb.RouteRequest(policy="chat", vector=pb.Vector(values=QUERY))
        made = stub.Route(query, timeout=PATIENCE)
        told = pb.FeedbackRequest(decision_id=made.decision_id, success=True, token=made.token[1:])
        with pytest.raises(grpc.RpcError) as refused:
            stub.Feedback(told, timeout=PATIENCE)
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        whole = pb.BatchFeedbackRequest(requests=[told])
        (item,) = stub.BatchFeedback(whole, timeout=PATIENCE).results
        assert (item.error.code, item.error.reason) == (7, "TOKEN_REFUSED")
        asked = pb.GetDecisionRequest(decision_id=made.decision_id)
        found = stub.GetDecision(asked, timeout=PATIENCE).decision
        assert found.response.token == b""
        assert (found.recovered, len(found.outcomes)) == (False, 0)
        told.token = made.token
        assert stub.Feedback(told, timeout=PATIENCE).position == 2


def test_a_file_that_others_can_read_ends_the_start(tmp_path, keys):
    keys.chmod(0o644)

    with pytest.raises(RuntimeError, match="chmod 600") as refused:
        Server(f"sqlite:///{tmp_path}/bandit.db", "--token-keys", str(keys))
    assert FIRST not in str(refused.value)
    assert not (tmp_path / "bandit.db").exists()
