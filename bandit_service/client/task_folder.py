"""Folding for the tasks of one event loop."""

import asyncio
from collections import deque
from dataclasses import dataclass
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
    request: Request
    deadline: float
    answer: "asyncio.Future[Any]"


class TaskFolder(Generic[Request, Answer]):
    def __init__(self, method: Method[Request], limit: int) -> None:
        self._method = method
        self._limit = limit
        self._queue: deque[_Call[Request]] = deque()
        self._free = IN_FLIGHT
        self._flushing = False
        self._closed = False
        # The loop itself holds tasks weakly.
        self._tasks: set[asyncio.Task[None]] = set()

    async def call(self, request: Request, deadline: float) -> Answer:
        """Sends, again where that is safe, until `deadline`. Raises BanditRpcError."""
        before: BanditRpcError | None = None
        for pause in pauses():
            try:
                return await self._once(request, deadline)
            except BanditRpcError as error:
                if not worth_another(error, pause, deadline):
                    raise more_telling(error, before) from None
                before = error
            await asyncio.sleep(pause)
        raise AssertionError("pauses never end")

    def close(self) -> None:
        """Call it before the channel closes, which cancels what is in flight."""
        self._closed = True

    async def _once(self, request: Request, deadline: float) -> Answer:
        if self._closed:
            raise RuntimeError("this client is closed")
        loop = asyncio.get_running_loop()
        mine = _Call(request, deadline, loop.create_future())
        self._queue.append(mine)
        if self._free and not self._flushing:
            # By its turn in the loop, the tasks that were ready together are in the queue too.
            self._flushing = True
            loop.call_soon(self._flush)
        try:
            async with asyncio.timeout(seconds_left(deadline)):
                answer: Answer = await mine.answer
                return answer
        except TimeoutError:
            raise not_in_time() from None

    def _flush(self) -> None:
        self._flushing = False
        while self._free and self._queue:
            # A call whose answer is done already has been given up by its caller.
            batch = [c for c in head(self._queue, self._limit) if not c.answer.done()]
            if batch:
                self._free -= 1
                task = asyncio.get_running_loop().create_task(self._deliver(batch))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _deliver(self, batch: list[_Call[Request]]) -> None:
        answers: list[Any] = [cut_off() for _ in batch]
        try:
            answers = await self._send(
                [call.request for call in batch], max(call.deadline for call in batch)
            )
        except BanditRpcError as error:
            answers = [copy_of(error) for _ in batch]
        finally:
            self._free += 1
            self._flush()
            for call, answer in zip(batch, answers, strict=True):
                if call.answer.done():
                    continue
                if isinstance(answer, BanditRpcError):
                    call.answer.set_exception(answer)
                else:
                    call.answer.set_result(answer)

    async def _send(self, requests: list[Request], deadline: float) -> list[Any]:
        left = seconds_left(deadline)
        try:
            if len(requests) == 1:
                return [await self._method.single(requests[0], timeout=left)]
            batch = await self._method.batch(self._method.wrap(requests), timeout=left)
        except grpc.RpcError as error:
            raise from_rpc(error) from None
        return unfolded(batch, len(requests))
