"""What arrives together is done together.

A matrix product and a commit cost nearly the same for one row as for thirty. A caller
who is alone is served in the same turn of the event loop. When rows come so quickly that
some more are sure to follow within a moment, that moment is waited, because gRPC delivers
calls one by one, even those that were sent together.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

# Waiting pays where at least so many rows come within the longest wait, and ends when
# so many are there.
_WORTH_WAITING = 8
_ENOUGH = 32
LONGEST_WAIT_SECONDS = 0.004


class Gathering(Generic[T]):
    """Hands items to `use` in batches, in the order they came. For one event loop."""

    def __init__(self, use: Callable[[list[T]], None]) -> None:
        self._use = use
        self._items: list[T] = []
        self._size = 0
        self._handle: asyncio.Handle | None = None
        self._patient = False
        self._counted = 0  # rows since `_since`
        self._since = 0.0

    def add(self, item: T, size: int = 1) -> None:
        """`size` is how many rows the item stands for."""
        loop = asyncio.get_running_loop()
        self._items.append(item)
        self._size += size
        self._counted += size
        if self._handle is None:
            self._patient = self._more_will_come(loop.time())
            if self._patient:
                self._handle = loop.call_later(LONGEST_WAIT_SECONDS, self._flush)
            else:
                self._handle = loop.call_soon(self._flush)
        elif self._patient and self._size >= _ENOUGH:
            self._handle.cancel()
            self._patient = False
            self._handle = loop.call_soon(self._flush)

    def _more_will_come(self, now: float) -> bool:
        """Whether rows have come at a rate that makes waiting worth it."""
        if self._size >= _ENOUGH:
            return False
        elapsed = now - self._since
        quick = self._counted * LONGEST_WAIT_SECONDS >= _WORTH_WAITING * elapsed
        if elapsed > 4 * LONGEST_WAIT_SECONDS:
            self._counted, self._since = self._size, now
        return quick and elapsed > 0.0

    def _flush(self) -> None:
        items, self._items = self._items, []
        self._size = 0
        self._handle = None
        self._use(items)
