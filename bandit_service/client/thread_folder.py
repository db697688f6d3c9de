"""Folding for threads. It has none of its own: a caller that waits sends for all."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Generic

import grpc

from bandit_service.client.errors import (
    BanditRpcError,
    copy_of,
    from_rpc,
    not_in_time,
    seconds_left,
)
from bandit_service.client.folding import (
    IN_FLIGHT,
    Answer,
    Method,
    Request,
    cut_off,
    head,
    more_telling,
    pauses,
    unfolded,
    worth_another,
)


@dataclass(eq=False, slots=True)
class _Call(Generic[Request]):
    """A call, and where its thread hears of it: of its answer, or of the batch it is to send."""

    request: Request
    deadline: float
    heard: threading.Event = field(default_factory=threading.Event)
    batch: list["_Call[Request]"] = field(default_factory=list)
    answer: Any = None


class ThreadFolder(Generic[Request, Answer]):
    """Safe to use from any number of threads."""

    def __init__(self, method: Method[Request], limit: int) -> None:
        self._method = method
        self._limit = limit
        self._lock = threading.Lock()
        self._queue: deque[_Call[Request]] = deque()
        self._free = IN_FLIGHT
        self._closed = False

    def call(self, request: Request, deadline: float) -> Answer:
        """Sends, again where that is safe, until `deadline`. Raises BanditRpcError."""
        before: BanditRpcError | None = None
        for pause in pauses():
            try:
                return self._once(request, deadline)
            except BanditRpcError as error:
                if not worth_another(error, pause, deadline):
                    raise more_telling(error, before) from None
                before = error
            time.sleep(pause)
        raise AssertionError("pauses never end")

    def close(self) -> None:
        """Call it before the channel closes, which cancels what is in flight."""
        self._closed = True

    def _once(self, request: Request, deadline: float) -> Answer:
        if self._closed:
            raise RuntimeError("this client is closed")
        mine = _Call(request, deadline)
        with self._lock:
            self._queue.append(mine)
            if self._free:
                self._free -= 1
                mine.batch = head(self._queue, self._limit)
        try:
            if not mine.batch:
                self._wait(mine)
        finally:
            # Even if a signal ended the wait: the others in the batch rely on this thread.
            if mine.batch:
                self._lead(mine.batch)
        if mine.answer is None:
            raise not_in_time()
        if isinstance(mine.answer, BanditRpcError):
            raise mine.answer
        answer: Answer = mine.answer
        return answer

    def _wait(self, mine: _Call[Request]) -> None:
        """Until there is an answer, a batch to send, or no time left."""
        try:
            mine.heard.wait(max(0.0, mine.deadline - time.monotonic()))
        finally:
            with self._lock:
                if not mine.heard.is_set() and mine in self._queue:
                    self._queue.remove(mine)

    def _lead(self, batch: list[_Call[Request]]) -> None:
        """Sends a batch, and then hands the next one to a thread that waits."""
        answers: list[Any] = [cut_off() for _ in batch]
        try:
            answers = self._send([call.request for call in batch], batch[0].deadline)
        except BanditRpcError as error:
            answers = [copy_of(error) for _ in batch]
        finally:
            self._hand_over()
            for call, answer in zip(batch, answers, strict=True):
                call.answer = answer
                call.heard.set()

    def _hand_over(self) -> None:
        with self._lock:
            if following := head(self._queue, self._limit):
                following[0].batch = following
                following[0].heard.set()
            else:
                self._free += 1

    def _send(self, requests: list[Request], deadline: float) -> list[Any]:
        # The first has waited longest. Those with more time left than it has can try again.
        left = seconds_left(deadline)
        try:
            if len(requests) == 1:
                return [self._method.single(requests[0], timeout=left)]
            batch = self._method.batch(self._method.wrap(requests), timeout=left)
        except grpc.RpcError as error:
            raise from_rpc(error) from None
        return unfolded(batch, len(requests))
