"""What arrives together is done together.

A matrix product and a commit cost nearly the same for one row as for thirty, but gRPC
delivers calls one by one, even those that were sent together. So while the writer has its
hands full, what arrives waits a moment for company: it could not be committed sooner by
much, and goes with others then. A caller who is alone is served at once.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

WAIT_SECONDS = 0.008
MOST_ROWS = 64  # more gain nothing
# Rows that were being written when others arrived, on average: from here on it is load.
_BUSY_ROWS = 1.0
_SMOOTHING = 0.1


class Gathering(Generic[T]):
    """Hands items to `use` in batches, in the order they came. For one event loop.

    `under_way` tells how many rows have been handed on and are not written yet.
    """

    def __init__(self, use: Callable[[list[T]], None], under_way: Callable[[], int]) -> None:
        self._use = use
        self._under_way = under_way
        self._items: list[T] = []
        self._size = 0
        self._business = 0.0  # smoothed rows under way
        self._handle: asyncio.Handle | None = None
        self._is_waiting = False

    def add(self, item: T, size: int = 1) -> None:
        """`size` is how many rows the item stands for."""
        loop = asyncio.get_running_loop()
        self._items.append(item)
        self._size += size
        self._business += _SMOOTHING * (self._under_way() - self._business)
        if self._handle is None:
            self._is_waiting = self._business >= _BUSY_ROWS and self._size < MOST_ROWS
            if self._is_waiting:
                self._handle = loop.call_later(WAIT_SECONDS, self._flush)
            else:
                self._handle = loop.call_soon(self._flush)
        elif self._is_waiting and self._size >= MOST_ROWS:
            self._handle.cancel()
            self._is_waiting = False
            self._handle = loop.call_soon(self._flush)

    def _flush(self) -> None:
        items, self._items = self._items, []
        self._size = 0
        self._handle = None
        self._use(items)
