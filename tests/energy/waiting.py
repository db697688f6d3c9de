"""Waiting for what another thread or process is about to do."""

import time
from collections.abc import Callable
from typing import TypeVar

from tests.patience import PATIENCE

Found = TypeVar("Found")


def until(look: Callable[[], Found]) -> Found:
    """The first true thing that `look` returns."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
    return found
