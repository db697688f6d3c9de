"""The whole thing: a server process, a database, a client, a socket, and SIGKILL."""

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from bandit_service.client import AsyncClient, BanditRpcError, Choice, Client
from bandit_service.draw import new_ids
from bandit_service.rpc.pb import policy_pb2, policy_pb2_grpc, routing_pb2, routing_pb2_grpc
from bandit_service.store import open_store
from tests.builders import a_decision, packed
from tests.patience import PATIENCE
from tests.servers import Server, a_server, policy_file

# A start takes a second of computing, and most tests need several.

POLICY = """
name: chat
features: {vector: {dimension: 4}}
arms: [{name: small}, {name: middle}, {name: large}]
"""
CHANCES = {"small": 0.2, "middle": 0.5, "large": 0.8}


@dataclass
class Acknowledged:
    """What the server has said yes to."""

    choices: dict[str, Choice] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    enough: asyncio.Event = field(default_factory=asyncio.Event)  # to kill the server amid them


async def some_traffic(
    address: str, acknowledged: Acknowledged, queries: int, seed: int, in_flight: int = 8
) -> None:
    """Routes queries and scores the answers until done, or until the server is gone."""
    luck = random.Random(seed)
    left = iter(range(queries))
    async with AsyncClient(
        address, policy="chat", timeout=PATIENCE, feedback_timeout=PATIENCE
    ) as client:

        async def user() -> None:
            for _ in left:
                choice = await client.route(vector=[luck.gauss(0, 0.5) for _ in range(4)])
                acknowledged.choices[choice.decision_id] = choice
                score = float(luck.random() < CHANCES[choice.arm])
                await client.feedback(choice, score=score, cost_usd=0.001)
                acknowledged.scores[choice.decision_id] = score
                if len(acknowledged.scores) == 150:
                    acknowledged.enough.set()

        users = [asyncio.create_task(user()) for _ in range(in_flight)]
        with contextlib.suppress(BanditRpcError):
            await asyncio.gather(*users)
        for each in users:
            each.cancel()
        await asyncio.gather(*users, return_exceptions=True)


async def killed_amid_traffic(server: Server, seed: int) -> Acknowledged:
    """Kills the server once some hundred answers have been acknowledged."""
    acknowledged = Acknowledged()
    traffic = asyncio.create_task(some_traffic(server.address, acknowledged, 100_000, seed))
    await acknowledged.enough.wait()
    with pytest.MonkeyPatch.context() as patch:
        # What is on its way is still heard of, but nobody waits for the server to come back.
        patch.setattr("bandit_service.client.task_folder.worth_another", lambda *_: False)
        await asyncio.to_thread(server.kill)
        await traffic
    return acknowledged


def the_state(address: str) -> policy_pb2.GetPolicyStateResponse:
    with grpc.insecure_channel(address) as channel:
        stub = policy_pb2_grpc.PolicyServiceStub(channel)
        asked = policy_pb2.GetPolicyStateRequest(name="chat")
        state: policy_pb2.GetPolicyStateResponse = stub.GetPolicyState(asked, timeout=PATIENCE)
        return state


def the_decisions(address: str, ids: list[str]) -> list[routing_pb2.Decision]:
    with grpc.insecure_channel(address) as channel:
        stub = routing_pb2_grpc.RoutingServiceStub(channel)
        asked = [routing_pb2.GetDecisionRequest(decision_id=i) for i in ids]
        return [stub.GetDecision(each, timeout=PATIENCE).decision for each in asked]


@pytest.fixture
def policy(tmp_path: Path) -> str:
    return str(policy_file(tmp_path, POLICY))


def test_it_learns_and_knows_it_again_after_a_kill(store_url: str, policy: str) -> None:
    acknowledged = Acknowledged()
    with a_server(store_url, "--policy", policy) as server:
        asyncio.run(some_traffic(server.address, acknowledged, 600, seed=1))
        before = the_state(server.address)
        server.kill()

    with a_server(store_url, "--policy", policy) as server:
        after = the_state(server.address)

    assert len(acknowledged.scores) == 600
    assert after.position == before.position == 601  # one revision, 600 pieces of feedback
    assert after.state_hash == before.state_hash
    late = [choice.arm for choice in list(acknowledged.choices.values())[300:]]
    assert late.count("large") > len(late) / 2  # of three arms, it is the best by far


def test_no_acknowledged_answer_is_lost_to_a_kill_amid_traffic(store_url: str, policy: str) -> None:
    with a_server(store_url, "--policy", policy) as server:
        acknowledged = asyncio.run(killed_amid_traffic(server, seed=2))

    with a_server(store_url) as server:
        found = the_decisions(server.address, list(acknowledged.choices))
        after = the_state(server.address)

    assert [d.response.arm for d in found] == [c.arm for c in acknowledged.choices.values()]
    assert [d.response.propensity for d in found] == [
        c.propensity for c in acknowledged.choices.values()
    ]
    scores = {
        d.response.decision_id: outcome.value
        for d in found
        for outcome in d.outcomes
        if outcome.kind == "score"
    }
    assert scores.items() >= acknowledged.scores.items()
    assert after.position >= 1 + len(acknowledged.scores)


def test_two_restarts_agree_on_the_state(store_url: str, policy: str) -> None:
    with a_server(store_url, "--policy", policy) as server:
        asyncio.run(killed_amid_traffic(server, seed=3))

    hashes = set()
    for _ in range(2):
        with a_server(store_url) as server:
            state = the_state(server.address)
            hashes.add((state.position, state.state_hash))

    assert len(hashes) == 1


def test_it_ends_politely_when_told_to(store_url: str, policy: str) -> None:
    with a_server(store_url, "--policy", policy) as server:
        with Client(server.address, policy="chat", timeout=PATIENCE) as client:
            choice = client.route(vector=[0.1, 0.2, 0.3, 0.4])
        code, errors = server.terminate()

    assert code == 0
    assert "Traceback" not in errors
    assert "draining" in errors  # which is said at the default level, info
    with a_server(store_url) as server:
        assert the_decisions(server.address, [choice.decision_id])[0].response.arm == choice.arm


def test_a_retried_route_gets_the_first_answer_even_from_the_next_process(
    store_url: str, policy: str
) -> None:
    vector = [0.1, 0.2, 0.3, 0.4]
    with (
        a_server(store_url, "--policy", policy) as server,
        Client(server.address, timeout=PATIENCE) as client,
    ):
        first = client.route(vector=vector, policy="chat", request_id="only-once")
        server.kill()

    with a_server(store_url) as server, Client(server.address, timeout=PATIENCE) as client:
        again = client.route(vector=vector, policy="chat", request_id="only-once")

    assert again == first


def test_feedback_beyond_the_horizon_is_refused_and_the_service_goes_on(
    store_url: str, policy: str
) -> None:
    with a_server(store_url, "--policy", policy) as server:
        before = the_state(server.address)
        assert before.position == 1
        store = open_store(store_url)
        moment = time.time() - 31 * 86_400.0
        (old,) = new_ids(1, moment)
        context = packed(0.5, 0.5, 0.5, 0.5, 1.0)
        store.log_decisions([
            a_decision(id=old, create_time=moment, clock=moment, context=context)
        ])  # fmt: skip
        store.close()
        with Client(
            server.address, policy="chat", timeout=PATIENCE, feedback_timeout=PATIENCE
        ) as client:
            for _ in range(2):
                with pytest.raises(BanditRpcError) as refused:
                    client.feedback(old, success=True, feedback_id="late")
                found = refused.value.code, refused.value.reason
                assert found == (grpc.StatusCode.FAILED_PRECONDITION, "DECISION_EXPIRED")
            after = the_state(server.address)
            assert (after.position, after.state_hash) == (before.position, before.state_hash)
            assert client.feedback(client.route(vector=[0.5] * 4), success=True).position == 2


def test_text_routes_too(store_url: str, tmp_path: Path) -> None:
    policy = policy_file(tmp_path, "name: chat\narms: [{name: small}, {name: large}]\n")
    with (
        a_server(store_url, "--policy", str(policy)) as server,
        Client(server.address, policy="chat", timeout=PATIENCE) as client,
    ):
        choice = client.route("What is the capital of France?", session="s-1")
        again = client.route("And of Spain?", session="s-1")
        result = client.feedback(choice, success=True, timeout=PATIENCE)

    assert choice.arm in {"small", "large"}
    assert again.arm == choice.arm
    assert again.sticky
    assert result.effect == "learned"
