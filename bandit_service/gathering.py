"""What arrives together is done together.

A matrix product and a commit cost nearly the same for one row as for thirty. A caller
who is alone is served in the same turn of the event loop; under load, the size of the last
batch tells how many more are likely to come, and those few are waited for, though never
longer than `WINDOW_SECONDS`.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

WINDOW_SECONDS = 0.002
# Up to here a batch is a coincidence, not a sign of load.
_FEW = 4


class Gathering(Generic[T]):
    """Hands items to `use` in batches, in the order they came. For one event loop."""

    def __init__(self, use: Callable[[list[T]], None]) -> None:
        self._use = use
        self._items: list[T] = []
        self._size = self._last_size = 0
        self._handle: asyncio.Handle | None = None
        self._patient = False

    def add(self, item: T, size: int = 1) -> None:
        """`size` is how many rows the item stands for."""
        self._items.append(item)
        self._size += size
        if self._handle is None:
            loop = asyncio.get_running_loop()
            self._patient = self._size < self._last_size and self._last_size > _FEW
            if self._patient:
                self._handle = loop.call_later(WINDOW_SECONDS, self._flush)
            else:
                self._handle = loop.call_soon(self._flush)
        elif self._patient and self._size >= self._last_size:
            self._handle.cancel()
            self._patient = False
            self._handle = asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        items, self._items = self._items, []
        self._last_size, self._size = self._size, 0
        self._handle = None
        self._use(items)
