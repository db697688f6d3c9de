"""One transaction of the writer: what it has locked, read and written.

Everything here runs on the writer's thread. A policy's journal is locked before it is
read, so what is planned from it cannot change before it is committed; while the lock is
held, whatever other replicas appended is read as well.
"""

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from bandit_service.checkpoints import PAGE
from bandit_service.configuration import ShapeOf, understood
from bandit_service.engine import PolicyEngine
from bandit_service.errors import BrokenJournal, NotUnderstood, PolicyNotFound
from bandit_service.model import (
    Decision,
    JournalEntry,
    PolicyConfig,
    RecordedFeedback,
    RevisionEvent,
    StoredPolicy,
)
from bandit_service.ports import Store, Transaction
from bandit_service.standing import Standing, Terms
from bandit_service.watching import Heard
from bandit_service.work import Taken

MOST_CACHED_DECISIONS = 20_000


class Known:
    """What the writer knows of a policy's journal: as far as it has read or written.

    `stopped` is why it cannot read on, where a newer program wrote what follows.
    """

    def __init__(self, engine: PolicyEngine | None = None, name: str = "") -> None:
        self.name = engine.identity.name if engine else name
        self.stopped: NotUnderstood | None = None
        self.position = engine.position if engine else 0
        self.revision = engine.revision if engine else 0
        self.started_position = engine.started_position if engine else 0
        self.terms: Terms | None = engine.terms() if engine and engine.revision else None
        self.fold_version = engine.journal_fold_version if engine else 0

    def config(self) -> PolicyConfig:
        """Of the last revision: a journal begins with one."""
        assert self.terms is not None
        return self.terms.config

    def copy(self) -> "Known":
        made = Known()
        made.__dict__.update(self.__dict__)
        return made

    def follow(self, entry: JournalEntry, shape_of: ShapeOf) -> None:
        """Raises NotUnderstood, and is `stopped` from then on."""
        event = entry.event
        try:
            built = understood(self.name, entry, shape_of)
        except NotUnderstood as newer:
            self.stopped = newer
            raise
        self.position = entry.position
        if isinstance(event, RevisionEvent) and built is not None:
            if self.terms is None or event.started_epoch != self.terms.started_epoch:
                self.started_position = entry.position
            self.name = event.config.name
            self.revision, self.fold_version = event.revision, event.fold_version
            self.terms = Terms(
                event.config,
                event.epoch,
                event.started_epoch,
                self.started_position,
                built[0].version,
            )


class Batch:
    """What one transaction has in hand."""

    tx: Transaction

    def __init__(
        self,
        store: Store,
        known: dict[int, Known],
        recent: OrderedDict[str, Decision],
        shape_of: ShapeOf,
        now: float,
    ) -> None:
        self.store = store
        self.shape_of = shape_of
        self.now = now
        self._committed = known
        self._recent = recent
        self._heads: dict[int, Known] = {}
        self._ahead: dict[int, Known] = {}  # read without a lock
        self.has_decisions = False  # whether it has written any
        self._policy_of: dict[str, int] = {}  # of the decisions that were looked up
        self.entries: list[tuple[int, JournalEntry]] = []
        self.heard: list[Heard] = []
        self.created: list[StoredPolicy] = []
        self.deleted: list[int] = []

    @contextmanager
    def writing(self) -> Iterator[None]:
        """The transaction."""
        with self.store.write() as self.tx:
            yield

    def stands(self) -> None:
        """What it has learned of journals counts from now on. Not before its results are about
        to be told: what nobody hears of, the next poll is to find."""
        self._committed.update(self._heads)
        for policy_id in self.deleted:
            self._committed.pop(policy_id, None)

    def remember(self, decisions: Sequence[Decision], taken: Taken) -> None:
        """Feedback soon asks for what was just decided."""
        for decision in decisions:
            if decision.id not in taken:
                self._recent[decision.id] = decision
        while len(self._recent) > MOST_CACHED_DECISIONS:
            self._recent.popitem(last=False)

    def policy_of(self, decision_id: str) -> int | None:
        """Of a decision that was looked up."""
        return self._policy_of.get(decision_id)

    def decisions(self, ids: set[str]) -> dict[str, Decision]:
        found = {i: self._recent[i] for i in ids if i in self._recent}
        missing = sorted(ids - found.keys())
        found |= self.tx.decisions(missing) if missing else {}
        self.found(found.values())
        return found

    def found(self, decisions: Iterable[Decision]) -> None:
        """Remembers whose they are, for `policy_of`."""
        self._policy_of |= {one.id: one.policy_id for one in decisions}

    def known(self, policy_id: int, revision: int) -> Known:
        """What is known of a policy that has come to a revision, and which others may be changing
        just now: nothing is locked, for rows are still to be written.

        Raises PolicyNotFound, NotUnderstood.
        """
        known = self._heads.get(policy_id) or self._ahead.get(policy_id)
        known = known or self._committed.get(policy_id)
        if known is None or known.revision < revision:
            known = self._ahead[policy_id] = self._read_on(policy_id, known)
        return known

    def _read_on(self, policy_id: int, known: Known | None) -> Known:
        if policy_id not in self.tx.heads():
            raise PolicyNotFound(known.name if known else str(policy_id))
        ahead = Known(name=str(policy_id)) if known is None else known.copy()
        while page := self.tx.events(policy_id, ahead.position, PAGE):
            for entry in page:
                ahead.follow(entry, self.shape_of)
        return ahead

    def horizon(self) -> float:
        """The longest feedback horizon of all policies, in seconds."""
        every = (known.terms for known in list(self._committed.values()))
        return max((one.config.feedback_horizon for one in every if one), default=math.inf)

    def head(self, policy_id: int) -> Known:
        """Locks a policy's journal and catches up with what others have written.

        Raises PolicyNotFound, HeadLocked, NotUnderstood if that goes beyond this program, and
        BrokenJournal.
        """
        known = self._heads.get(policy_id)
        if known is None:
            head = self.tx.lock_head(policy_id)
            before = self._committed.get(policy_id)
            known = Known(name=str(policy_id)) if before is None else before.copy()
            self._heads[policy_id] = known
            while known.position < head and known.stopped is None:
                page = self.tx.events(policy_id, known.position, PAGE)
                if not page:
                    raise BrokenJournal(policy_id, known.position + 1)
                for entry in page:
                    self._follow(policy_id, known, entry)
        if known.stopped is not None:
            raise known.stopped
        return known

    def append(
        self,
        policy_id: int,
        entries: list[JournalEntry],
        recorded: Sequence[RecordedFeedback] = (),
        standing: Standing | None = None,
    ) -> None:
        outcomes = list(standing.changed_outcomes.values()) if standing else []
        learned = list(standing.changed_learned.values()) if standing else []
        known = self.head(policy_id)
        self.tx.append(policy_id, entries, recorded, outcomes, learned)
        for entry in entries:
            self._follow(policy_id, known, entry)

    def _follow(self, policy_id: int, known: Known, entry: JournalEntry) -> None:
        if entry.position != known.position + 1:  # retention has been there
            raise BrokenJournal(policy_id, known.position + 1)
        known.follow(entry, self.shape_of)
        self.entries.append((policy_id, entry))
