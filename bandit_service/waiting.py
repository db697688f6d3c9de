"""Futures for those who wait for the writer."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from bandit_service.errors import StoreUnavailable

T = TypeVar("T")


def settle(future: asyncio.Future[T]) -> Callable[[T], None]:
    """Gives a future its result, unless whoever waited has left."""

    def done(result: T) -> None:
        if not future.done():
            future.set_result(result)

    return done


def refuse(future: asyncio.Future[Any]) -> Callable[[Exception], None]:
    """Gives a future its error, unless whoever waited has left."""

    def failed(error: Exception) -> None:
        if not future.done():
            future.set_exception(error)

    return failed


async def within(future: asyncio.Future[T], seconds: float) -> T:
    """The future's result. StoreUnavailable if it does not come in time: the writer may
    hang on the database, and nobody hangs with it."""
    done, _ = await asyncio.wait({future}, timeout=seconds)
    if not done:
        future.cancel()
        raise StoreUnavailable
    return future.result()
