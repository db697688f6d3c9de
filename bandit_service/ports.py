"""What the core needs from outside: a store of decisions, journals and checkpoints.

Everything here blocks, and is called from the journal's writer thread or from a
reader thread, never from the event loop.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from bandit_service.model import (
    Ask,
    BudgetWindow,
    Checkpoint,
    CheckpointStatus,
    Decision,
    Grant,
    JournalEntry,
    Learned,
    Lease,
    LeaseStanding,
    Limits,
    Outcome,
    PolicyConfig,
    Pruned,
    RecordedEnergy,
    RecordedFeedback,
    RevisionEvent,
    Settlement,
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

    def session_arm(self, policy_id: int, session_hash: bytes, since: float) -> int | None:
        """The arm of the session's last decision, as a slot; None if it has none since a
        moment."""
        ...

    def heads(self) -> dict[int, int]:
        """The journal's last position of every policy that is not deleted, by its id."""
        ...

    def last_clock(self, policy_id: int) -> float | None:
        """The latest clock among the policy's newest decisions, ten thousand at least."""
        ...

    def revisions(self, policy_id: int, before: int, limit: int) -> list[JournalEntry]:
        """The last revisions before position `before`, in order, at most `limit`."""
        ...

    def recent(
        self, policy_id: int, limit: int
    ) -> tuple[list[Decision], dict[tuple[str, int], float]]:
        """The latest decisions, the latest first, at most `limit`; and the qualities that stand
        of them, by decision and arm."""
        ...

    def last_revisions(self) -> Mapping[int, RevisionEvent]:
        """The revision in force, for the ids of policies that are not deleted."""
        ...


class Transaction(Protocol):
    """Writes that become durable together, when the context ends without an error."""

    def add_decisions(self, decisions: Sequence[Decision]) -> dict[str, Decision]:
        """Stores decisions. Those whose (policy, request id) is taken are left out.

        Returns, for each one left out, its id and the decision that holds the request
        id: stored earlier, or earlier in `decisions`. What the others have reserved of budgets
        is drawn from their leases, once.
        """
        ...

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Books in the ledger what became of reservations, at most one a window; with the rest
        of the transaction."""
        ...

    def recover_decisions(self, decisions: Sequence[Decision]) -> None:
        """Stores decisions made of their tokens, where there is none of that id; the decision
        itself takes their place when it is added."""
        ...

    def lock_head(self, policy_id: int) -> int:
        """The journal's last position; nobody else can append until this ends.

        Raises PolicyNotFound if the policy has been deleted, and HeadLocked if somebody else
        goes on holding it.
        """
        ...

    def heads(self) -> dict[int, int]:
        """As `Store.heads`, seen from within; nothing is locked."""
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


class Leases(Protocol):
    """Who may do what only one may do at a time. Every method raises StoreUnavailable.

    All times are the database's, so no clock of a replica frees a lease or keeps one.
    """

    def take(self, name: str, holder: str, seconds: float) -> Lease | None:
        """The lease from now on for `seconds`, if it is free, has run out, or is the holder's.

        Who takes it over gets another epoch; the holder keeps its own. None: it is another's.
        """
        ...

    def drop(self, lease: Lease) -> None:
        """Frees it for the next one. Nothing happens if it is another's by now."""
        ...

    def standing(self, name: str) -> LeaseStanding | None:
        """Who has it, or had it last; None: nobody ever."""
        ...


class Ledger(Protocol):
    """What budgets hold, and who may spend it. Every method raises StoreUnavailable.

    All times are the database's. What is leased, reserved and settled of a window is never more
    than it holds, and what a lease has left goes back only by the word of its holder: a lease
    that runs out counts as spent.
    """

    def lease(self, asks: Sequence[Ask], holder: str, seconds: float) -> list[Grant]:
        """Gives the holder as much of each budget's present window as can be had, in the order
        of the asks, all of one policy, and keeps its leases for `seconds` from now."""
        ...

    def give_back(self, leases: Mapping[int, int]) -> None:
        """Frees units, by lease, that no decision has reserved."""
        ...

    def end(self, leases: Mapping[int, int]) -> None:
        """As `give_back`, and ends the leases: whatever is left of them counts as spent."""
        ...

    def sweep(self) -> list[BudgetWindow]:
        """Lets leases run out that nobody keeps, and closes windows that are over; those."""
        ...

    def latest(self, policy_id: int) -> list[BudgetWindow]:
        """The latest window of each budget that a policy has, or had."""
        ...

    def windows(self, policy_id: int, budget: str, limit: int) -> list[BudgetWindow]:
        """The last windows of one budget, the latest first, at most `limit`."""
        ...

    def usages(self, policy_id: int, limit: int) -> list[tuple[int, float | None, float | None]]:
        """Slot, dollars and joules of calls of the last `limit` decisions, the oldest first."""
        ...


class CheckpointWriter(Protocol):
    """Writes of one transaction, none of which happens once the lease is another's."""

    def add(self, checkpoint: Checkpoint) -> Checkpoint:
        """Stores it without its parts, and gives it its id."""
        ...

    def add_part(self, checkpoint_id: int, part: int, body: bytes) -> None: ...

    def mark(self, checkpoint_id: int, status: CheckpointStatus) -> None: ...

    def pin(self, checkpoint_id: int, pinned: bool) -> None:
        """Whether it stays whatever its age."""
        ...

    def delete(self, checkpoint_id: int) -> None: ...


class Checkpoints(Protocol):
    """Verified copies of what policies have learned. Every method raises StoreUnavailable."""

    def of(self, policy_id: int) -> list[Checkpoint]:
        """All of a policy, the newest first: by position, then by id."""
        ...

    def of_deleted_policies(self) -> list[Checkpoint]: ...

    def part_sizes(self, checkpoint_id: int) -> list[int]:
        """Bytes of each part that is stored, in order."""
        ...

    def part(self, checkpoint_id: int, part: int) -> bytes | None: ...

    def fenced(self, lease: Lease) -> AbstractContextManager[CheckpointWriter]:
        """A transaction during which nobody can take the lease over.

        Raises LeaseLost if somebody did before.
        """
        ...


class Store(Reader, Protocol):
    """The one database. Safe to read from several threads; one writer at a time."""

    @property
    def leases(self) -> Leases: ...

    @property
    def checkpoints(self) -> Checkpoints: ...

    @property
    def ledger(self) -> Ledger: ...

    def log_decisions(self, decisions: Sequence[Decision]) -> None:
        """Stores decisions without request ids, all or none.

        The same as a transaction of one `add_decisions`, with fewer steps on the way.
        """
        ...

    def write(self) -> AbstractContextManager[Transaction]:
        """One transaction. An error inside rolls everything back."""
        ...

    def make_partitions(self, now: float) -> list[str]:
        """Makes room for the decisions of the weeks after `now`; the names of what was made.

        Without it no decision is lost, but they take longer to find and to drop. Raises
        StoreUnavailable, or RefusedByDatabase if making tables is not ours to do.
        """
        ...

    def prune(self, limits: Limits, dry_run: bool) -> list[Pruned]:
        """Lets go what the limits allow, in steps that hold nobody up; says what it was.

        A dry run only looks. Raises as `make_partitions`.
        """
        ...

    def abandon(self) -> None:
        """Gives up every connection in use, because it hangs; what comes opens new ones.

        Whoever waits on one of them gets StoreUnavailable, now or never.
        """
        ...

    def close(self) -> None: ...


class EnergyLog(Protocol):
    """What calls took, as far as the log knows. Methods raise StoreUnavailable."""

    def energy(
        self, policy: str | None = None, since: float | None = None, until: float | None = None
    ) -> list[RecordedEnergy]:
        """By policy, arm and source; `since` <= the decision's time < `until`, in seconds."""
        ...

    def close(self) -> None: ...


class LogPage(NamedTuple):
    """Decisions in the order of their ids, and what stands for each of them."""

    decisions: list[Decision]
    outcomes: Mapping[str, list[Outcome]]


class LogColumns(NamedTuple):
    """n decisions in the order of their ids and what stands for them, column by column.

    decisions   fields of model.Decision, (n,) each, and `is_duel`: whether two arms were drawn
    outcomes    fields of model.Outcome and model.Usage, (m,) each, words as text; `row` in place
                of the decision's id says which of the n it is, None for another policy's
    """

    decisions: Mapping[str, Sequence[Any]]
    outcomes: Mapping[str, Sequence[Any]]


class LogReader(Protocol):
    """Reads whole histories, a page at a time. Every method raises StoreUnavailable."""

    def names(self) -> list[str]:
        """Of the policies that are not deleted."""
        ...

    def policy(self, name: str) -> tuple[StoredPolicy, PolicyConfig]:
        """A policy with its latest configuration. Raises PolicyNotFound."""
        ...

    def revision(self, policy: StoredPolicy, revision: int) -> PolicyConfig | None:
        """The configuration of a revision, None if there is none of that number."""
        ...

    def windows(self, policy_id: int) -> list[BudgetWindow]:
        """The latest window of each budget that the policy has, or had."""
        ...

    def pages(self, policy_id: int, since: float, until: float) -> Iterator[LogPage]:
        """Decisions made at or after `since` and before `until`, seconds since the epoch."""
        ...

    def columns(self, policy_id: int, since: float, until: float) -> Iterator[LogColumns]:
        """The same without what a log does not tell, and several times as quick."""
        ...

    def events(self, policy_id: int, after: int, limit: int) -> list[JournalEntry]:
        """As `Reader.events`."""
        ...

    def revisions(self, policy_id: int) -> list[JournalEntry]:
        """All of them, in order."""
        ...

    def head(self, policy_id: int) -> int:
        """Where the journal should end."""
        ...

    @property
    def checkpoints(self) -> Checkpoints: ...

    def close(self) -> None: ...
