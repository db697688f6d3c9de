"""The whole service but for the wire, on a real database that can be watched and held up."""

import asyncio
import itertools
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bandit_service.administration import Administrator
from bandit_service.engine import PolicyEngine, Registry
from bandit_service.feedback import Recorder
from bandit_service.journal import Journal
from bandit_service.model import Decision, PolicyConfig, Routed
from bandit_service.ports import Store, Transaction
from bandit_service.routing import Router
from bandit_service.store import open_store
from tests.builders import NOW, a_config, a_query, shape_of
from tests.patience import PATIENCE


class WatchedStore:
    """Counts transactions; can hold them before their commit, or make them fail."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.transactions = 0
        self.before_commit: deque[Exception] = deque()
        self.after_commit: deque[Exception] = deque()
        self._open, self._reached = threading.Event(), threading.Event()
        self._open.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        self.transactions += 1
        with self._store.write() as tx:
            yield tx
            self._reached.set()
            self._open.wait()
            if self.before_commit:
                raise self.before_commit.popleft()
        if self.after_commit:
            raise self.after_commit.popleft()

    def log_decisions(self, decisions: Sequence[Decision]) -> None:
        with self.write() as tx:
            tx.add_decisions(decisions)

    def hold(self) -> None:
        """From now on no transaction gets further than to its commit."""
        self._reached.clear()
        self._open.clear()

    async def is_held(self) -> None:
        """Waits for a transaction to get there."""
        assert await asyncio.to_thread(self._reached.wait, PATIENCE)

    def hang(self, *_: object) -> None:
        """What a read does while the database does not answer."""
        self._open.wait()

    def release(self) -> None:
        self._open.set()


@dataclass
class Service:
    store: WatchedStore
    registry: Registry
    journal: Journal
    router: Router
    recorder: Recorder
    administrator: Administrator

    def engine(self, name: str = "chat") -> PolicyEngine:
        return self.registry.by_name[name]

    async def create(self, **changes: Any) -> PolicyConfig:
        return (await self.administrator.create(a_config(**changes))).config

    async def routed(self, count: int = 1, **changes: Any) -> list[Routed]:
        """So many decisions, of which none is refused."""
        answers = await self.router.route_many([a_query(**changes)] * count)
        return [cast(Routed, answer) for answer in answers]

    async def decide(self, **changes: Any) -> str:
        """The id of a new decision."""
        return (await self.router.route(a_query(**changes))).decision.id

    def wait_for_the_store(self, seconds: float) -> None:
        """How long callers do so from now on."""
        for part in (self.router, self.recorder, self.administrator):
            part._timeout = seconds


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[Service]:
    """A service on the database in this file, whose clock moves by 10 ms a look."""
    looks = itertools.count()
    watched = WatchedStore(open_store(f"sqlite:///{path}"))
    async with running_on(watched, lambda: NOW + next(looks) / 100) as service:
        yield service


@asynccontextmanager
async def running_on(watched: WatchedStore, now: Callable[[], float]) -> AsyncIterator[Service]:
    """A service on a store, with a clock."""
    store, registry = cast(Store, watched), Registry()
    journal = Journal(store, registry, shape_of, now)
    journal.load()
    journal.start(asyncio.get_running_loop())
    try:
        yield Service(
            watched,
            registry,
            journal,
            Router(registry, journal, store, now, PATIENCE),
            Recorder(journal, PATIENCE),
            Administrator(registry, journal, PATIENCE),
        )
    finally:
        watched.release()
        await journal.close()
        watched.close()


async def some_turns(count: int = 20) -> None:
    """Lets the event loop do what it can do."""
    for _ in range(count):
        await asyncio.sleep(0)
