"""What is done beside serving: checkpoints, retention and closing windows of budgets, by one
replica at a time; and by each, keeping its own leases on budgets.

The scheduler keeps nothing: its jobs are made anew at every start. What it calls on the event loop
takes a snapshot, which is a matter of microseconds; all the rest happens in a thread.
"""

import asyncio
import logging
import os
import socket
import time
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MISSED,
    EVENT_JOB_SUBMITTED,
    JobEvent,
    JobExecutionEvent,
)
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bandit_service.checkpoints import CHORES, Keeper
from bandit_service.engine import PolicyEngine, Registry
from bandit_service.errors import BadCheckpoint, LeaseLost, RefusedByDatabase, StoreUnavailable
from bandit_service.lookups import aside
from bandit_service.model import BudgetWindow, Checkpoint, Lease, Pruned, from_units
from bandit_service.ports import Store
from bandit_service.retention import Keep, oldest_checkpoints, prune
from bandit_service.spending import Spending

log = logging.getLogger(__name__)

T = TypeVar("T")

LEASE_SECONDS = 15.0
RENEWALS = 3  # a lease
LOOKS_EVERY = 1.0  # seconds
TIDY_EVERY = 3600.0
WINDOWS_EVERY = 5.0
SPENDING_EVERY = 0.5
ROLLBACK_EVERY = 10.0
TIDYING, ROLLING_BACK = "tidy_up", "roll_back"
# May take minutes, and can be broken off anywhere.
NOT_WAITED_FOR = {TIDYING, ROLLING_BACK}
RETRY_SECONDS = 10.0  # after a checkpoint that could not be written


@dataclass(slots=True)
class Done:
    """What has been saved of a policy, and when it was last tried, by the monotonic clock."""

    position: int
    tried: float
    failed: bool = False


class Jobs:
    """Checkpoints what the engines of a registry have learned.

    `seconds` and `events`: a policy that has changed gets a checkpoint after so many seconds, or
    at once after so many events. `keep` says what else may be let go, and when; `rollback` looks
    at challengers. Owned by the event loop.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        keeper: Keeper,
        *,
        seconds: float,
        events: int,
        keep: Keep | None = None,
        spending: Spending | None = None,
        rollback: Callable[[], Awaitable[None]] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._registry = registry
        self._keeper = keeper
        self._seconds, self._events = seconds, events
        self._retention = keep or Keep()
        self._spending = spending
        self._rollback = rollback
        self._monotonic = monotonic
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._lease: Lease | None = None
        self._done: dict[int, Done] = {}
        self._failures: dict[str, float] = {}
        # By policy: the last that this replica wrote, or else the one it started from.
        self.newest: dict[int, Checkpoint] = {}
        # A thread each, so that a long checkpoint does not cost the lease it is written under.
        self._saver = ThreadPoolExecutor(1, "checkpoints")
        self._renewer = ThreadPoolExecutor(1, "lease")
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            # By default a run that comes a second late is left out without a word.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        # It warns of every look that comes while a checkpoint is under way.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._scheduler.add_listener(_tell, EVENT_JOB_ERROR | EVENT_JOB_MISSED)
        self._under_way = 0  # runs of jobs
        self._idle = asyncio.Event()
        self._idle.set()
        self._scheduler.add_listener(self._began, EVENT_JOB_SUBMITTED)
        self._scheduler.add_listener(
            self._ended, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR | EVENT_JOB_MISSED
        )

    def begin_from(self, checkpoints: dict[int, Checkpoint]) -> None:
        """The checkpoints, by policy, that the engines were made from."""
        now = self._monotonic()
        self._done = {policy_id: Done(one.position, now) for policy_id, one in checkpoints.items()}
        self.newest = dict(checkpoints)

    def start(self) -> None:
        """On a running event loop."""
        at_once = datetime.now(UTC)
        jobs = (
            (self.renew, LEASE_SECONDS / RENEWALS),
            (self.checkpoint, LOOKS_EVERY),
            (self.tidy_up, TIDY_EVERY),
            (self.close_windows, WINDOWS_EVERY),
            (self.keep_budgets, SPENDING_EVERY),
            (self.roll_back, ROLLBACK_EVERY),
        )
        for job, every in jobs:
            self._scheduler.add_job(
                job, "interval", id=job.__name__, seconds=every, next_run_time=at_once
            )
        self._scheduler.start()

    async def close(self) -> None:
        """Writes what has changed since the last checkpoints, if this replica has the lease."""
        if self._scheduler.running:
            # To shut it down cancels what is under way, so that has to end first, and the last
            # checkpoints are none of its jobs.
            self._scheduler.remove_all_jobs()
            await self._idle.wait()
            self._scheduler.shutdown(wait=False)
            if await self.renew():
                await self.checkpoint(everything=True)
                await self._drop()
        self._saver.shutdown()
        self._renewer.shutdown()

    def _began(self, event: JobEvent) -> None:
        if event.job_id not in NOT_WAITED_FOR:
            self._under_way += 1
            self._idle.clear()

    def _ended(self, event: JobEvent) -> None:
        if event.job_id not in NOT_WAITED_FOR:
            self._under_way -= 1
        if not self._under_way:
            self._idle.set()

    def failures(self) -> dict[str, float]:
        """Checkpoints that came to nothing, by policy. From any thread."""
        return dict(self._failures)

    async def renew(self) -> bool:
        """Keeps the lease, or takes it if nobody has it. False: the database did not answer."""
        leases = self._store.leases
        try:
            found = await self._in(self._renewer, leases.take, CHORES, self._holder, LEASE_SECONDS)
        except StoreUnavailable:
            log.warning("the lease of %r could not be renewed: no answer from the database", CHORES)
            return False  # whether it is still ours, the next write will show
        if found is None and self._lease is not None:
            log.warning("another replica has taken over the lease of %r", CHORES)
        elif found is not None and found != self._lease:
            log.info("this replica has the lease of %r, epoch %d", CHORES, found.epoch)
            if self._scheduler.get_job(TIDYING):
                soon = datetime.now(UTC) + timedelta(seconds=LOOKS_EVERY)
                self._scheduler.modify_job(TIDYING, next_run_time=soon)
        self._lease = found
        return True

    async def _drop(self) -> None:
        if self._lease is None:
            return
        try:
            await self._in(self._renewer, self._store.leases.drop, self._lease)
        except StoreUnavailable:
            log.warning("the lease of %r could not be given back; it runs out by itself", CHORES)

    async def checkpoint(self, *, everything: bool = False) -> None:
        """Saves each policy that is due; `everything`: each that has changed."""
        due = self._has_changed if everything else self._is_due
        for engine in list(self._registry.by_id.values()):
            if self._lease is None:
                return
            if due(engine) and not await self._work(engine, self._lease):
                return  # nor will it for the other policies

    async def tidy_up(self) -> None:
        """Makes room for the coming weeks, and lets go what is kept long enough."""
        if self._lease is None:
            return
        try:
            for one in await aside(self._prune):
                log.info("let go: %d rows of %s %s", one.rows, one.table, one.partition)
        except (StoreUnavailable, RefusedByDatabase) as error:
            log.warning("nothing was tidied up: %s", error)
        except asyncio.CancelledError:
            log.info("stopped while it was tidying up: the next start goes on")

    async def keep_budgets(self) -> None:
        """Each replica keeps its own leases on budgets."""
        if self._spending is not None:
            await self._spending.renew()

    async def close_windows(self) -> None:
        """Lets leases on budgets run out whose holders are gone, and closes windows, with a
        report."""
        if self._lease is None:
            return
        try:
            closed = await self._in(self._renewer, self._store.ledger.sweep)
        except StoreUnavailable as error:
            log.warning("no windows of budgets were closed: %s", error)
            return
        for window in closed:
            log.info("closed a window of budget %r", window.budget, extra=_report(window))

    async def roll_back(self) -> None:
        """Takes the share from challengers that are surely worse, if this replica has the lease."""
        if self._lease is not None and self._rollback is not None:
            await self._rollback()

    def _prune(self) -> list[Pruned]:
        held = oldest_checkpoints(self._store)
        return prune(self._store, self._retention, time.time(), held)

    def _has_changed(self, engine: PolicyEngine) -> bool:
        done = self._done.get(engine.identity.id)
        return engine.is_whole and (done is None or engine.position > done.position)

    def _is_due(self, engine: PolicyEngine) -> bool:
        if not self._has_changed(engine):
            return False
        now = self._monotonic()
        done = self._done.setdefault(engine.identity.id, Done(0, now))
        waited = now - done.tried
        if done.failed:
            return waited >= min(RETRY_SECONDS, self._seconds)
        return waited >= self._seconds or engine.position - done.position >= self._events

    async def _work(self, engine: PolicyEngine, lease: Lease) -> bool:
        """Whether the database answered."""
        name = engine.identity.name
        try:
            await self._save(engine, lease)
        except LeaseLost as lost:
            log.warning("%s: another replica does it from now on", lost)
            if self._lease == lease:
                self._lease = None
        except (StoreUnavailable, BadCheckpoint) as error:
            log.warning("no checkpoint of policy %r: %s", name, error)
            self._failures[name] = self._failures.get(name, 0.0) + 1.0
            return isinstance(error, BadCheckpoint)
        return True

    async def _save(self, engine: PolicyEngine, lease: Lease) -> None:
        identity, keeper = engine.identity, self._keeper
        done = self._done.setdefault(identity.id, Done(0, 0.0))
        done.tried, done.failed = self._monotonic(), True
        saved = await self._in(self._saver, keeper.save, identity, engine.snapshot(), lease)
        done.position, done.failed = saved.position, False
        self.newest[identity.id] = saved
        await self._in(self._saver, keeper.prune, identity, lease)
        await self._in(self._saver, keeper.prune_deleted_policies, lease)

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)


def _report(window: BudgetWindow) -> dict[str, float | int]:
    """What is logged of a closed window, in dollars or joules."""
    unit = window.resource.value
    amounts = {"amount": window.amount, "spent": window.spent, "overrun": window.overrun}
    return {
        "policy_id": window.policy_id,
        "requests": window.requests,
        **{f"{k}_{unit}": from_units(window.resource, v) for k, v in amounts.items()},
    }


def _tell(event: JobExecutionEvent) -> None:
    """Without a listener an error of a job is one line in a log that nobody keeps."""
    if event.exception is not None:
        log.error("a job failed: %s", event.job_id, exc_info=event.exception)
    else:
        log.error("a job was missed: %s at %s", event.job_id, event.scheduled_run_time)
