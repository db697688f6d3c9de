"""Any store, with a switch: it can be away, and lose what it is asked to commit or to say."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bandit_service.errors import StoreUnavailable
from bandit_service.model import Decision
from bandit_service.ports import Store, Transaction

AWAY, BEFORE_COMMIT, AFTER_COMMIT = "away", "before the commit", "after the commit"


class SwitchedStore:
    """`fault` is "" while all is well; those around a commit happen once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.fault = ""

    def __getattr__(self, name: str) -> Any:
        if self.fault == AWAY:
            raise StoreUnavailable
        return getattr(self.store, name)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        self._fail_at(AWAY)
        with self.store.write() as transaction:
            yield transaction
            self._fail_at(BEFORE_COMMIT)
        self._fail_at(AFTER_COMMIT)

    def log_decisions(self, decisions: Sequence[Decision]) -> None:
        self._fail_at(AWAY)
        self._fail_at(BEFORE_COMMIT)
        self.store.log_decisions(decisions)
        self._fail_at(AFTER_COMMIT)

    def _fail_at(self, place: str) -> None:
        if self.fault == place:
            if place != AWAY:
                self.fault = ""
            raise StoreUnavailable
