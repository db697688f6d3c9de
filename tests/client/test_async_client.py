"""The asyncio client: how it folds calls, and that each caller gets its own answer."""

import asyncio
from typing import Any, cast

import grpc
import pytest

from bandit_service.client import AsyncClient, BanditRpcError
from bandit_service.client.folding import BATCH_BYTES
from tests.client.fake_service import until
from tests.patience import PATIENCE

UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, "shutting down")


@pytest.fixture
async def client(server):
    async with AsyncClient(
        server, policy="chat", timeout=PATIENCE, feedback_timeout=PATIENCE
    ) as made:
        yield made


async def test_a_lone_call_is_a_plain_route(client, service):
    assert (await client.route("hello")).decision_id == "decision-of-hello"
    await client.feedback("decision-of-hello", score=1.0)

    assert service.calls == {"Route": 1, "Feedback": 1}


async def test_calls_of_the_same_moment_are_folded(client, service):
    choices = await asyncio.gather(*(client.route(f"q{i}") for i in range(100)))

    assert [choice.decision_id for choice in choices] == [f"decision-of-q{i}" for i in range(100)]
    assert service.calls == {"BatchRoute": 2}  # 64 and 36


async def test_feedback_is_folded_too(client, service):
    await asyncio.gather(*(client.feedback(f"d{i}", success=True) for i in range(64)))

    assert service.calls == {"BatchFeedback": 1}
    assert len({heard.feedback_id for heard in service.heard}) == 64


async def test_the_largest_batch_can_be_set(server, service):
    async with AsyncClient(server, policy="chat", timeout=PATIENCE, max_batch=10) as client:
        await asyncio.gather(*(client.route(f"q{i}") for i in range(30)))

    assert service.calls == {"BatchRoute": 3}


async def test_long_texts_make_smaller_batches(client, service):
    text = "x" * (BATCH_BYTES // 3)

    await asyncio.gather(*(client.route(text) for _ in range(6)))

    assert service.calls == {"BatchRoute": 3}  # two fit below the limit, with their other fields


async def test_while_calls_are_in_flight_those_that_come_are_gathered(client, service):
    service.gate.clear()
    calls = []
    for i in range(2):
        calls.append(asyncio.create_task(client.route(f"q{i}")))
        await until(lambda: service.calls["Route"] == len(calls))
    for i in range(2, 20):
        calls.append(asyncio.create_task(client.route(f"q{i}")))
        await asyncio.sleep(0)

    service.gate.set()
    await asyncio.gather(*calls)

    assert len(service.routed) == 20
    assert service.calls == {"Route": 2, "BatchRoute": 1}


async def test_an_error_of_one_item_is_raised_by_its_call_alone(client, service):
    calls = [client.route("good"), client.route("bad"), client.route("other")]
    good, bad, other = cast(list[Any], await asyncio.gather(*calls, return_exceptions=True))

    assert service.calls == {"BatchRoute": 1}
    assert good.decision_id == "decision-of-good"
    assert other.decision_id == "decision-of-other"
    assert isinstance(bad, BanditRpcError)
    assert bad.code is grpc.StatusCode.INVALID_ARGUMENT
    assert bad.reason == "INVALID_FIELD"


async def test_a_batch_that_fails_is_sent_again_with_the_same_ids(client, service):
    service.faults["BatchRoute"] = [UNAVAILABLE]

    await asyncio.gather(*(client.route(f"q{i}") for i in range(8)))

    assert len(service.routed) == 16
    assert len({request.request_id for request in service.routed}) == 8


async def test_each_call_keeps_its_own_deadline(client, service):
    service.gate.clear()
    patient = asyncio.create_task(client.route("patient", timeout=PATIENCE))
    hasty = asyncio.create_task(client.route("hasty", timeout=0.1))

    with pytest.raises(BanditRpcError, match="DEADLINE_EXCEEDED"):
        await hasty
    service.gate.set()

    assert (await patient).decision_id == "decision-of-patient"
    assert service.calls == {"BatchRoute": 1}


async def test_a_cancelled_call_does_not_disturb_the_others(client, service):
    service.gate.clear()
    calls = [asyncio.create_task(client.route(f"q{i}")) for i in range(3)]
    await until(lambda: service.calls["BatchRoute"] == 1)

    calls[1].cancel()
    service.gate.set()
    done = cast(list[Any], await asyncio.gather(*calls, return_exceptions=True))

    assert isinstance(done[1], asyncio.CancelledError)
    assert [done[0].decision_id, done[2].decision_id] == ["decision-of-q0", "decision-of-q2"]
    assert (await client.route("after")).decision_id == "decision-of-after"


async def test_a_timed_call_reports_in_asyncio_too(client, service):
    async with client.timed(await client.route("hello")) as call:
        call.response = {"usage": {"input_tokens": 3, "output_tokens": 4}}

    assert call.result.recorded
    assert service.heard[0].usage.output_tokens == 4


async def test_a_closed_client_says_so(server):
    client = AsyncClient(server, policy="chat")
    await client.close()

    with pytest.raises(RuntimeError, match="closed"):
        await client.route("hello")


async def test_closing_ends_the_calls_in_flight(client, service):
    service.gate.clear()
    waiting = asyncio.create_task(client.route("hello", timeout=PATIENCE))
    await until(lambda: service.calls["Route"] == 1)

    await client.close()

    with pytest.raises(RuntimeError, match="closed"):
        await waiting
