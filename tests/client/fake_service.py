"""A service that decides by rule, counts its calls, and fails when told to."""

import asyncio
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from bandit_service.rpc.pb import routing_pb2, routing_pb2_grpc

Fault = tuple[grpc.StatusCode, str]


class FakeRouting(routing_pb2_grpc.RoutingServiceServicer):
    """`faults` holds, by method, what the next calls fail with.

    While `gate` is closed, calls are counted and then wait. Those of a `stuck` method do so
    for ever.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.routed: list[routing_pb2.RouteRequest] = []
        self.heard: list[routing_pb2.FeedbackRequest] = []
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.trailer: bytes | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.stuck: set[str] = set()

    async def Route(self, request: Any, context: Any) -> Any:
        self.routed.append(request)
        await self._meet("Route", context)
        return self._decide(request).response

    async def BatchRoute(self, request: Any, context: Any) -> Any:
        self.routed.extend(request.requests)
        await self._meet("BatchRoute", context)
        decided = [self._decide(each) for each in request.requests]
        return routing_pb2.BatchRouteResponse(results=decided)

    async def Feedback(self, request: Any, context: Any) -> Any:
        self.heard.append(request)
        await self._meet("Feedback", context)
        return self._record(request)

    async def BatchFeedback(self, request: Any, context: Any) -> Any:
        self.heard.extend(request.requests)
        await self._meet("BatchFeedback", context)
        results = [routing_pb2.FeedbackResult(response=self._record(r)) for r in request.requests]
        return routing_pb2.BatchFeedbackResponse(results=results)

    async def GetDecision(self, request: Any, context: Any) -> Any:
        await self._meet("GetDecision", context)
        made = routing_pb2.RouteResponse(decision_id=request.decision_id, arm="small")
        arms = [routing_pb2.ArmExplanation(arm="small", probability=1.0, quality=0.5)]
        decision = routing_pb2.Decision(response=made, policy="chat", arms=arms)
        return routing_pb2.GetDecisionResponse(decision=decision)

    def _decide(self, request: Any) -> Any:
        """The text "bad" is refused; any other is echoed in the decision's id."""
        if request.text == "bad":
            code = grpc.StatusCode.INVALID_ARGUMENT.value[0]
            error = routing_pb2.ItemError(code=code, message="text: bad", reason="INVALID_FIELD")
            return routing_pb2.RouteResult(error=error)
        made = routing_pb2.RouteResponse(
            decision_id=f"decision-of-{request.text}",
            arm="small",
            second_arm="large" if request.duel else "",
            propensity=0.25,
            policy_revision=3,
            position=17,
        )
        return routing_pb2.RouteResult(response=made)

    def _record(self, request: Any) -> Any:
        return routing_pb2.FeedbackResponse(
            feedback_id=request.feedback_id, position=5, effect=routing_pb2.EFFECT_LEARNED
        )

    async def _meet(self, method: str, context: Any) -> None:
        self.calls[method] += 1
        if self.faults[method]:
            code, message = self.faults[method].pop(0)
            metadata = (("grpc-status-details-bin", self.trailer),) if self.trailer else ()
            await context.abort(code, message, metadata)
        await until(lambda: self.gate.is_set() and method not in self.stuck)


async def until(true: Callable[[], bool]) -> None:
    """What is waited for happens on another thread, so there is no event of this loop's for it."""
    while not true():  # noqa: ASYNC110
        await asyncio.sleep(0.002)


Servicers = Callable[[grpc.aio.Server], None]


@contextmanager
def served(add: Servicers, address: str = "127.0.0.1:0") -> Iterator[str]:
    """Serves on a thread and event loop of its own; yields host:port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[grpc.aio.Server, int]:
        server = grpc.aio.server()
        add(server)
        port = server.add_insecure_port(address)
        await server.start()
        return server, port

    server, port = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
