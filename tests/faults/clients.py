"""Clients as the documentation asks for them: an id on every call, sent again until it is answered.

What was answered is written down, and every answer is held against the one before it: `checker`
compares the rest with the database.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from bandit_service.rpc.pb import routing_pb2 as pb
from bandit_service.rpc.pb.routing_pb2_grpc import RoutingServiceStub
from tests.patience import PATIENCE

# The same call with the same id may be sent again; CANCELLED crosses with the goodbye of a
# server that drains.
AGAIN = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)
SOURCES = (pb.FEEDBACK_SOURCE_USER, pb.FEEDBACK_SOURCE_JUDGE, pb.FEEDBACK_SOURCE_CHECK)
# A channel waits longer after every refusal, up to minutes: here the server is soon back.
_CHANNEL = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200)]

# A call to a stopped process is given up after this long, and sent to another.
ATTEMPT = 2.0  # seconds

POLICY = """
name: chat
features: {vector: {dimension: 3}}
algorithm: {name: linucb}
arms: [{name: small}, {name: middle}, {name: large}]
"""


@dataclass
class Acknowledged:
    """What the service has said yes to, and what it cost."""

    choices: dict[str, pb.RouteResponse] = field(default_factory=dict)  # by request id, else own id
    feedback: dict[str, tuple[pb.FeedbackRequest, pb.FeedbackResponse]] = field(
        default_factory=dict
    )  # by feedback id
    duplicates: int = 0  # that were told so
    refused: Counter[str] = field(default_factory=Counter)  # calls that had to be sent again
    degraded: set[str] = field(default_factory=set)  # decisions answered from memory
    # By request id: a repeat that memory alone has to answer may be decided afresh, flagged.
    decided_again: dict[str, list[pb.RouteResponse]] = field(default_factory=dict)
    slowest: float = 0.0  # seconds, of one attempt
    problems: list[str] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def count(self) -> int:
        return len(self.choices) + len(self.feedback)

    async def reach(self, count: int) -> None:
        """Waits until so much has been acknowledged, however slowly."""
        while self.count() < count:
            self.heard.clear()
            async with asyncio.timeout(2 * PATIENCE):
                await self.heard.wait()


class Caller:
    """Sends calls to one of several addresses until they are answered."""

    def __init__(
        self, addresses: Sequence[str], told: Acknowledged, luck: random.Random, timeout: float
    ) -> None:
        self._channels = [grpc.aio.insecure_channel(each, options=_CHANNEL) for each in addresses]
        self._stubs = [RoutingServiceStub(channel) for channel in self._channels]
        self._luck = luck
        self._timeout = timeout
        self.told = told

    async def route(self, request: pb.RouteRequest) -> pb.RouteResponse:
        answer: pb.RouteResponse = await self._until_answered("Route", request)
        if answer.degraded:
            self.told.degraded.add(answer.decision_id)
        key = request.request_id or answer.decision_id
        first = self.told.choices.setdefault(key, answer)
        if first.decision_id != answer.decision_id and (first.degraded or answer.degraded):
            others = self.told.decided_again.setdefault(key, [])
            if answer not in others:
                others.append(answer)
        elif first != answer:
            self.told.problems.append(f"two answers to {request.request_id}: {first} and {answer}")
        return answer

    async def feedback(self, request: pb.FeedbackRequest) -> pb.FeedbackResponse:
        answer: pb.FeedbackResponse = await self._until_answered("Feedback", request)
        known = self.told.feedback.setdefault(request.feedback_id, (request, answer))[1]
        self.told.duplicates += answer.duplicate
        if (known.position, known.effect) != (answer.position, answer.effect):
            self.told.problems.append(f"{request.feedback_id}: {known} and then {answer}")
        return answer

    async def _until_answered(self, method: str, request: Any) -> Any:
        loop = asyncio.get_running_loop()
        while True:
            stub = self._luck.choice(self._stubs)
            started = loop.time()
            try:
                answer = await getattr(stub, method)(request, timeout=self._timeout)
            except grpc.aio.AioRpcError as error:
                if error.code() not in AGAIN:
                    self.told.problems.append(f"{method}: {error.code()} {error.details()}")
                    raise
                self.told.refused[f"{method} {error.code().name}"] += 1
            else:
                loop.call_soon(self.told.heard.set)  # when the answer has been written down
                return answer
            finally:
                self.told.slowest = max(self.told.slowest, loop.time() - started)
            await asyncio.sleep(self._luck.uniform(0.005, 0.03))

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()


async def one_answer(address: str, told: Acknowledged, name: str) -> None:
    """A decision and its feedback, by this service alone."""
    caller = Caller([address], told, random.Random(1), ATTEMPT)
    query = pb.RouteRequest(policy="chat", request_id=f"r{name}")
    query.vector.values.extend((0.1, 0.2, 0.3))
    choice = await caller.route(query)
    feedback = pb.FeedbackRequest(decision_id=choice.decision_id, feedback_id=f"f{name}", score=0.5)
    await caller.feedback(feedback)
    await caller.close()


@asynccontextmanager
async def under_clients(
    addresses: Sequence[str],
    luck: random.Random,
    count: int = 16,
    timeout: float = PATIENCE,
    pause: float = 0.0,
    finish: bool = True,
    twins: bool = False,
    prefix: str = "",
) -> AsyncIterator[Acknowledged]:
    """Traffic for as long as the block lasts; with `finish`, at its end every call is answered.

    `twins` want the same as each other, under the same ids, and know nothing of each other.
    """
    told, over = Acknowledged(), asyncio.Event()
    caller = Caller(addresses, told, random.Random(luck.random()), timeout)
    seeds = [luck.random() for _ in range(count)]
    wanted = [n - n % 2 if twins else n for n in range(count)]
    users = [
        asyncio.create_task(_user(caller, f"{prefix}{n}", random.Random(seeds[n]), over, pause))
        for n in wanted
    ]
    try:
        yield told
        over.set()
        done, late = await asyncio.wait(users, timeout=2 * PATIENCE if finish else 0)
        assert not (late and finish), f"{len(late)} clients are still waiting: {told.refused}"
        for each in done:
            await each
    finally:
        for each in users:
            each.cancel()
        await asyncio.gather(*users, return_exceptions=True)
        await caller.close()
    assert not told.problems, told.problems[:5]


async def _user(
    caller: Caller, name: str, luck: random.Random, over: asyncio.Event, pause: float
) -> None:
    turn = 0
    while not over.is_set():
        turn += 1
        query = pb.RouteRequest(policy="chat", request_id=f"r{name}-{turn}")
        query.vector.values.extend(luck.gauss(0, 0.5) for _ in range(3))
        again, anonymous = luck.random() < 0.1, luck.random()
        if anonymous < 0.3:  # such a one is not written with others' request ids
            unnamed = pb.RouteRequest(policy="chat", vector=query.vector)
            await caller.route(unnamed)
        choice = await caller.route(query)
        if again:
            await caller.route(query)
        await _judge(caller, choice, f"f{name}-{turn}", luck)
        if pause:
            await asyncio.sleep(pause * luck.random())


async def _judge(caller: Caller, choice: pb.RouteResponse, name: str, luck: random.Random) -> None:
    """One to three pieces of feedback, some of them revised, some sent twice, some failures."""
    sent: list[pb.FeedbackRequest] = []
    pieces = luck.choice((1, 1, 1, 2, 3))
    # Which of them says that the call failed: the others may say more before it and after it.
    failure = luck.randrange(pieces) if luck.random() < 0.1 else None
    for number in range(pieces):
        request = pb.FeedbackRequest(
            decision_id=choice.decision_id,
            feedback_id=f"{name}-{number}",
            source=luck.choice(SOURCES),
        )
        if number == failure:
            request.failure = pb.FAILURE_TIMEOUT
        elif luck.random() < 0.5:
            request.success = luck.random() < 0.6
        else:
            request.score = luck.random()
        if luck.random() < 0.5:
            request.usage.cost_usd = luck.random() / 100
        sent.append(request)
        await caller.feedback(request)
    if luck.random() < 0.15:
        await caller.feedback(luck.choice(sent))
