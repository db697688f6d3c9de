"""Several server processes on one Postgres: positions, repeats, outages, and the end of one."""

import asyncio
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest

from bandit_service.client import AsyncClient, BanditRpcError, Client
from bandit_service.rpc.pb import policy_pb2, policy_pb2_grpc
from bandit_service.store import migrate
from tests.conftest import a_postgres_server
from tests.patience import PATIENCE
from tests.servers import Server, a_server, policy_file
from tests.store.test_outage import stop

POLICY = """
name: chat
features: {vector: {dimension: 2}}
arms: [{name: small}, {name: middle}, {name: large}]
"""
QUERY = [0.3, -0.2]


@pytest.fixture
def policy(tmp_path: Path) -> str:
    return str(policy_file(tmp_path, POLICY))


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Any]:
    """A server that a test may stop."""
    with a_postgres_server() as server:
        migrate(server.get_uri())
        yield server


@pytest.fixture
def trio(postgres_databases: Any, policy: str) -> Iterator[list[Server]]:
    url = postgres_databases("migrated")
    with (
        a_server(url, "--policy", policy, "--replica", "a") as first,
        a_server(url, "--policy", policy, "--replica", "b") as second,
        a_server(url, "--policy", policy, "--replica", "c") as third,
    ):
        yield [first, second, third]


def state(server: Server, min_position: int = 0) -> policy_pb2.GetPolicyStateResponse:
    with grpc.insecure_channel(server.address) as channel:
        request = policy_pb2.GetPolicyStateRequest(name="chat", min_position=min_position)
        found: policy_pb2.GetPolicyStateResponse = policy_pb2_grpc.PolicyServiceStub(
            channel
        ).GetPolicyState(request, timeout=PATIENCE)
        return found


def asking(server: Server) -> Client:
    return Client(server.address, policy="chat", timeout=PATIENCE, feedback_timeout=PATIENCE)


def test_three_replicas_are_one_service(trio: list[Server]) -> None:
    with asking(trio[0]) as first, asking(trio[1]) as second, asking(trio[2]) as third:
        # What one was told, counts on the next at once, by its position.
        told = first.feedback(first.route(vector=QUERY), score=0.9)
        assert second.route(vector=QUERY, min_position=told.position).position == told.position
        with pytest.raises(BanditRpcError) as ahead:
            second.route(vector=QUERY, min_position=told.position + 1)
        assert ahead.value.code is grpc.StatusCode.FAILED_PRECONDITION

        # Equal requests that reach all at once are one decision.
        for turn in range(20):
            with ThreadPoolExecutor(3) as pool:
                calls = [
                    pool.submit(client.route, vector=QUERY, request_id=f"r{turn}")
                    for client in (first, second, third)
                ]
                assert len({call.result() for call in calls}) == 1

        # And they stay what they were, whatever the policy has become.
        before = first.route(vector=QUERY, request_id="once", allowed_arms=["small"])
        with grpc.insecure_channel(trio[0].address) as channel:
            policy_pb2_grpc.PolicyServiceStub(channel).RetireArm(
                policy_pb2.RetireArmRequest(policy="chat", arm="small"), timeout=PATIENCE
            )
        position = state(trio[0]).position
        assert "small" not in {
            third.route(vector=QUERY, min_position=position).arm for _ in range(10)
        }
        again = third.route(vector=QUERY, request_id="once", allowed_arms=["small"])
        assert again == before

    states = [state(server, position) for server in trio]
    assert {one.state_hash for one in states} == {states[0].state_hash}
    assert [one.replica for one in states] == ["a", "b", "c"]
    assert all(one.position == one.head_position and one.HasField("staleness") for one in states)


async def traffic(server: Server, told: set[str]) -> None:
    async with AsyncClient(
        server.address, policy="chat", timeout=PATIENCE, feedback_timeout=PATIENCE
    ) as client:
        while True:
            try:
                choice = await client.route(vector=QUERY)
                told.add(choice.decision_id)
                await client.feedback(choice, success=True)
            except BanditRpcError:
                return  # it drains


def test_a_server_that_is_told_to_stop_loses_nothing(store_url: str, policy: str) -> None:
    told: set[str] = set()

    async def ended_amid_traffic(server: Server) -> tuple[int, str]:
        users = [asyncio.create_task(traffic(server, told)) for _ in range(8)]
        while len(told) < 100:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGTERM)  # an impatient supervisor
        ended = await asyncio.to_thread(server.terminate)
        for each in users:  # who would go on asking
            each.cancel()
        await asyncio.gather(*users, return_exceptions=True)
        return ended

    with a_server(store_url, "--policy", policy) as server:
        code, errors = asyncio.run(ended_amid_traffic(server))
    assert code == 0, errors
    assert "Traceback" not in errors

    database = psycopg.connect(store_url) if store_url.startswith("postgres") else None
    if database is not None:
        with database:
            rows = database.execute("SELECT id FROM decision").fetchall()
    else:
        import sqlite3

        rows = sqlite3.connect(store_url.removeprefix("sqlite:///")).execute(
            "SELECT id FROM decision"
        ).fetchall()  # fmt: skip
    assert told - {""} <= {row[0] for row in rows}


def test_an_outage_of_postgres_is_survived_and_what_was_answered_is_written_after_it(
    own_postgres: Any, policy: str
) -> None:
    url = own_postgres.get_uri()
    with a_server(url, "--policy", policy) as server, asking(server) as client:
        healthy = client.route(vector=QUERY)
        stop(own_postgres)

        answered = [client.route(vector=QUERY) for _ in range(50)]
        with pytest.raises(BanditRpcError) as refused:
            client.feedback(healthy, success=True, timeout=0.5)
        own_postgres.ensure_postgres_running()
        told = client.feedback(answered[-1], success=True)  # retried until it is durable

        assert not healthy.degraded
        assert all(choice.degraded for choice in answered)
        assert refused.value.code in (
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.DEADLINE_EXCEEDED,
        )
        assert told.position == 2
        assert not client.route(vector=QUERY).degraded
        assert server.terminate()[0] == 0

    with psycopg.connect(url) as database:
        rows = database.execute("SELECT id FROM decision WHERE degraded").fetchall()
    assert {row[0] for row in rows} >= {choice.decision_id for choice in answered}


def test_a_server_that_stops_during_an_outage_says_what_is_lost(
    own_postgres: Any, policy: str
) -> None:
    with a_server(own_postgres.get_uri(), "--policy", policy) as server:
        with asking(server) as client:
            stop(own_postgres)
            for _ in range(7):
                assert client.route(vector=QUERY).degraded
        code, errors = server.terminate()
    own_postgres.ensure_postgres_running()

    assert code == 6
    assert "7 decisions were answered and are lost" in errors


def test_a_second_server_on_the_same_port_fails_loudly(tmp_path: Path, policy: str) -> None:
    url = f"sqlite:///{tmp_path}/test.db"
    with a_server(url, "--policy", policy) as server:
        with pytest.raises(RuntimeError, match="it is in use"):
            Server(url, "--listen", server.address)
        with asking(server) as client:
            assert client.route(vector=QUERY).arm
