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
from bandit_service.errors import StoreUnavailable
from bandit_service.feedback import Recorder
from bandit_service.following import Limits
from bandit_service.journal import Journal
from bandit_service.model import Decision, PolicyConfig, Routed
from bandit_service.ports import Store, Transaction
from bandit_service.routing import Router
from bandit_service.spending import Spending
from bandit_service.store import open_store
from bandit_service.tokens import TokenDesk
from tests.builders import NOW, a_config, a_query, shape_of
from tests.patience import PATIENCE

NEVER = 1e6  # seconds


READS = frozenset({"heads", "policies", "events", "decision", "requested", "session_arm"})


class WatchedStore:
    """Counts transactions; can hold them before their commit, or make them fail.

    While it is `away`, everything fails; while it is `read_only`, every write does.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.transactions = 0
        self.before_commit: deque[Exception] = deque()
        self.after_commit: deque[Exception] = deque()
        self._open, self._reached = threading.Event(), threading.Event()
        self._open.set()
        self.away = self.read_only = False
        self._hanging: dict[str, threading.Event] = {}
        self._let_go = threading.Event()

    def __getattr__(self, name: str) -> Any:
        if self.away and name in READS:
            raise StoreUnavailable
        return getattr(self._store, name)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        self.transactions += 1
        self._hang_at("entry")
        if self.away or self.read_only:
            raise StoreUnavailable
        with self._store.write() as tx:
            yield tx
            self._hang_at("commit")
            self._reached.set()
            self._open.wait()
            if self.before_commit:
                raise self.before_commit.popleft()
        self._hang_at("committed")
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

    def hang_once(self, where: str) -> threading.Event:
        """The next transaction that gets to its "entry" or "commit", or has "committed", hangs
        there until `release`; the event tells when it does."""
        self._let_go.clear()
        self._hanging[where] = threading.Event()
        return self._hanging[where]

    def _hang_at(self, where: str) -> None:
        if reached := self._hanging.pop(where, None):
            reached.set()
            self._let_go.wait()

    def release(self) -> None:
        self._open.set()
        self._let_go.set()


@dataclass
class Service:
    store: WatchedStore
    registry: Registry
    journal: Journal
    router: Router
    recorder: Recorder
    administrator: Administrator
    spending: Spending

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

    def forget_decisions(self) -> None:
        """The writer keeps the newest at hand; from now on it has to look them up."""
        writer = self.journal._hearing.present
        assert writer is not None
        writer._recent.clear()

    def wait_for_the_store(self, seconds: float) -> None:
        """How long callers do so from now on."""
        for part in (self.router, self.recorder, self.administrator):
            part._timeout = seconds


@asynccontextmanager
async def running(
    where: Path | str,
    *,
    degraded_after: float | None = None,
    replica: str = "",
    tokens: TokenDesk | None = None,
    **limits: Any,
) -> AsyncIterator[Service]:
    """A service on the database in this file, or of this URL, whose clock moves by 10 ms a look.

    Without further limits it never looks by itself for what others have written.
    """
    url = where if isinstance(where, str) else f"sqlite:///{where}"
    looks = itertools.count()
    made = running_on(
        WatchedStore(open_store(url)),
        lambda: NOW + next(looks) / 100,
        degraded_after=degraded_after,
        replica=replica,
        tokens=tokens,
        **limits,
    )
    async with made as service:
        yield service


@asynccontextmanager
async def running_on(
    watched: WatchedStore,
    now: Callable[[], float],
    *,
    degraded_after: float | None = None,
    replica: str = "",
    tokens: TokenDesk | None = None,
    **limits: Any,
) -> AsyncIterator[Service]:
    """A service on a store, with a clock; see `running`."""
    store, registry = cast(Store, watched), Registry()
    spending = Spending(store, registry)
    bounds = Limits(**{"poll_seconds": NEVER, "stuck_seconds": NEVER} | limits)
    journal = Journal(store, registry, shape_of, now, bounds, replica)
    journal.load()
    journal.start(asyncio.get_running_loop())
    try:
        yield Service(
            watched,
            registry,
            journal,
            Router(registry, journal, store, now, PATIENCE, degraded_after, tokens, spending),
            Recorder(journal, PATIENCE, tokens),
            Administrator(registry, journal, store, PATIENCE),
            spending,
        )
    finally:
        watched.release()
        watched.away = watched.read_only = False
        await journal.close()
        await spending.close()
        watched.close()


async def until(holds: Callable[[], object]) -> None:
    """Waits for something to become true."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def some_turns(count: int = 20) -> None:
    """Lets the event loop do what it can do."""
    for _ in range(count):
        await asyncio.sleep(0)
