"""What arrives together is done together.

A matrix product and a commit cost nearly the same for one row as for thirty, but gRPC
delivers calls one by one, even those that were sent together. So while the writer has its
hands full, what arrives waits for company as long as company keeps coming: it could not be
committed much sooner anyway. A caller who is alone is served at once.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

# Nobody came for so long: go. (An event loop's timers are good to a millisecond.)
PAUSE_SECONDS = 0.003
LONGEST_WAIT_SECONDS = 0.008
MOST_ROWS = 64  # more gain nothing
# Rows that were being written when others arrived, on average: from here on it is load.
_BUSY_ROWS = 3.0
_SMOOTHING = 0.1


class Gathering(Generic[T]):
    """Hands items to `use` in batches, in the order they came. For one event loop.

    `under_way` tells how many rows have been handed on and are not written yet.
    """

    def __init__(self, use: Callable[[list[T]], None], under_way: Callable[[], int]) -> None:
        self._use = use
        self._under_way = under_way
        self._items: list[T] = []
        self._size = self._seen = 0
        self._until = 0.0
        self._business = 0.0  # smoothed rows under way
        self._timer: asyncio.TimerHandle | None = None

    def add(self, item: T, size: int = 1) -> None:
        """`size` is how many rows the item stands for."""
        loop = asyncio.get_running_loop()
        is_first = not self._items
        self._items.append(item)
        self._size += size
        self._business += _SMOOTHING * (self._under_way() - self._business)
        if is_first:
            if self._business >= _BUSY_ROWS and self._size < MOST_ROWS:
                self._until = loop.time() + LONGEST_WAIT_SECONDS
                self._wait(loop)
            else:
                loop.call_soon(self._flush)
        elif self._timer is not None and self._size >= MOST_ROWS:
            self._timer.cancel()
            self._timer = None
            loop.call_soon(self._flush)

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        self._seen = self._size
        self._timer = loop.call_later(PAUSE_SECONDS, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        if self._size > self._seen and loop.time() < self._until:
            self._wait(loop)
        else:
            self._timer = None
            self._flush()

    def _flush(self) -> None:
        items, self._items = self._items, []
        self._size = 0
        self._use(items)
