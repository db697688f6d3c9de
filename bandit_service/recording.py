"""Feedback into journals: plans submissions and appends them, within a batch's transaction."""

from bandit_service.batch import Batch
from bandit_service.errors import BanditError, IdReused, NotUnderstood, PolicyNotFound
from bandit_service.ledger.booking import settlements
from bandit_service.model import (
    Decision,
    JournalEntry,
    Recorded,
    RecordedFeedback,
    Submission,
)
from bandit_service.planning import decisions_of, digest, missing, plan
from bandit_service.recovering import recover, refusal
from bandit_service.standing import Standing


def record(batch: Batch, submissions: list[Submission]) -> list[Recorded | BanditError]:
    """Plans and appends submissions, policy by policy, in the order they came."""
    decisions = batch.decisions({i for s in submissions for i in decisions_of(s)})
    decisions |= recover(batch, submissions, decisions)
    answers: list[Recorded | BanditError | None] = [None] * len(submissions)
    places: dict[int, list[int]] = {}
    for place, submission in enumerate(submissions):
        decision = decisions.get(submission.decision_id)
        refused = refusal(submission, decisions, batch.now) if submission.claims else None
        if refused is not None:
            answers[place] = refused
        elif decision is None:
            answers[place] = missing(submission.decision_id, batch.horizon(), batch.now)
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
    except (PolicyNotFound, NotUnderstood) as refused:
        return [refused] * len(submissions)
    assert known.terms is not None
    before = batch.tx.recorded(policy_id, [s.feedback_id for s in submissions])
    ids = sorted({i for s in submissions for i in decisions_of(s)})
    outcomes, learned = batch.tx.standing(ids)
    standing = Standing(outcomes, learned)
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
        if settled := settlements(decisions, outcomes, standing):
            batch.tx.settle(settled)
    for submission, answer in zip(submissions, answers, strict=True):
        if isinstance(answer, Recorded):
            batch.heard.append((policy_id, submission, answer))
    return answers


def _repeat(earlier: RecordedFeedback, payload: bytes) -> Recorded | BanditError:
    if earlier.digest != payload:
        return IdReused("feedback_id", earlier.feedback_id)
    return Recorded(earlier.feedback_id, earlier.position, earlier.effect, duplicate=True)
