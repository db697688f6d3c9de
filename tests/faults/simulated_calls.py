"""What the clients of a simulation want, and what is wrong with what they get."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bandit_service.model import Decision
from tests.faults.replica import Replica


class Wrong(AssertionError):
    """A promise is broken."""


@dataclass
class Call:
    """One thing that a client wants, and sends until it is answered."""

    id: str
    send: Callable[[Replica, Callable[[Any], None]], None]
    score: float | None = None
    decision: Decision | None = None  # that it is about
    answered: bool = False
    sent_at: int = -1_000
