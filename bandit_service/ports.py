"""What the core needs from outside: a store of decisions and journals.

Everything here blocks, and is called from the journal's writer thread or from a
reader thread, never from the event loop.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from bandit_service.model import (
    Decision,
    JournalEntry,
    Learned,
    Outcome,
    PolicyConfig,
    RecordedFeedback,
    StoredPolicy,
)


class Reader(Protocol):
    """Reads what has been committed. Every method raises StoreUnavailable."""

    def policies(self) -> list[StoredPolicy]:
        """All that are not deleted, by name."""
        ...

    def events(self, policy_id: int, after: int, limit: int) -> list[JournalEntry]:
        """The journal from position `after` + 1 on, in order, at most `limit`."""
        ...

    def decision(self, decision_id: str) -> Decision | None: ...

    def requested(self, policy_id: int, request_id: str) -> Decision | None:
        """The decision that holds a request id."""
        ...

    def outcomes(self, decision_id: str) -> list[Outcome]:
        """The values that stand, by position."""
        ...

    def session_arm(self, policy_id: int, session_hash: bytes) -> int | None:
        """The arm of the session's last decision, as a slot."""
        ...

    def last_clock(self, policy_id: int) -> float | None:
        """The clock of the policy's last decision."""
        ...


class Transaction(Protocol):
    """Writes that become durable together, when the context ends without an error."""

    def add_decisions(self, decisions: Sequence[Decision]) -> dict[str, Decision]:
        """Stores decisions. Those whose (policy, request id) is taken are left out.

        Returns, for each one left out, its id and the decision that holds the request
        id: stored earlier, or earlier in `decisions`.
        """
        ...

    def lock_head(self, policy_id: int) -> int:
        """The journal's last position; nobody else can append until this ends.

        Raises PolicyNotFound if the policy has been deleted.
        """
        ...

    def events(self, policy_id: int, after: int, limit: int) -> list[JournalEntry]:
        """As `Reader.events`, seen from within."""
        ...

    def recorded(
        self, policy_id: int, feedback_ids: Sequence[str]
    ) -> dict[str, RecordedFeedback]: ...

    def decisions(self, ids: Sequence[str]) -> dict[str, Decision]:
        """Those that exist, those of this transaction included."""
        ...

    def standing(self, ids: Sequence[str]) -> tuple[list[Outcome], list[Learned]]:
        """The outcomes that stand and the qualities learned, of these decisions."""
        ...

    def append(
        self,
        policy_id: int,
        entries: Sequence[JournalEntry],
        recorded: Sequence[RecordedFeedback],
        outcomes: Sequence[Outcome],
        learned: Sequence[Learned],
    ) -> None:
        """Adds events at the positions that follow the head, and moves the head.

        `outcomes` and `learned` replace those with the same key. The head has to be
        locked by this transaction.
        """
        ...

    def create_policy(self, name: str, secret: bytes, create_time: float) -> StoredPolicy:
        """A policy with an empty journal. Raises PolicyExists."""
        ...

    def delete_policy(self, policy_id: int, delete_time: float) -> None:
        """Hides a policy and frees its name. Its decisions and journal stay."""
        ...


class Store(Reader, Protocol):
    """The one database. Safe to read from several threads; one writer at a time."""

    def log_decisions(self, decisions: Sequence[Decision]) -> None:
        """Stores decisions without request ids, all or none.

        The same as a transaction of one `add_decisions`, with fewer steps on the way.
        """
        ...

    def write(self) -> AbstractContextManager[Transaction]:
        """One transaction. An error inside rolls everything back."""
        ...

    def close(self) -> None: ...


class LogPage(NamedTuple):
    """Decisions in the order of their ids, and what stands for each of them."""

    decisions: list[Decision]
    outcomes: Mapping[str, list[Outcome]]


class LogReader(Protocol):
    """Reads whole histories, a page at a time. Every method raises StoreUnavailable."""

    def names(self) -> list[str]:
        """Of the policies that are not deleted."""
        ...

    def policy(self, name: str) -> tuple[StoredPolicy, PolicyConfig]:
        """A policy with its latest configuration. Raises PolicyNotFound."""
        ...

    def pages(self, policy_id: int, since: float, until: float) -> Iterator[LogPage]:
        """Decisions made at or after `since` and before `until`, seconds since the epoch."""
        ...

    def close(self) -> None: ...
