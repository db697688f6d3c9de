"""Reads that a call waits for, away from the event loop and not for ever."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

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
