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

import msgspec

from bandit_service import failpoints
from bandit_service.batch import PAGE, Batch, Job, Known, PolicyJob
from bandit_service.configuration import ShapeOf
from bandit_service.engine import PolicyEngine, Registry
from bandit_service.errors import BanditError, BrokenJournal, Draining, Overloaded, StoreUnavailable
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
        self._is_unsure = False  # whether a commit may have happened without our hearing of it
        self._known: dict[int, Known] = {}
        self._recent: OrderedDict[str, Decision] = OrderedDict()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def load(self) -> None:
        """Folds every policy's journal into a fresh engine. Before `start`."""
        for identity in self._store.policies():
            self._registry.add(self._load(identity))

    def _load(self, identity: StoredPolicy) -> PolicyEngine:
        engine = PolicyEngine(identity, self._shape_of)
        try:
            while page := self._store.events(identity.id, engine.position, PAGE):
                failpoints.hit("during_load")
                for entry in page:
                    engine.apply(entry)
        except (ValueError, ArithmeticError, msgspec.MsgspecError) as wrong:
            # A gap, or bytes that are no event.
            raise BrokenJournal(identity.id, engine.position + 1) from wrong
        if not engine.position:
            raise BrokenJournal(identity.id, 1)
        if engine.counts_requests():
            engine.requests = int(self._store.last_clock(identity.id) or 0)
        self._known[identity.id] = Known(engine)
        return engine

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
        if not self._thread.is_alive():
            return
        await self._loop.run_in_executor(None, self._thread.join)

    # -- on the writer's thread -----------------------------------------------------------

    def _run(self) -> None:
        while jobs := self._take():
            self._write(jobs)

    def _take(self) -> list[Job]:
        """What has gathered while the last batch was written; nothing when all is done.

        A change of a policy goes alone. So a transaction locks one journal, or several in the
        order of their ids, and no two replicas ever wait for each other in a circle.
        """
        with self._wake:
            while not self._waiting and not self._closing:
                self._wake.wait()
            jobs: list[Job] = []
            rows = 0
            while self._waiting and (not jobs or rows + self._waiting[0].rows <= MOST_ROWS):
                if jobs and isinstance(self._waiting[0], PolicyJob):
                    break
                jobs.append(self._waiting.popleft())
                rows += jobs[-1].rows
                if isinstance(jobs[-1], PolicyJob):
                    break
            return jobs

    def _write(self, jobs: list[Job]) -> None:
        if self._is_unsure:
            self._find_out()
        batch = Batch(self._store, self._known, self._recent, self._shape_of, self._now())
        try:
            results = batch.commit(jobs)
        except StoreUnavailable as error:
            self._is_unsure = True
            for job in jobs:
                self._tell(self._refuse, job, error)
        except Exception as error:  # noqa: BLE001 - the thread has to live on
            self._isolate(jobs, error)
        else:
            self._tell(self._deliver, batch, results)

    def _find_out(self) -> None:
        """After a commit whose answer was lost: which policies there are, and are not."""
        try:
            stored = {identity.id: identity for identity in self._store.policies()}
            made = [self._load(stored[i]) for i in stored if i not in self._known]
        except BanditError:
            return  # the next batch will tell, or fail as well
        gone = [policy_id for policy_id in self._known if policy_id not in stored]
        for policy_id in gone:
            del self._known[policy_id]
        self._is_unsure = False
        self._tell(self._replace, made, gone)

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

    def _deliver(self, batch: Batch, results: list[tuple[Job, Any]]) -> None:
        failpoints.hit("before_deliver")
        for identity in batch.created:
            self._registry.add(PolicyEngine(identity, self._shape_of))
        for policy_id, entry in batch.entries:
            self._apply(policy_id, entry)
        for policy_id in batch.deleted:
            self._registry.remove(policy_id)
        failpoints.hit("before_answers")
        for job, result in results:
            self._rows_under_way -= job.rows
            try:
                if isinstance(result, BanditError):
                    job.failed(result)
                else:
                    job.done(result)
            except Exception:
                log.exception("an answer could not be given")  # the others are to get theirs
        failpoints.hit("after_answers")

    def _replace(self, made: list[PolicyEngine], gone: list[int]) -> None:
        for policy_id in gone:
            self._registry.remove(policy_id)
        for engine in made:
            self._registry.add(engine)

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
