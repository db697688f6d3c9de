"""The client for ordinary code: blocking calls, from as many threads as you like."""

from collections.abc import Iterable
from types import TracebackType
from typing import Self, Unpack

import grpc

from bandit_service.client import messages
from bandit_service.client.arguments import FeedbackOptions, RouteOptions, SendOptions
from bandit_service.client.channel import DEFAULT_SERVER, open_channel
from bandit_service.client.errors import BanditRpcError
from bandit_service.client.folding import feedback_of, routes_of
from bandit_service.client.options import ClientOptions
from bandit_service.client.records import Choice, FeedbackResult
from bandit_service.client.thread_folder import ThreadFolder
from bandit_service.client.timing import TimedCall, report_options
from bandit_service.rpc.pb import routing_pb2 as pb
from bandit_service.rpc.pb.routing_pb2_grpc import RoutingServiceStub


class Client:
    """Asks which arm to call, and tells how it went. One client serves a whole program.

    policy            used by `route` where none is named there
    fallback_arm      what `route` returns if the service cannot answer; None: it raises
    timeout           seconds for `route`, with its retries
    feedback_timeout  seconds for feedback, with its retries
    credentials       from `grpc.ssl_channel_credentials(...)`; not needed on this machine
    insecure          True to send queries unencrypted to another machine
    max_batch         most calls folded into one, 1 to 512

    Calls that threads make at the same time are folded into batches. Every call carries an id,
    so it is sent again, without harm, while the service is unavailable and time is left.

    Raises ValueError for what cannot work. Its methods raise BanditRpcError for what the
    service refuses, and RuntimeError once the client is closed.
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
        self._channel = open_channel(server, credentials)
        stub = RoutingServiceStub(self._channel)
        self._routes: ThreadFolder[pb.RouteRequest, pb.RouteResponse] = ThreadFolder(
            routes_of(stub), max_batch
        )
        self._feedback: ThreadFolder[pb.FeedbackRequest, pb.FeedbackResponse] = ThreadFolder(
            feedback_of(stub), max_batch
        )

    def route(
        self,
        text: str | None = None,
        vector: Iterable[float] | None = None,
        **options: Unpack[RouteOptions],
    ) -> Choice:
        """Chooses an arm for a query: its `text`, or a `vector` of numbers."""
        request, deadline = self._options.query(text, vector, options)
        try:
            return messages.choice_of(self._routes.call(request, deadline))
        except BanditRpcError as error:
            return self._options.without_service(error, request)

    def feedback(
        self, decision: Choice | str, **options: Unpack[FeedbackOptions]
    ) -> FeedbackResult:
        """Records what came of a decision. For a fallback it does nothing, and says so."""
        return self._send(messages.feedback_request(decision, options), options)

    def prefer(
        self,
        choice: Choice,
        arm: str | None = None,
        *,
        over: Choice | str | None = None,
        **options: Unpack[SendOptions],
    ) -> FeedbackResult:
        """In a duel, `arm` was the better one; else `choice` was better than `over`."""
        better = messages.preference(choice, arm, over)
        return self._send(messages.comparison(choice, better, options), options)

    def tie(
        self, choice: Choice, other: Choice | str | None = None, **options: Unpack[SendOptions]
    ) -> FeedbackResult:
        """Neither arm of a duel was better; or neither of `choice` and `other`."""
        neither = messages.tie_between(other)
        return self._send(messages.comparison(choice, neither, options), options)

    def report(
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
        return self.feedback(decision, **report_options(response, started, options))

    def timed(self, choice: Choice, arm: str | None = None) -> TimedCall:
        """A `with` block that measures the call inside and reports it."""
        return TimedCall(choice, arm=arm, _report=self.feedback)

    def close(self) -> None:
        self._routes.close()
        self._feedback.close()
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, request: pb.FeedbackRequest | None, options: SendOptions) -> FeedbackResult:
        if request is None:
            return FeedbackResult(error=messages.NO_DECISION)
        deadline = self._options.feedback_deadline(options.get("timeout"))
        return messages.result_of(self._feedback.call(request, deadline))
