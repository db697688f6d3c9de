"""The event loop's side of the one writer: what is to be durable, and what became so.

The event loop hands it jobs and never waits for the database itself. The writer's thread takes
whatever has gathered, writes it in one transaction (group commit), and tells the loop;
only then is anybody answered. Entries reach the engines in the order of the journal, on
the loop, before the answers to those who caused them.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from bandit_service.answered import Answered
from bandit_service.backlog import Backlog
from bandit_service.batch import Batch
from bandit_service.checkpoints import BY_SECRET, Keeper, Recovered, Seal, recover
from bandit_service.configuration import ShapeOf
from bandit_service.engine import FOLD_VERSION, Registry
from bandit_service.errors import (
    AheadOfJournal,
    Draining,
    NotCaughtUp,
    Overloaded,
    StoreUnavailable,
)
from bandit_service.following import Following, Limits
from bandit_service.hearing import Hearing, warn_of_newer_fold
from bandit_service.model import Checkpoint, ReplicaHealth, StoredPolicy
from bandit_service.ports import Store
from bandit_service.revising import declare_fold
from bandit_service.waiting import refuse, settle, within
from bandit_service.watching import UNWATCHED, WriterWatch
from bandit_service.work import DecisionJob, Job, PolicyJob, PollJob, WorkQueue
from bandit_service.writer import Writer

log = logging.getLogger(__name__)

T = TypeVar("T")

MOST_WAITING = 20_000  # rows; about a second of work
CLOSE_SECONDS = 10.0


class Journal:
    """Takes jobs on the event loop's thread; `start` before the first, `close` at the end.

    `backlog` keeps decisions that are answered before they are durable, `answered` some of those
    that were answered; `following` knows how far the journals of the policies have been applied.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        shape_of: ShapeOf,
        now: Callable[[], float],
        limits: Limits | None = None,
        replica: str = "",
        watch: WriterWatch = UNWATCHED,
        seal: Seal = BY_SECRET,
    ) -> None:
        self.store = store
        self._keeper = Keeper(store.checkpoints, seal, now)
        self.started_from: dict[int, Checkpoint] = {}  # by policy; none that began at zero
        self._registry = registry
        self._shape_of = shape_of
        self._now = now
        self._watched = watch
        self._limits = limits or Limits()
        self._queue = WorkQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = False
        self._abandoned = 0
        self.following = Following(registry, replica)
        self._hearing = Hearing(registry, self.following, shape_of, watch)
        self.answered = Answered()
        self.backlog = Backlog(
            lambda job: self._put([job]),
            self._limits.buffered_rows,
            self._limits.buffered_bytes,
            self.answered,
        )

    def load(self) -> None:
        """Makes the engine of every policy: from its newest good checkpoint and what its journal
        says since then, or from the whole journal. Before `start`."""
        heads = self.store.heads()
        for identity in self.store.policies():
            recovered = self._load(identity, head=heads.get(identity.id))
            if recovered.engine.revision:
                self._registry.add(recovered.engine)
            if recovered.stopped is not None:
                log.error("%s", recovered.stopped)
                self._registry.stopped[identity.id] = recovered.stopped
        self._watched.contacted()

    def _load(
        self,
        identity: StoredPolicy,
        on_page: Callable[[], None] = lambda: None,
        head: int | None = None,
    ) -> Recovered:
        recovered = recover(
            self.store,
            self._keeper,
            identity,
            self._shape_of,
            head=head,
            progress=lambda _position: on_page(),
        )
        engine = recovered.engine
        if engine.revision and engine.counts_requests():
            decided = self.store.last_clock(identity.id) or 0.0
            engine.requests = int(max(decided, engine.learned_clock()))
        if recovered.checkpoint is not None:
            self.started_from[identity.id] = recovered.checkpoint
        return recovered

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._begin(unsure=False)
        self._watch(loop)

    def submit(self, *jobs: Job) -> None:
        """Queues jobs. Raises Overloaded or Draining; then none of them was queued."""
        if self._closing:
            raise Draining
        rows = sum(job.rows for job in jobs)
        if self._hearing.rows_under_way + rows > MOST_WAITING:
            raise Overloaded(self._hearing.rows_under_way)
        self._put(jobs)

    def _put(self, jobs: "tuple[Job, ...] | list[Job]") -> None:
        self._hearing.rows_under_way += sum(job.rows for job in jobs)
        self._queue.put(jobs)

    def withdraw(self, job: DecisionJob) -> None:
        """Nobody waits for it any more. If the writer has it already, it is written yet."""
        if self._queue.withdraw(job):
            self._hearing.is_news(job)

    def stalled_seconds(self) -> float:
        """How long the writer has been waiting for the database; 0 while it does not."""
        began = self._hearing.present.busy_since if self._hearing.present else None
        return 0.0 if began is None else time.monotonic() - began

    def rows_under_way(self) -> int:
        """Rows that have been queued and not been answered yet."""
        return self._hearing.rows_under_way

    async def change(self, work: Callable[[Batch], T], timeout: float) -> T:
        """Runs `work` inside a transaction and returns what it returned.

        Raises what it raised, or StoreUnavailable after `timeout` seconds.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.submit(PolicyJob(work, settle(future), refuse(future)))
        return await within(future, timeout)

    async def declare_fold(self, timeout: float) -> None:
        """Notes in each journal that an older program folded last, that from here on this one
        does. Raises StoreUnavailable after `timeout` seconds."""
        for engine in list(self._registry.by_id.values()):
            if engine.identity.id in self._registry.stopped:
                continue  # a newer program has gone on with it
            if engine.journal_fold_version < FOLD_VERSION:
                policy_id = engine.identity.id
                await self.change(lambda batch, i=policy_id: declare_fold(batch, i), timeout)  # type: ignore[misc]
            warn_of_newer_fold(engine)

    async def reach(self, policy: str, position: int, timeout: float) -> None:
        """Returns when the policy's state has this position: at once, or after reading on.

        Raises NotCaughtUp if that does not succeed in time, AheadOfJournal, PolicyNotFound.
        """
        engine = self._registry.by_name.get(policy)
        if engine is not None and engine.position >= position:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.submit(PollJob(settle(future), refuse(future)))
        try:
            await within(future, timeout)
        except StoreUnavailable:
            raise NotCaughtUp(policy, position, engine.position if engine else 0) from None
        engine = self._registry.by_name.get(policy)
        if engine is None:
            raise self._registry.refusal(policy)
        if self.following.head(engine) < position:
            raise AheadOfJournal(policy, position, self.following.head(engine))
        if engine.position < position:  # it cannot fold what is there
            raise NotCaughtUp(policy, position, engine.position)

    def health(self) -> ReplicaHealth:
        following = self.following
        contact = following.last_contact
        return ReplicaHealth(
            replica=following.replica,
            queue_rows=self._hearing.rows_under_way,
            last_commit_seconds=following.last_commit_seconds,
            seconds_since_contact=None if contact is None else time.monotonic() - contact,
            in_trouble=following.in_trouble(),
            buffered_rows=len(self.backlog),
            buffered_bytes=self.backlog.bytes,
            abandoned_writers=self._abandoned,
            policies=following.all(),
        )

    async def close(self, seconds: float = CLOSE_SECONDS) -> int:
        """Writes what waits, then ends the thread. Takes `seconds` at most.

        Returns how many decisions were answered and could not be made durable: they are lost.
        """
        if self._loop is None or self._hearing.present is None:  # it never began, or has ended
            return len(self.backlog)
        self._closing = True
        until = self._loop.time() + seconds
        await self.backlog.emptied(seconds)
        self._queue.close()
        try:
            ended = self._hearing.ended_event.wait()
            await asyncio.wait_for(ended, max(0.0, until - self._loop.time()))
        except TimeoutError:
            self._give_up_writer()
        self._watcher.cancel()
        return len(self.backlog)

    # -- the writer and its end ---------------------------------------------------------------

    def _begin(self, unsure: bool) -> None:
        assert self._loop is not None
        writer = Writer(
            self.store,
            self._queue,
            self._registry,
            self._load,
            self._shape_of,
            self._now,
            self._limits.poll_seconds,
            self._hearing,
            self._loop,
            unsure,
        )
        self._hearing.present = writer
        writer.start()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Gives a writer up that has hung for too long."""
        patience = self._limits.stuck_seconds
        if self.stalled_seconds() > patience:
            log.error("the database has kept the writer waiting for too long: another one begins")
            self._give_up_writer()
            self._begin(unsure=True)
        self._watcher = loop.call_later(patience / 4, self._watch, loop)

    def _give_up_writer(self) -> None:
        """What it has may be committed or not. Who waits for it hears that, and may ask again."""
        writer, self._hearing.present = self._hearing.present, None
        self._abandoned += 1
        self.following.could_not_write()
        in_hand = self._queue.give_up(writer)
        self.store.abandon()
        for job in in_hand:
            self._hearing.fail(job, StoreUnavailable())
