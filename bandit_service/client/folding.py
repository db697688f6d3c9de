"""Folds calls that wait at the same time into one batch.

A lone call goes out at once, as itself. Only a few are in flight at a time: what comes while
they are waits for one to return, and leaves in one batch with whatever else came. So nobody
waits for company, and the busier the client, the larger its batches.

This file holds what the blocking and the asyncio folder share.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import grpc

from bandit_service.client.errors import BanditRpcError, from_item
from bandit_service.rpc.pb import routing_pb2 as pb
from bandit_service.rpc.pb.routing_pb2_grpc import RoutingServiceStub


class Message(Protocol):
    def ByteSize(self) -> int: ...


class Waiting(Protocol):
    @property
    def request(self) -> Message: ...


Request = TypeVar("Request", bound=Message)
Answer = TypeVar("Answer")
Queued = TypeVar("Queued", bound=Waiting)

IN_FLIGHT = 2
MOST_IN_A_BATCH = 512

# Well below the 4 MiB that gRPC lets a message have: texts can be long.
BATCH_BYTES = 1 << 20

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.02, 1.0


@dataclass(frozen=True)
class Method(Generic[Request]):
    """A call of the service and its batched form; `wrap` makes the batch's request."""

    single: Callable[..., Any]
    batch: Callable[..., Any]
    wrap: Callable[[list[Request]], Any]


def routes_of(stub: RoutingServiceStub) -> Method[pb.RouteRequest]:
    return Method(stub.Route, stub.BatchRoute, lambda each: pb.BatchRouteRequest(requests=each))


def feedback_of(stub: RoutingServiceStub) -> Method[pb.FeedbackRequest]:
    return Method(
        stub.Feedback, stub.BatchFeedback, lambda each: pb.BatchFeedbackRequest(requests=each)
    )


def head(queue: deque[Queued], limit: int) -> list[Queued]:
    """Takes the next batch off the queue: at least one, if there is one."""
    taken: list[Queued] = []
    room = BATCH_BYTES
    while queue and len(taken) < limit:
        room -= queue[0].request.ByteSize()
        if taken and room < 0:
            break
        taken.append(queue.popleft())
    return taken


def unfolded(response: Any, count: int) -> list[Any]:
    """The answer, or the error, of each of the `count` items of a batch."""
    results = response.results
    if len(results) != count:
        raise BanditRpcError(
            grpc.StatusCode.INTERNAL, f"{len(results)} results for a batch of {count}"
        )
    return [
        from_item(result.error) if result.HasField("error") else result.response
        for result in results
    ]


def pauses() -> Iterator[float]:
    """Seconds to wait before each further try, for ever: doubling, half of it by chance."""
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def worth_another(error: BanditRpcError, pause: float, deadline: float) -> bool:
    """Whether the same call, with the same id, may still succeed after `pause` seconds."""
    return error.passing and time.monotonic() + pause < deadline


def more_telling(error: BanditRpcError, before: BanditRpcError | None) -> BanditRpcError:
    """Which of a call's last two errors to raise: "time ran out" hides why it did."""
    if before is not None and error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return before
    return error


def cut_off() -> BanditRpcError:
    """For the others in a batch whose sender was interrupted. They can send theirs again."""
    return BanditRpcError(grpc.StatusCode.UNAVAILABLE, "the call was cut off")
