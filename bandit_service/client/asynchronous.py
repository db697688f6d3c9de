"""The client for asyncio. The same as `Client`, awaited."""

from collections.abc import Iterable
from types import TracebackType
from typing import Self, Unpack

import grpc

from bandit_service.client import messages
from bandit_service.client.arguments import FeedbackOptions, RouteOptions, SendOptions
from bandit_service.client.channel import DEFAULT_SERVER, open_aio_channel
from bandit_service.client.errors import BanditRpcError
from bandit_service.client.folding import feedback_of, routes_of
from bandit_service.client.options import ClientOptions
from bandit_service.client.records import Choice, FeedbackResult
from bandit_service.client.task_folder import TaskFolder
from bandit_service.client.timing import AsyncTimedCall, report_options
from bandit_service.rpc.pb import routing_pb2 as pb
from bandit_service.rpc.pb.routing_pb2_grpc import RoutingServiceStub


class _Connection:
    """A channel, and what folds the calls that go through it."""

    def __init__(self, channel: grpc.aio.Channel, max_batch: int) -> None:
        self.channel = channel
        stub = RoutingServiceStub(channel)
        self.routes: TaskFolder[pb.RouteRequest, pb.RouteResponse] = TaskFolder(
            routes_of(stub), max_batch
        )
        self.feedback: TaskFolder[pb.FeedbackRequest, pb.FeedbackResponse] = TaskFolder(
            feedback_of(stub), max_batch
        )


class AsyncClient:
    """As `Client`, with the same arguments and errors, for the tasks of one event loop.

    Tasks that call at the same time are folded into batches.
    """

    def __init__(
        self,
        server: str = DEFAULT_SERVER,
        *,
        policy: str | None = None,
        fallback_arm: str | None = None,
        timeout: float = 1.0,
        feedback_timeout: float = 5.0,
        credentials: grpc.ChannelCredentials | None = None,
        insecure: bool = False,
        max_batch: int = 64,
    ) -> None:
        self._options = ClientOptions(
            server=server,
            policy=policy,
            fallback_arm=fallback_arm,
            timeout=timeout,
            feedback_timeout=feedback_timeout,
            credentials=credentials,
            insecure=insecure,
            max_batch=max_batch,
        )
        self._closed = False
        self._open: _Connection | None = None

    async def route(
        self,
        text: str | None = None,
        vector: Iterable[float] | None = None,
        **options: Unpack[RouteOptions],
    ) -> Choice:
        """Chooses an arm for a query: its `text`, or a `vector` of numbers."""
        self._check_open()
        request, deadline = self._options.query(text, vector, options)
        try:
            return messages.choice_of(await self._connected().routes.call(request, deadline))
        except BanditRpcError as error:
            return self._options.without_service(error, request)

    async def feedback(
        self, decision: Choice | str, **options: Unpack[FeedbackOptions]
    ) -> FeedbackResult:
        """Records what came of a decision. For a fallback it does nothing, and says so."""
        return await self._send(messages.feedback_request(decision, options), options)

    async def prefer(
        self,
        choice: Choice,
        arm: str | None = None,
        *,
        over: Choice | str | None = None,
        **options: Unpack[SendOptions],
    ) -> FeedbackResult:
        """In a duel, `arm` was the better one; else `choice` was better than `over`."""
        better = messages.preference(choice, arm, over)
        return await self._send(messages.comparison(choice, better, options), options)

    async def tie(
        self, choice: Choice, other: Choice | str | None = None, **options: Unpack[SendOptions]
    ) -> FeedbackResult:
        """Neither arm of a duel was better; or neither of `choice` and `other`."""
        neither = messages.tie_between(other)
        return await self._send(messages.comparison(choice, neither, options), options)

    async def report(
        self,
        decision: Choice | str,
        response: object,
        *,
        started: float | None = None,
        **options: Unpack[FeedbackOptions],
    ) -> FeedbackResult:
        """Records what a model's answer took: an OpenAI-style response, as object or dict.

        `started` is what `time.perf_counter()` said before the call: the time since is the
        latency, unless `latency_seconds` is given. Further options are those of `feedback`,
        and go before what the response says.
        """
        return await self.feedback(decision, **report_options(response, started, options))

    def timed(self, choice: Choice, arm: str | None = None) -> AsyncTimedCall:
        """An `async with` block that measures the call inside and reports it."""
        return AsyncTimedCall(choice, arm=arm, _report=self.feedback)

    async def close(self) -> None:
        self._closed = True
        if self._open:
            self._open.routes.close()
            self._open.feedback.close()
            await self._open.channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self.close()

    async def _send(
        self, request: pb.FeedbackRequest | None, options: SendOptions
    ) -> FeedbackResult:
        self._check_open()
        if request is None:
            return FeedbackResult(error=messages.NO_DECISION)
        deadline = self._options.feedback_deadline(options.get("timeout"))
        return messages.result_of(await self._connected().feedback.call(request, deadline))

    def _connected(self) -> "_Connection":
        # Not when the client is made: a channel belongs to the event loop that runs then.
        if self._open is None:
            channel = open_aio_channel(self._options.server, self._options.credentials)
            self._open = _Connection(channel, self._options.max_batch)
        return self._open

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("this client is closed")
