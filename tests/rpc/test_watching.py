"""What those who watch are told of calls, however these end."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from bandit_service.errors import BanditError, PolicyNotFound
from bandit_service.model import Routed
from bandit_service.rpc.pb import routing_pb2, routing_pb2_grpc
from bandit_service.rpc.server import Health, build_server, start, stop
from bandit_service.watching import Unwatched
from tests.patience import PATIENCE
from tests.rpc.fakes import FakeUseCases
from tests.rpc.refusals import refused

A_QUERY = routing_pb2.RouteRequest(policy="chat", request_id="r1", text="What is it?")
NOT_A_QUERY = routing_pb2.RouteRequest(policy="chat")


class Watcher(Unwatched):
    def __init__(self) -> None:
        self.ended: asyncio.Queue[tuple[str, str, float]] = asyncio.Queue()
        self.pairs: list[tuple[object, object]] = []
        self.batches: list[tuple[str, list[object]]] = []

    def method(self, name):
        return lambda code, seconds: self.ended.put_nowait((name, code, seconds))

    def routed(self, pairs):
        self.pairs += pairs

    def batch(self, method, answers):
        self.batches.append((method, list(answers)))

    async def next(self) -> tuple[str, str]:
        method, code, seconds = await asyncio.wait_for(self.ended.get(), PATIENCE)
        assert 0.0 < seconds < PATIENCE
        return method, code


@pytest.fixture
def watcher():
    return Watcher()


@pytest.fixture
def use_cases():
    return FakeUseCases()


@pytest.fixture
async def routing(use_cases, watcher) -> AsyncIterator[routing_pb2_grpc.RoutingServiceStub]:
    health = Health()
    server, port = build_server(
        *[use_cases] * 3, health=health, listen="127.0.0.1:0", watch=watcher
    )
    await start(server, health)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield routing_pb2_grpc.RoutingServiceStub(channel)
    await stop(server, health, grace=0)


async def test_a_call_that_succeeds(routing, watcher):
    await routing.Route(A_QUERY)

    assert await watcher.next() == ("Route", "OK")
    ((query, answer),) = watcher.pairs
    assert query.policy == "chat"
    assert answer.arm == "small"


@pytest.mark.parametrize(
    ("fault", "code"), [(PolicyNotFound("chat"), "NOT_FOUND"), (RuntimeError("no"), "INTERNAL")]
)
async def test_a_call_that_is_refused_and_one_that_breaks(routing, watcher, use_cases, fault, code):
    use_cases.fault = fault

    async with refused():
        await routing.Route(A_QUERY)

    assert await watcher.next() == ("Route", code)
    assert watcher.pairs == []


async def test_a_request_that_makes_no_sense(routing, watcher):
    async with refused():
        await routing.Route(NOT_A_QUERY)

    assert await watcher.next() == ("Route", "INVALID_ARGUMENT")


async def test_every_item_of_a_batch_has_its_answer_beside_it(routing, watcher):
    asked = [A_QUERY, NOT_A_QUERY, A_QUERY]
    await routing.BatchRoute(routing_pb2.BatchRouteRequest(requests=asked))

    assert await watcher.next() == ("BatchRoute", "OK")
    ((method, answers),) = watcher.batches
    assert method == "BatchRoute"
    assert [type(answer) for answer in answers] == [Routed, type(answers[1]), Routed]
    assert isinstance(answers[1], BanditError)
    assert [answer for _, answer in watcher.pairs] == answers
    assert watcher.pairs[1][0] is answers[1]


async def test_batches_of_feedback_are_told_too(routing, watcher):
    asked = [routing_pb2.FeedbackRequest(decision_id="d1", score=0.5)] * 3
    await routing.BatchFeedback(routing_pb2.BatchFeedbackRequest(requests=asked))

    assert await watcher.next() == ("BatchFeedback", "OK")
    assert [(method, len(answers)) for method, answers in watcher.batches] == [("BatchFeedback", 3)]


async def test_a_caller_who_leaves(routing, watcher, use_cases):
    entered = asyncio.Event()

    async def stalled(*_given):
        entered.set()
        await asyncio.Event().wait()

    use_cases.route = stalled
    call = routing.Route(A_QUERY)
    await entered.wait()
    call.cancel()

    assert await watcher.next() == ("Route", "CANCELLED")


async def test_a_caller_whose_time_is_up(routing, watcher, use_cases):
    entered = asyncio.Event()

    async def stalled(*_given):
        entered.set()
        await asyncio.Event().wait()

    use_cases.route = stalled
    seconds = 0.1
    while not entered.is_set():  # on a busy machine a call may be late before it gets there
        seconds *= 2
        async with refused():
            await routing.Route(A_QUERY, timeout=seconds)

    method, code = await watcher.next()
    assert method == "Route"
    # Whichever the server hears of first: its own clock, or the caller hanging up.
    assert code in {"DEADLINE_EXCEEDED", "CANCELLED"}
