"""The one writer: a thread that makes decisions, feedback and revisions durable.

The event loop hands it jobs and never waits for the database itself. The thread takes
whatever has gathered, writes it in one transaction (group commit), and tells the loop;
only then is anybody answered. Entries reach the engines in the order of the journal, on
the loop, before the answers to those who caused them.
"""

import asyncio
import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, TypeVar

from bandit_service.batch import PAGE, Batch, Job, Known, PolicyJob
from bandit_service.configuration import ShapeOf
from bandit_service.engine import PolicyEngine, Registry
from bandit_service.errors import BanditError, Draining, Overloaded, StoreUnavailable
from bandit_service.model import Decision, JournalEntry, StoredPolicy
from bandit_service.ports import Store

log = logging.getLogger(__name__)

T = TypeVar("T")

MOST_WAITING = 20_000  # rows; about a second of work
MOST_ROWS = 2_048  # rows a transaction


class Journal:
    """Takes jobs on the event loop's thread; `start` before the first, `close` at the end."""

    def __init__(
        self, store: Store, registry: Registry, shape_of: ShapeOf, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._registry = registry
        self._shape_of = shape_of
        self._now = now
        self._waiting: deque[Job] = deque()
        self._rows_under_way = 0  # the event loop's own count
        self._wake = threading.Condition()
        self._closing = False
        self._known: dict[int, Known] = {}
        self._recent: OrderedDict[str, Decision] = OrderedDict()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def load(self) -> None:
        """Folds every policy's journal into a fresh engine. Before `start`."""
        for identity in self._store.policies():
            engine = PolicyEngine(identity, self._shape_of)
            while page := self._store.events(identity.id, engine.position, PAGE):
                for entry in page:
                    engine.apply(entry)
            if engine.counts_requests():
                engine.requests = int(self._store.last_clock(identity.id) or 0)
            self._registry.add(engine)
            self._known[identity.id] = Known(engine)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread.start()

    def submit(self, *jobs: Job) -> None:
        """Queues jobs. Raises Overloaded or Draining; then none of them was queued."""
        if self._closing:
            raise Draining
        rows = sum(job.rows for job in jobs)
        if self._rows_under_way + rows > MOST_WAITING:
            raise Overloaded(self._rows_under_way)
        self._rows_under_way += rows
        with self._wake:
            self._waiting.extend(jobs)
            self._wake.notify()

    def rows_under_way(self) -> int:
        """Rows that have been queued and not been answered yet."""
        return self._rows_under_way

    async def change(self, work: Callable[[Batch], T], timeout: float) -> T:
        """Runs `work` inside a transaction and returns what it returned.

        Raises what it raised, or StoreUnavailable after `timeout` seconds.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self.submit(PolicyJob(work, settle(future), refuse(future)))
        return await within(future, timeout)

    async def close(self) -> None:
        """Writes what waits, then ends the thread."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        await self._loop.run_in_executor(None, self._thread.join)

    # -- on the writer's thread -----------------------------------------------------------

    def _run(self) -> None:
        while jobs := self._take():
            self._write(jobs)

    def _take(self) -> list[Job]:
        """What has gathered while the last batch was written; nothing when all is done."""
        with self._wake:
            while not self._waiting and not self._closing:
                self._wake.wait()
            jobs: list[Job] = []
            rows = 0
            while self._waiting and (not jobs or rows + self._waiting[0].rows <= MOST_ROWS):
                jobs.append(self._waiting.popleft())
                rows += jobs[-1].rows
            return jobs

    def _write(self, jobs: list[Job]) -> None:
        batch = Batch(self._store, self._known, self._recent, self._shape_of, self._now())
        try:
            results = batch.commit(jobs)
        except StoreUnavailable as error:
            for job in jobs:
                self._tell(self._refuse, job, error)
        except Exception as error:  # noqa: BLE001 - the thread has to live on
            self._isolate(jobs, error)
        else:
            self._tell(self._deliver, batch.entries, batch.created, results)

    def _isolate(self, jobs: list[Job], error: Exception) -> None:
        """One bad job may not fail the others: each gets a transaction of its own."""
        if len(jobs) > 1:
            for job in jobs:
                self._write([job])
            return
        if not isinstance(error, BanditError):
            log.error("a job could not be written", exc_info=error)
        self._tell(self._refuse, jobs[0], error)

    def _tell(self, call: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *args)
        except RuntimeError:  # the loop has gone: nobody is left to be told
            log.warning("an answer came too late: the event loop has ended")

    # -- on the event loop ------------------------------------------------------------------

    def _deliver(
        self,
        entries: list[tuple[int, JournalEntry]],
        created: list[StoredPolicy],
        results: list[tuple[Job, Any]],
    ) -> None:
        for identity in created:
            self._registry.add(PolicyEngine(identity, self._shape_of))
        for policy_id, entry in entries:
            self._apply(policy_id, entry)
        for job, result in results:
            self._rows_under_way -= job.rows
            if isinstance(result, BanditError):
                job.failed(result)
            else:
                job.done(result)

    def _apply(self, policy_id: int, entry: JournalEntry) -> None:
        engine = self._registry.by_id.get(policy_id)
        if engine is None:  # deleted meanwhile
            return
        try:
            engine.apply(entry)
        except Exception:
            # It is in the journal, so those who wait are to hear that. The engine stays
            # behind, and routes on what it knows.
            log.exception("policy %d cannot fold entry %d", policy_id, entry.position)

    def _refuse(self, job: Job, error: Exception) -> None:
        self._rows_under_way -= job.rows
        job.failed(error)


def settle(future: asyncio.Future[T]) -> Callable[[T], None]:
    """Gives a future its result, unless whoever waited has left."""

    def done(result: T) -> None:
        if not future.done():
            future.set_result(result)

    return done


def refuse(future: asyncio.Future[Any]) -> Callable[[Exception], None]:
    """Gives a future its error, unless whoever waited has left."""

    def failed(error: Exception) -> None:
        if not future.done():
            future.set_exception(error)

    return failed


async def within(future: asyncio.Future[T], seconds: float) -> T:
    """The future's result. StoreUnavailable if it does not come in time: the writer may
    hang on the database, and nobody hangs with it."""
    done, _ = await asyncio.wait({future}, timeout=seconds)
    if not done:
        future.cancel()
        raise StoreUnavailable
    return future.result()
