"""How a client was set up, and what follows from it for a call. Shared by both clients."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import grpc

from bandit_service.client.arguments import RouteOptions
from bandit_service.client.channel import check_server
from bandit_service.client.errors import BanditRpcError
from bandit_service.client.folding import MOST_IN_A_BATCH
from bandit_service.client.messages import route_request
from bandit_service.client.records import Choice
from bandit_service.rpc.pb import routing_pb2 as pb


@dataclass(frozen=True)
class ClientOptions:
    """See `Client`. Raises ValueError for what cannot work."""

    server: str
    policy: str | None
    fallback_arm: str | None
    timeout: float
    feedback_timeout: float
    credentials: grpc.ChannelCredentials | None
    insecure: bool
    max_batch: int

    def __post_init__(self) -> None:
        check_server(self.server, self.credentials, self.insecure)
        if not 1 <= self.max_batch <= MOST_IN_A_BATCH:
            raise ValueError(f"max_batch must be 1 to {MOST_IN_A_BATCH}, got {self.max_batch}")
        for name in ("timeout", "feedback_timeout"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0 seconds, got {getattr(self, name)}")

    def query(
        self, text: str | None, vector: Iterable[float] | None, options: RouteOptions
    ) -> tuple[pb.RouteRequest, float]:
        """The request, and its deadline in monotonic seconds."""
        request = route_request(text, vector, self.policy, options)
        return request, _deadline(options.get("timeout"), self.timeout)

    def feedback_deadline(self, timeout: float | None) -> float:
        return _deadline(timeout, self.feedback_timeout)

    def without_service(self, error: BanditRpcError, request: pb.RouteRequest) -> Choice:
        """The fallback arm; raises `error` where the caller has to see it."""
        arm = self.fallback_arm
        if arm is None or error.callers:
            raise error
        if request.allowed_arms and arm not in request.allowed_arms:
            raise error
        return Choice(decision_id="", arm=arm, fallback=True, error=str(error))


def _deadline(given: float | None, default: float) -> float:
    return time.monotonic() + (default if given is None else given)
