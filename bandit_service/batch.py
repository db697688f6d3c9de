"""One transaction of the writer: what its jobs write, and what follows from it.

Everything here runs on the writer's thread. A policy's journal is locked before it is
read, so what is planned from it cannot change before it is committed; while the lock is
held, whatever other replicas appended is read as well.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from bandit_service import failpoints
from bandit_service.configuration import Change, ShapeOf, check, restarts
from bandit_service.engine import PolicyEngine, etag
from bandit_service.errors import (
    BanditError,
    BrokenJournal,
    DecisionNotFound,
    IdReused,
    PolicyNotFound,
    StaleEtag,
)
from bandit_service.model import (
    Decision,
    JournalEntry,
    PolicyConfig,
    Recorded,
    RecordedFeedback,
    RevisionEvent,
    StoredPolicy,
    Submission,
)
from bandit_service.planning import Standing, Terms, decisions_of, digest, plan
from bandit_service.ports import Store

Taken = dict[str, Decision]  # id of a decision left out -> the one that has its request id

MOST_CACHED_DECISIONS = 20_000
PAGE = 5_000  # entries read at once


class Job:
    """Work for the writer, and whom to tell. `rows` counts towards the limits."""

    rows = 1

    def __init__(self, done: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
        self.done = done
        self.failed = failed


class DecisionJob(Job):
    """Stores decisions; answers with those whose request id was taken."""

    def __init__(
        self,
        decisions: Sequence[Decision],
        done: Callable[[Taken], None],
        failed: Callable[[Exception], None],
    ) -> None:
        super().__init__(done, failed)
        self.decisions = decisions
        self.rows = len(decisions)


class FeedbackJob(Job):
    """Records submissions; answers with a Recorded or a BanditError for each."""

    def __init__(
        self,
        submissions: Sequence[Submission],
        done: Callable[[list[Recorded | BanditError]], None],
        failed: Callable[[Exception], None],
    ) -> None:
        super().__init__(done, failed)
        self.submissions = submissions
        self.rows = len(submissions)


class PolicyJob(Job):
    """Creates, changes or deletes a policy."""

    def __init__(
        self,
        work: "Callable[[Batch], Any]",
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
    ) -> None:
        super().__init__(done, failed)
        self.work = work


class Known:
    """What the writer knows of a policy's journal: as far as it has read or written."""

    def __init__(self, engine: PolicyEngine | None = None) -> None:
        self.position = engine.position if engine else 0
        self.revision = engine.revision if engine else 0
        self.terms: Terms | None = engine.terms() if engine else None

    def follow(self, entry: JournalEntry, shape_of: ShapeOf) -> None:
        event = entry.event
        self.position = entry.position
        if isinstance(event, RevisionEvent):
            self.revision = event.revision
            version = shape_of(event.config.features).version
            self.terms = Terms(event.config, event.epoch, event.started_epoch, version)


class Batch:
    """One transaction's worth of jobs."""

    def __init__(
        self,
        store: Store,
        known: dict[int, Known],
        recent: OrderedDict[str, Decision],
        shape_of: ShapeOf,
        now: float,
    ) -> None:
        self._store = store
        self._shape_of = shape_of
        self._committed = known
        self._recent = recent
        self.now = now
        self._heads: dict[int, Known] = {}
        self.entries: list[tuple[int, JournalEntry]] = []
        self.created: list[StoredPolicy] = []
        self.deleted: list[int] = []

    def commit(self, jobs: list[Job]) -> list[tuple[Job, Any]]:
        """Writes the jobs and returns each with its result."""
        decisions = [d for job in jobs if isinstance(job, DecisionJob) for d in job.decisions]
        feedback = [job for job in jobs if isinstance(job, FeedbackJob)]
        results: list[tuple[Job, Any]] = []
        if len(decisions) == sum(job.rows for job in jobs) and not _asked(decisions):
            failpoints.hit("before_log")
            self._store.log_decisions(decisions)
            failpoints.hit("after_log")
            self._remember(decisions, {})
            return [(job, {}) for job in jobs]
        with self._store.write() as self.tx:
            failpoints.hit("after_begin")
            taken = self.tx.add_decisions(decisions) if decisions else {}
            self._remember(decisions, taken)
            failpoints.hit("after_decisions")
            for job in jobs:
                if isinstance(job, DecisionJob):
                    results.append((job, taken))
                elif isinstance(job, PolicyJob):
                    results.append((job, self._work(job)))
            if feedback:
                recorded = iter(_record(self, [s for job in feedback for s in job.submissions]))
                results += [(job, [next(recorded) for _ in job.submissions]) for job in feedback]
            failpoints.hit("before_commit")
        failpoints.hit("after_commit")
        self._committed.update(self._heads)
        for policy_id in self.deleted:
            self._committed.pop(policy_id, None)
        return results

    def _work(self, job: PolicyJob) -> Any:
        """A refusal comes before any write, so it fails the one job alone."""
        try:
            return job.work(self)
        except BanditError as error:
            return error

    def _remember(self, decisions: list[Decision], taken: Taken) -> None:
        """Feedback soon asks for what was just decided."""
        for decision in decisions:
            if decision.id not in taken:
                self._recent[decision.id] = decision
        while len(self._recent) > MOST_CACHED_DECISIONS:
            self._recent.popitem(last=False)

    def decisions(self, ids: set[str]) -> dict[str, Decision]:
        found = {i: self._recent[i] for i in ids if i in self._recent}
        missing = sorted(ids - found.keys())
        return found | (self.tx.decisions(missing) if missing else {})

    def head(self, policy_id: int) -> Known:
        """Locks a policy's journal and catches up with what others have written."""
        known = self._heads.get(policy_id)
        if known is None:
            head = self.tx.lock_head(policy_id)
            known = Known()
            before = self._committed.get(policy_id)
            if before is not None:
                known.__dict__.update(before.__dict__)
            self._heads[policy_id] = known
            while known.position < head:
                page = self.tx.events(policy_id, known.position, PAGE)
                if not page:
                    raise BrokenJournal(policy_id, known.position + 1)
                for entry in page:
                    self._follow(policy_id, known, entry)
        return known

    def append(
        self,
        policy_id: int,
        entries: list[JournalEntry],
        recorded: Sequence[RecordedFeedback] = (),
        standing: Standing | None = None,
    ) -> None:
        outcomes = list(standing.changed_outcomes.values()) if standing else []
        learned = list(standing.changed_learned.values()) if standing else []
        known = self.head(policy_id)
        self.tx.append(policy_id, entries, recorded, outcomes, learned)
        for entry in entries:
            self._follow(policy_id, known, entry)

    def _follow(self, policy_id: int, known: Known, entry: JournalEntry) -> None:
        known.follow(entry, self._shape_of)
        self.entries.append((policy_id, entry))

    # -- policies ---------------------------------------------------------------------------

    def create(self, config: PolicyConfig) -> int:
        """The id of the new policy. Raises PolicyExists."""
        checked = check(config, self._shape_of)
        identity = self.tx.create_policy(config.name, secrets.token_bytes(32), self.now)
        self.created.append(identity)
        self.append(identity.id, [JournalEntry(1, RevisionEvent(1, 0, 0, checked, self.now))])
        return identity.id

    def revise(self, policy_id: int, given_etag: str, change: Change) -> bool:
        """Changes a policy's configuration; True if learning starts afresh.

        Raises StaleEtag, or what the change raises.
        """
        known = self.head(policy_id)
        assert known.terms is not None
        self._check_etag(policy_id, known, given_etag)
        old, epoch = known.terms.config, known.terms.epoch
        started = known.terms.started_epoch
        new = check(change(old), self._shape_of)
        afresh = restarts(old, new, self._shape_of)
        if new != old:
            epoch += afresh or new.forgetting != old.forgetting
            started = epoch if afresh else started
            event = RevisionEvent(known.revision + 1, epoch, started, new, self.now)
            self.append(policy_id, [JournalEntry(known.position + 1, event)])
        return afresh

    def delete(self, policy_id: int, given_etag: str) -> None:
        self._check_etag(policy_id, self.head(policy_id), given_etag)
        self.tx.delete_policy(policy_id, self.now)
        self.deleted.append(policy_id)

    def _check_etag(self, policy_id: int, known: Known, given: str) -> None:
        current = etag(policy_id, known.revision)
        if given and given != current:
            assert known.terms is not None
            raise StaleEtag(known.terms.config.name, given, current)


def _asked(decisions: Sequence[Decision]) -> bool:
    """Whether any request id has to be claimed."""
    return any(decision.request_id is not None for decision in decisions)


def _record(batch: Batch, submissions: list[Submission]) -> list[Recorded | BanditError]:
    """Plans and appends submissions, policy by policy, in the order they came."""
    decisions = batch.decisions({i for s in submissions for i in decisions_of(s)})
    answers: list[Recorded | BanditError | None] = [None] * len(submissions)
    places: dict[int, list[int]] = {}
    for place, submission in enumerate(submissions):
        decision = decisions.get(submission.decision_id)
        if decision is None:
            answers[place] = DecisionNotFound(submission.decision_id)
        else:
            places.setdefault(decision.policy_id, []).append(place)
    for policy_id in sorted(places):  # always in this order: no two writers wait in a circle
        mine = [submissions[place] for place in places[policy_id]]
        for place, answer in zip(
            places[policy_id], _record_policy(batch, policy_id, mine, decisions), strict=True
        ):
            answers[place] = answer
    return answers  # type: ignore[return-value]


def _record_policy(
    batch: Batch, policy_id: int, submissions: list[Submission], decisions: dict[str, Decision]
) -> list[Recorded | BanditError]:
    try:
        known = batch.head(policy_id)
    except PolicyNotFound as gone:
        return [gone] * len(submissions)
    assert known.terms is not None
    before = batch.tx.recorded(policy_id, [s.feedback_id for s in submissions])
    ids = sorted({i for s in submissions for i in decisions_of(s)})
    standing = Standing(*batch.tx.standing(ids))
    entries: list[JournalEntry] = []
    fresh: list[RecordedFeedback] = []
    answers: list[Recorded | BanditError] = []
    for submission in submissions:
        payload = digest(submission)
        earlier = before.get(submission.feedback_id)
        if earlier is not None:
            answers.append(_repeat(earlier, payload))
            continue
        position = known.position + len(entries) + 1
        try:
            event = plan(submission, decisions, known.terms, standing, position, batch.now)
        except BanditError as error:
            answers.append(error)
            continue
        entries.append(JournalEntry(position, event))
        done = RecordedFeedback(submission.feedback_id, payload, position, event.effect)
        fresh.append(done)
        before[submission.feedback_id] = done
        answers.append(Recorded(submission.feedback_id, position, event.effect))
    if entries:
        batch.append(policy_id, entries, fresh, standing)
    return answers


def _repeat(earlier: RecordedFeedback, payload: bytes) -> Recorded | BanditError:
    if earlier.digest != payload:
        return IdReused("feedback_id", earlier.feedback_id)
    return Recorded(earlier.feedback_id, earlier.position, earlier.effect, duplicate=True)
