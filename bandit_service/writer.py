"""The thread that waits for the database, so that nobody else has to.

It commits what has gathered (group commit), and between commits reads what other replicas
have written. Both go through the same hands: so everything it tells the event loop is in the
order of the journal, whoever wrote it. It may hang; then it is given up and another one takes
its place, and what it still says is not listened to.
"""

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from bandit_service.batch import Batch, Known
from bandit_service.checkpoints import Recovered
from bandit_service.committing import commit, concerns
from bandit_service.configuration import ShapeOf
from bandit_service.engine import PolicyEngine, Registry
from bandit_service.errors import (
    BanditError,
    BrokenJournal,
    HeadLocked,
    NotUnderstood,
    StoreUnavailable,
)
from bandit_service.model import Decision, JournalEntry, StoredPolicy
from bandit_service.ports import Store
from bandit_service.recovering import WriteApart
from bandit_service.work import DecisionJob, Job, PollJob, WorkQueue

log = logging.getLogger(__name__)

# Entries read and applied at once: they hold the event loop up for some milliseconds.
PAGE = 256
LONGEST_LOCKED_SECONDS = 5.0  # what waits for a journal that somebody else holds


class Listener(Protocol):
    """Hears of everything on the event loop, in the order in which it happened."""

    def delivered(
        self, writer: "Writer", batch: Batch, results: list[tuple[Job, Any]], seconds: float
    ) -> None:
        """A batch is durable; its commit took so long."""
        ...

    def commit_failed(self, writer: "Writer", error: Exception) -> None:
        """A transaction came to nothing; its jobs are refused, or tried again one by one."""
        ...

    def refused(self, writer: "Writer", job: Job, error: Exception) -> None: ...

    def read_on(
        self,
        writer: "Writer",
        policy_id: int,
        entries: list[JournalEntry],
        heard: threading.Event,
    ) -> None:
        """Somebody else wrote these; `heard` is to be set."""
        ...

    def replaced(self, writer: "Writer", made: list[PolicyEngine], gone: list[int]) -> None:
        """Somebody else created and deleted policies."""
        ...

    def stopped(self, writer: "Writer", policy_id: int, why: NotUnderstood) -> None:
        """A newer program wrote what follows in this journal."""
        ...

    def polled(self, writer: "Writer", heads: dict[int, int], began: float) -> None:
        """All of `heads` has been read; it was true at `began` (monotonic)."""
        ...

    def answered(self, writer: "Writer", job: Job) -> None:
        """What was asked for has been told by now."""
        ...

    def poll_failed(self, writer: "Writer") -> None: ...

    def ended(self, writer: "Writer") -> None: ...


class Writer:
    """One thread. What it knows at first is what the engines have applied.

    `busy_since` (monotonic) is when it last began to wait for the database; None while idle.
    """

    def __init__(
        self,
        store: Store,
        queue: WorkQueue,
        registry: Registry,
        load: Callable[[StoredPolicy, Callable[[], None]], Recovered],
        shape_of: ShapeOf,
        now: Callable[[], float],
        poll_seconds: float,
        listener: Listener,
        loop: asyncio.AbstractEventLoop,
        unsure: bool,
    ) -> None:
        self.busy_since: float | None = None
        self._store = store
        self._queue = queue
        self._load = load
        self._shape_of = shape_of
        self._now = now
        self._poll_seconds = poll_seconds
        self._listener = listener
        self._loop = loop
        self._known = {i: Known(engine) for i, engine in registry.by_id.items()}
        self._recent: OrderedDict[str, Decision] = OrderedDict()
        self._unsure = unsure  # whether a commit may have happened without our hearing of it
        self._next_poll = time.monotonic() + poll_seconds
        self._put_off: list[Job] = []  # another replica holds their policy's journal
        self._broken: dict[int, int] = {}  # policy -> position that cannot be read
        for policy_id, known in self._known.items():
            known.stopped = registry.stopped.get(policy_id)
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _is_alive(self) -> None:
        self.busy_since = time.monotonic()

    # -- on the writer's thread -----------------------------------------------------------

    def _run(self) -> None:
        while (jobs := self._queue.take(self, self._next_poll, self._put_off)) is not None:
            try:
                self._do(jobs)
            except Exception:
                log.exception("the writer stumbled")  # a bug; the thread has to live on
                for job in jobs:
                    self._tell(self._listener.refused, job, StoreUnavailable())
            self.busy_since = None
        if not self._queue.has_given_up(self):
            self._write_all(self._take_put_off())
            for job in self._put_off:
                self._tell(self._listener.refused, job, StoreUnavailable())
            self._tell(self._listener.ended)

    def _do(self, jobs: list[Job]) -> None:
        is_due = time.monotonic() >= self._next_poll
        asked: list[Job] = [job for job in jobs if isinstance(job, PollJob)]
        rest = [job for job in jobs if not isinstance(job, PollJob)]
        if is_due:
            rest = self._take_put_off() + rest
        if is_due or asked or self._unsure:
            error = self._poll()
            for job in asked:
                if error is None:
                    self._tell(self._listener.answered, job)
                else:
                    self._tell(self._listener.refused, job, error)
            if error is not None and self._unsure:
                for job in rest:
                    self._tell(self._listener.refused, job, error)
                return
        self._write_all(rest)

    def _take_put_off(self) -> list[Job]:
        jobs, self._put_off = self._put_off, []
        return jobs

    # -- writing --------------------------------------------------------------------------

    def _write_all(self, jobs: list[Job]) -> None:
        if not jobs or self._queue.has_given_up(self):
            return
        self.busy_since = began = time.monotonic()
        batch = self._batch()
        try:
            try:
                results = commit(batch, jobs)
            except BrokenJournal as broken:
                if not self._starts_over(broken):
                    raise
                batch = self._batch()
                results = commit(batch, jobs)
        except HeadLocked as locked:
            held_up = [job for job in jobs if concerns(batch, job, locked.policy_id)]
            self._put_off_or_refuse(held_up, locked)
            self._write_all([job for job in jobs if job not in held_up])
        except WriteApart:
            self._write_all([job for job in jobs if isinstance(job, DecisionJob)])
            self._write_all([job for job in jobs if not isinstance(job, DecisionJob)])
        except StoreUnavailable as error:
            self._unsure = True
            self._tell(self._listener.commit_failed, error)
            for job in jobs:
                self._tell(self._listener.refused, job, error)
        except Exception as error:  # noqa: BLE001 - the thread has to live on
            self._tell(self._listener.commit_failed, error)
            self._isolate(jobs, error)
        else:
            batch.stands()
            self._tell(self._listener.delivered, batch, results, time.monotonic() - began)

    def _batch(self) -> Batch:
        return Batch(self._store, self._known, self._recent, self._shape_of, self._now())

    def _put_off_or_refuse(self, jobs: list[Job], locked: HeadLocked) -> None:
        """Nothing of them was written. The others are not to wait with them."""
        for job in jobs:
            if time.monotonic() - job.began < LONGEST_LOCKED_SECONDS:
                self._put_off.append(job)
            else:
                self._tell(self._listener.refused, job, locked)

    def _isolate(self, jobs: list[Job], error: Exception) -> None:
        """One bad job may not fail the others: each gets a transaction of its own."""
        if len(jobs) > 1:
            for job in jobs:
                self._write_all([job])
            return
        if not isinstance(error, BanditError):
            log.error("a job could not be written", exc_info=error)
        self._tell(self._listener.refused, jobs[0], error)

    # -- following ------------------------------------------------------------------------

    def _poll(self) -> StoreUnavailable | None:
        """Reads on in every journal; says why not, if the database does not answer."""
        began = self.busy_since = time.monotonic()
        self._next_poll = began + self._poll_seconds
        try:
            heads = self._store.heads()
            self._follow_policies(heads)
            for policy_id, head in heads.items():
                self._follow(policy_id, head)
        except StoreUnavailable as error:
            self._tell(self._listener.poll_failed)
            return error
        self._unsure = False
        self._tell(self._listener.polled, heads, began)
        return None

    def _follow_policies(self, heads: dict[int, int]) -> None:
        gone = [policy_id for policy_id in self._known if policy_id not in heads]
        made: list[PolicyEngine] = []
        if heads.keys() - self._known.keys() - self._broken.keys():
            for identity in self._store.policies():
                if identity.id not in self._known and identity.id not in self._broken:
                    made += self._loaded(identity)
        for policy_id in gone:
            del self._known[policy_id]
        if made or gone:
            self._tell(self._listener.replaced, made, gone)

    def _loaded(self, identity: StoredPolicy) -> list[PolicyEngine]:
        try:
            recovered = self._load(identity, self._is_alive)
        except BrokenJournal as broken:
            self._note_broken(identity.id, 0, broken)
            return []
        self._known[identity.id] = known = Known(recovered.engine)
        known.stopped = recovered.stopped
        return [recovered.engine] if recovered.engine.revision else []

    def _follow(self, policy_id: int, head: int) -> None:
        known = self._known.get(policy_id)
        while known is not None and known.position < head:
            if known.stopped is not None:
                self._stop(policy_id, known.position, known.stopped)
                return
            self._is_alive()
            try:
                page = self._page(policy_id, known)
            except BrokenJournal as broken:
                if not self._starts_over(broken):
                    return
                page = []
            except (ValueError, ArithmeticError, msgspec.MsgspecError) as wrong:
                self._note_broken(policy_id, known.position, wrong)
                return
            known = self._known[policy_id]
            if not page:
                continue
            heard = threading.Event()
            self._tell(self._listener.read_on, policy_id, page, heard)
            while known.position < head and not heard.wait(0.5):  # far behind: at the loop's pace
                self._is_alive()
                if self._queue.has_given_up(self):
                    return

    def _starts_over(self, broken: BrokenJournal) -> bool:
        """Where retention has let go what this replica had not read yet, a checkpoint has it:
        whether there is one, and the policy's engine has been made anew from there."""
        policy_id = broken.policy_id
        known = self._known.get(policy_id)
        identity = next((one for one in self._store.policies() if one.id == policy_id), None)
        if known is None or identity is None or self._broken.get(policy_id) == known.position:
            return False
        try:
            recovered = self._load(identity, self._is_alive)
        except BrokenJournal as still:
            self._note_broken(policy_id, known.position, still)
            return False
        log.warning(
            "the journal of policy %r does not go back to position %d any more, to which this "
            "replica had read it: it goes on from a checkpoint",
            identity.name,
            known.position,
        )
        self._known[policy_id] = anew = Known(recovered.engine)
        anew.stopped = recovered.stopped
        self._tell(self._listener.replaced, [recovered.engine], [policy_id])
        return True

    def _page(self, policy_id: int, known: Known) -> list[JournalEntry]:
        page = self._store.events(policy_id, known.position, PAGE)
        ahead = known.copy()
        for entry in page:
            if entry.position != ahead.position + 1:
                break
            try:
                ahead.follow(entry, self._shape_of)
            except NotUnderstood:
                break
        if ahead.stopped is not None:
            page = page[: ahead.position - known.position]
        elif not page or ahead.position != page[-1].position:
            raise BrokenJournal(policy_id, ahead.position + 1)
        self._known[policy_id] = ahead
        return page

    def _stop(self, policy_id: int, position: int, why: NotUnderstood) -> None:
        """Says so once, however this was found out."""
        if self._broken.get(policy_id) != position:
            self._broken[policy_id] = position
            log.error("%s", why)
            self._tell(self._listener.stopped, policy_id, why)

    def _note_broken(self, policy_id: int, position: int, error: Exception) -> None:
        """Once, not four times a second. The policy routes on what it knows."""
        if self._broken.get(policy_id) != position:
            self._broken[policy_id] = position
            log.error(
                "policy %d cannot be followed past position %d", policy_id, position, exc_info=error
            )

    def _tell(self, call: Callable[..., None], *what: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(call, self, *what)
        except RuntimeError:  # the loop has gone: nobody is left to be told
            log.warning("an answer came too late: the event loop has ended")
