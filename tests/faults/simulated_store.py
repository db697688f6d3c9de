"""A database that tells written from synced, fails when it likes, and loses what is not synced."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bandit_service.errors import StoreUnavailable
from bandit_service.model import (
    Decision,
    JournalEntry,
    Limits,
    Pruned,
    RecordedFeedback,
    StoredPolicy,
)
from tests.faults.model_store import ModelStore, ModelTransaction, Tables


class SimulatedStore(ModelStore):
    """`tables` is what it has written, `synced` what a crash leaves.

    With `is_durable` a commit is synced before it returns, as SQLite FULL and
    `synchronous_commit=on` promise; without, some time later.
    """

    def __init__(self, luck: random.Random, is_durable: bool = True) -> None:
        super().__init__()
        self.synced = self.tables
        self.let_go = Tables()  # what retention has taken, and more
        self.is_down = False
        self.failures = 0.0  # of commits
        self.commits = self.unheard = 0
        self.meanwhile: Callable[[], None] | None = None  # happens once, while a commit waits
        self._luck, self._is_durable = luck, is_durable

    def commit(self, tables: Tables) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        self._answer()
        fails = self._luck.random() < self.failures
        if fails and self._luck.random() < 0.5:
            raise StoreUnavailable  # nothing has happened
        self.tables = tables
        self.commits += 1
        if fails and self._luck.random() < 0.3:
            self.crash()  # written and not synced
            raise StoreUnavailable
        if self._is_durable:
            self.synced = tables
        if fails:
            self.unheard += 1
            raise StoreUnavailable  # it has happened, and nobody hears of it

    def prune(self, limits: Limits, dry_run: bool) -> list[Pruned]:
        before = self.tables
        try:
            return super().prune(limits, dry_run)
        finally:
            self.let_go = merged(self.let_go, before)

    def whole(self) -> Tables:
        """What is synced, as if retention had taken nothing."""
        return merged(self.let_go, self.synced)

    def sync(self) -> None:
        self.synced = self.tables

    def crash(self) -> None:
        """The power fails, and comes back."""
        self.tables = self.synced

    @contextmanager
    def changing(self) -> Iterator[Tables]:
        self._answer()
        with super().changing() as tables:
            yield tables

    def reading(self) -> Tables:
        self._answer()
        return super().reading()

    def heads(self) -> dict[int, int]:
        self._answer()
        return super().heads()

    def policies(self) -> list[StoredPolicy]:
        self._answer()
        return super().policies()

    def events(self, policy_id: int, after: int, limit: int) -> list[JournalEntry]:
        self._answer()
        return super().events(policy_id, after, limit)

    def decision(self, decision_id: str) -> Decision | None:
        self._answer()
        return super().decision(decision_id)

    def _answer(self) -> None:
        if self.is_down:
            raise StoreUnavailable


def merged(older: Tables, newer: Tables) -> Tables:
    """All rows of both."""
    made = newer.copy()
    for name, rows in vars(older).items():
        if isinstance(rows, dict):
            setattr(made, name, rows | getattr(newer, name))
    return made


class WithoutDedupe(ModelTransaction):
    """Broken on purpose: it does not know which feedback it has, nor minds."""

    def recorded(self, policy_id: int, feedback_ids: Sequence[str]) -> dict[str, RecordedFeedback]:
        return {}

    def append(
        self, policy_id: int, entries: Any, recorded: Any, outcomes: Any, learned: Any
    ) -> None:
        for one in recorded:
            self.tables.recorded.pop((policy_id, one.feedback_id), None)
        super().append(policy_id, entries, recorded, outcomes, learned)
