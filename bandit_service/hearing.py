"""What a writer tells, heard on the event loop: entries to the engines, answers to callers.

What the engines have applied is the truth of this process. A writer begins with a copy of it,
and its news count only as long as it is the present one: so a writer that hangs can be given
up at any moment, whatever it may yet commit. Its successor reads that, like what other
replicas write, in its place in the journal, and once.
"""

import asyncio
import logging
import threading
from typing import Any

from bandit_service import failpoints
from bandit_service.batch import Batch
from bandit_service.configuration import ShapeOf
from bandit_service.engine import FOLD_VERSION, PolicyEngine, Registry
from bandit_service.errors import BanditError, HeadLocked, NotUnderstood, StoreUnavailable
from bandit_service.following import Following
from bandit_service.model import JournalEntry
from bandit_service.watching import WriterWatch
from bandit_service.work import Job
from bandit_service.writer import Writer

log = logging.getLogger(__name__)


class Hearing:
    """See writer.Listener. `present` is the writer that is listened to.

    `rows_under_way` counts the rows that were queued and not answered yet.
    """

    def __init__(
        self, registry: Registry, following: Following, shape_of: ShapeOf, watch: WriterWatch
    ) -> None:
        self.present: Writer | None = None
        self.rows_under_way = 0
        self.ended_event = asyncio.Event()
        self._registry = registry
        self._following = following
        self._shape_of = shape_of
        self._watch = watch

    def delivered(
        self, writer: Writer, batch: Batch, results: list[tuple[Job, Any]], seconds: float
    ) -> None:
        if writer is not self.present:  # it is committed all the same: the next one reads it
            for job, _ in results:
                self.fail(job, StoreUnavailable())
            return
        failpoints.hit("before_deliver")
        was_in_trouble = self._following.in_trouble()
        self._following.wrote(seconds)
        self._note_contact(was_in_trouble)
        self._watch.committed(sum(job.rows for job, _ in results), seconds)
        for identity in batch.created:
            self._registry.add(PolicyEngine(identity, self._shape_of))
        for policy_id, entry in batch.entries:
            self._apply(policy_id, entry)
        for policy_id in batch.deleted:
            self._registry.remove(policy_id)
        failpoints.hit("before_answers")
        for job, result in results:
            if isinstance(result, BanditError):
                self.fail(job, result)
            else:
                self._answer(job, result)
        failpoints.hit("after_answers")
        self._watch.heard(batch.heard, batch.entries)

    def commit_failed(self, writer: Writer, error: Exception) -> None:
        if writer is not self.present:
            return
        self._watch.commit_failed(error)
        if isinstance(error, StoreUnavailable) and not self._following.in_trouble():
            log.warning("the database does not answer", exc_info=error)

    def refused(self, writer: Writer, job: Job, error: Exception) -> None:
        is_silent = isinstance(error, StoreUnavailable) and not isinstance(error, HeadLocked)
        if is_silent and writer is self.present:
            self._following.could_not_write()
        self.fail(job, error)

    def answered(self, writer: Writer, job: Job) -> None:
        if writer is self.present:
            self._answer(job, None)

    def read_on(
        self,
        writer: Writer,
        policy_id: int,
        entries: list[JournalEntry],
        heard: threading.Event,
    ) -> None:
        if writer is self.present:
            for entry in entries:
                self._apply(policy_id, entry)
            self._watch.heard((), [(policy_id, entry) for entry in entries])
        heard.set()

    def replaced(self, writer: Writer, made: list[PolicyEngine], gone: list[int]) -> None:
        if writer is self.present:
            for policy_id in gone:
                self._registry.remove(policy_id)
            for engine in made:
                self._registry.add(engine)

    def stopped(self, writer: Writer, policy_id: int, why: NotUnderstood) -> None:
        if writer is self.present:
            self._registry.stopped[policy_id] = why

    def polled(self, writer: Writer, heads: dict[int, int], began: float) -> None:
        if writer is self.present:
            was_in_trouble = self._following.in_trouble()
            self._following.read(heads, began)
            self._note_contact(was_in_trouble)

    def _note_contact(self, was_in_trouble: bool) -> None:
        self._watch.contacted()
        if was_in_trouble and not self._following.in_trouble():
            log.warning("the database answers again")

    def poll_failed(self, writer: Writer) -> None:
        if writer is self.present:
            self._following.could_not_read()

    def ended(self, writer: Writer) -> None:
        if writer is self.present:
            self.ended_event.set()

    def _apply(self, policy_id: int, entry: JournalEntry) -> None:
        engine = self._registry.by_id.get(policy_id)
        if engine is None:  # deleted meanwhile
            return
        folded_by = engine.journal_fold_version
        try:
            engine.apply(entry)
            if engine.journal_fold_version > folded_by:
                warn_of_newer_fold(engine)
        except Exception:
            # It is in the journal, so those who wait are to hear that. The engine stays
            # behind, and routes on what it knows.
            log.exception("policy %d cannot fold entry %d", policy_id, entry.position)

    def is_news(self, job: Job) -> bool:
        """Whether nobody has been told yet what became of a job; from now on it is none."""
        if job.is_told:
            return False
        job.is_told = True
        self.rows_under_way -= job.rows
        return True

    def _answer(self, job: Job, result: Any) -> None:
        try:
            if self.is_news(job):
                job.done(result)
        except Exception:
            log.exception("an answer could not be given")  # the others are to get theirs

    def fail(self, job: Job, error: Exception) -> None:
        try:
            if self.is_news(job):
                job.failed(error)
        except Exception:
            log.exception("a refusal could not be given")


def warn_of_newer_fold(engine: PolicyEngine) -> None:
    """Where it is so: this program goes on, by its own rules."""
    if engine.journal_fold_version > FOLD_VERSION:
        log.warning(
            "the journal of policy %r is folded by a newer version of this program; what this one "
            "learns from it may differ from what its replicas do: upgrade it",
            engine.identity.name,
        )
