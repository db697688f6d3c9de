"""Jobs into one transaction, and out come their results."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from bandit_service import failpoints
from bandit_service.batch import Batch
from bandit_service.errors import BanditError, HeadLocked
from bandit_service.model import Decision
from bandit_service.recording import record
from bandit_service.work import DecisionJob, FeedbackJob, Job, PolicyJob, Taken


def commit(batch: Batch, jobs: Sequence[Job]) -> list[tuple[Job, Any]]:
    """Writes the jobs and returns each with its result. Raises WriteApart."""
    decisions = _decisions(jobs)
    if all(isinstance(job, DecisionJob) for job in jobs) and not _asked(decisions):
        failpoints.hit("before_log")
        batch.store.log_decisions(decisions)
        failpoints.hit("after_log")
        batch.remember(decisions, {})
        return [(job, {}) for job in jobs]
    with batch.writing():
        failpoints.hit("after_begin")
        taken = batch.tx.add_decisions(decisions) if decisions else {}
        batch.has_decisions = bool(decisions)
        failpoints.hit("after_decisions")
        results = _results(batch, jobs, taken)
        failpoints.hit("before_commit")
    failpoints.hit("after_commit")
    batch.remember(decisions, taken)
    return results


def concerns(batch: Batch, job: Job, policy_id: int) -> bool:
    """Whether a job of the batch wants to write into a policy's journal."""
    if isinstance(job, FeedbackJob):
        return any(batch.policy_of(one.decision_id) == policy_id for one in job.submissions)
    return isinstance(job, PolicyJob)  # which goes alone


def _results(batch: Batch, jobs: Sequence[Job], taken: Taken) -> list[tuple[Job, Any]]:
    results: list[tuple[Job, Any]] = []
    feedback: list[FeedbackJob] = []
    for job in jobs:
        if isinstance(job, DecisionJob):
            results.append((job, taken))
        elif isinstance(job, PolicyJob):
            results.append((job, _work(batch, job)))
        elif isinstance(job, FeedbackJob):
            feedback.append(job)
    if feedback:
        recorded = iter(record(batch, [s for job in feedback for s in job.submissions]))
        results += [(job, [next(recorded) for _ in job.submissions]) for job in feedback]
    return results


def _work(batch: Batch, job: PolicyJob) -> Any:
    """A refusal comes before any write, so it fails the one job alone."""
    try:
        return job.work(batch)
    except HeadLocked:
        raise
    except BanditError as error:
        return error


def _decisions(jobs: Sequence[Job]) -> list[Decision]:
    """Of all jobs, in the order of their ids.

    So that no two writers of the same rows wait for each other in a circle. Rows are written by
    two where one writer was given up and still writes, or where they are recovered from tokens.
    """
    decisions = [d for job in jobs if isinstance(job, DecisionJob) for d in job.decisions]
    if any(isinstance(job, DecisionJob) and job.is_again for job in jobs):
        # One that was answered degraded may be there a second time.
        decisions = list({one.id: one for one in decisions}.values())
    return sorted(decisions, key=attrgetter("id"))


def _asked(decisions: Sequence[Decision]) -> bool:
    """Whether any request id has to be claimed."""
    return any(decision.request_id is not None for decision in decisions)
