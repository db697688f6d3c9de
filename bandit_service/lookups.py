"""Reads that a call waits for, away from the event loop and not for ever."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from bandit_service.errors import StoreUnavailable

P = ParamSpec("P")
T = TypeVar("T")

AT_ONCE = 4


class Lookups:
    """Threads of their own: reads that hang may not hold up whoever else needs a thread."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, "lookup")

    async def ask(
        self, seconds: float, look: Callable[P, T], *given: P.args, **named: P.kwargs
    ) -> T:
        """What the store says. StoreUnavailable if it does not say it in time."""
        looking = asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: look(*given, **named)
        )
        try:
            return await asyncio.wait_for(looking, seconds)
        except TimeoutError:
            raise StoreUnavailable from None


async def aside(work: Callable[[], T]) -> T:
    """In a thread that the end of the program does not wait for."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(put: Callable[[Any], None], what: Any) -> None:
        if not future.done():
            put(what)

    def run() -> None:
        try:
            outcome: tuple[Callable[[Any], None], Any] = future.set_result, work()
        except BaseException as error:  # noqa: BLE001 - whoever waits hears of it
            outcome = future.set_exception, error
        with suppress(RuntimeError):  # the loop has gone
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, name="aside", daemon=True).start()
    return await future
