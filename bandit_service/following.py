"""How far this replica has followed each journal, and whether the database answers."""

import time

import msgspec

from bandit_service.engine import PolicyEngine, Registry
from bandit_service.model import Freshness


class Following:
    """Belongs to the event loop's thread. Times are monotonic."""

    def __init__(self, registry: Registry, replica: str) -> None:
        self._registry = registry
        self.replica = replica
        self._heads: dict[int, int] = {}
        self._caught_up: dict[int, float] = {}  # when all there was had been applied
        self.last_contact: float | None = None
        self.last_commit_seconds: float | None = None
        self._cannot_write = self._cannot_read = False

    def in_trouble(self) -> bool:
        """Whether the database failed us the last time that we asked it for anything."""
        return self._cannot_write or self._cannot_read

    def wrote(self, seconds: float) -> None:
        self._cannot_write = self._cannot_read = False
        self.last_contact, self.last_commit_seconds = time.monotonic(), seconds

    def could_not_write(self) -> None:
        self._cannot_write = True

    def could_not_read(self) -> None:
        self._cannot_read = True

    def read(self, heads: dict[int, int], began: float) -> None:
        """All of `heads`, as they were at `began`, has been read and applied."""
        self._cannot_read = False
        self.last_contact = began
        self._heads = heads
        for policy_id, head in heads.items():
            engine = self._registry.by_id.get(policy_id)
            if engine is not None and engine.position >= head:
                self._caught_up[policy_id] = began
        self._caught_up = {i: at for i, at in self._caught_up.items() if i in heads}

    def head(self, engine: PolicyEngine) -> int:
        """The last position known of."""
        return max(engine.position, self._heads.get(engine.identity.id, 0))

    def freshness(self, engine: PolicyEngine) -> Freshness:
        at = self._caught_up.get(engine.identity.id)
        return Freshness(
            replica=self.replica,
            applied=engine.position,
            head=self.head(engine),
            staleness_seconds=None if at is None else time.monotonic() - at,
        )

    def all(self) -> dict[str, Freshness]:
        every = list(self._registry.by_name.items())  # also asked from other threads
        return {name: self.freshness(engine) for name, engine in every}


class Limits(msgspec.Struct, frozen=True):
    """What a replica puts up with.

    buffered_rows, buffered_bytes  decisions kept in memory while the database is away
    poll_seconds    between looks at what other replicas have written
    stuck_seconds   what the writer may wait for the database until it is given up; longer
                    than any lock or connection is waited for on purpose
    """

    buffered_rows: int = 10_000
    buffered_bytes: int = 64 * 2**20
    poll_seconds: float = 0.25
    stuck_seconds: float = 15.0
