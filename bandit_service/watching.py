"""What the service tells those who watch it, and nobody where nobody does.

The core knows these two shapes only; what counts and publishes stands in `metrics`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from bandit_service.errors import BanditError
from bandit_service.model import JournalEntry, Query, Recorded, Routed, Submission

CallEnded = Callable[[str, float], None]  # the name of a gRPC status code, and seconds
Asked = tuple[Query | BanditError, Routed | BanditError]
Heard = tuple[int, Submission, Recorded]  # after the policy's id


class CallWatch(Protocol):
    """Told of calls, on the event loop, in their way: take microseconds."""

    def method(self, name: str) -> CallEnded:
        """What is to be told of every call of this method when it has ended."""
        ...

    def routed(self, pairs: Iterable[Asked]) -> None:
        """Queries and their answers, which may be errors on either side."""
        ...

    def batch(self, method: str, answers: Sequence[object]) -> None:
        """The answers to one batch, a BanditError where an item was refused."""
        ...


class WriterWatch(Protocol):
    """Told of the writer's transactions."""

    def contacted(self) -> None:
        """The database has just answered. From any thread."""
        ...

    def committed(self, rows: int, seconds: float) -> None:
        """On the writer's thread."""
        ...

    def commit_failed(self, error: Exception) -> None:
        """On the writer's thread; by a database that was silent, or by what it was to write."""
        ...

    def heard(self, recorded: Sequence[Heard], entries: Sequence[tuple[int, JournalEntry]]) -> None:
        """Feedback that this process has acknowledged, and what one transaction brought of
        the journals: its own entries and those of others. On the event loop."""
        ...


class Unwatched:
    """Both, for a service that nobody watches."""

    def method(self, name: str) -> CallEnded:
        return _nothing

    def routed(self, pairs: Iterable[Asked]) -> None:
        pass

    def batch(self, method: str, answers: Sequence[object]) -> None:
        pass

    def contacted(self) -> None:
        pass

    def committed(self, rows: int, seconds: float) -> None:
        pass

    def commit_failed(self, error: Exception) -> None:
        pass

    def heard(self, recorded: Sequence[Heard], entries: Sequence[tuple[int, JournalEntry]]) -> None:
        pass


UNWATCHED = Unwatched()


def _nothing(code: str, seconds: float) -> None:
    pass
