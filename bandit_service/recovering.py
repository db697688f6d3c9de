"""Feedback whose decision is not in the log: the token stands for it, and becomes its row.

A replica that was cut off may have answered the decision from memory, and have it still, or
have lost it. So several replicas may write one row. They never wait for each other in a circle,
because each transaction writes such rows in one go, in the order of their ids, and before it locks
any journal; where it has written decisions of its own already, it is broken off (`WriteApart`).
"""

import logging
from collections.abc import Sequence

from bandit_service.batch import Batch
from bandit_service.errors import (
    BanditError,
    NotLogged,
    NotUnderstood,
    PolicyNotFound,
    TokenRefused,
)
from bandit_service.model import Claim, Decision, Submission
from bandit_service.planning import decisions_of, plan
from bandit_service.standing import Standing
from bandit_service.tokens.signing import recovered

log = logging.getLogger(__name__)


class WriteApart(BanditError):
    """Breaks a transaction off: its decisions and its feedback have to be written apart. Not often,
    for a decision that is in the log need not be recovered. Nobody but the writer hears of it."""

    def __init__(self) -> None:
        super().__init__("decisions and feedback on lost ones were in one transaction")


def recover(
    batch: Batch, submissions: Sequence[Submission], found: dict[str, Decision]
) -> dict[str, Decision]:
    """Those of the decisions that are missing in `found` that tokens can stand for.

    They are in the log, unless no submission that speaks of them would be taken. Raises
    WriteApart.
    """
    lost = [
        submission
        for submission in submissions
        if any(claim.decision_id not in found for claim in submission.claims)
    ]
    if not lost:
        return {}
    claims = {
        claim.decision_id: claim
        for submission in lost
        for claim in submission.claims
        if claim.decision_id not in found and _is_of_use(batch, claim)
    }
    made = {decision_id: recovered(claim) for decision_id, claim in claims.items()}
    batch.found(made.values())
    wanted = {
        decision_id
        for submission in lost
        if _would_be_taken(batch, submission, found | made)
        for decision_id in decisions_of(submission)
    }
    if rows := [made[decision_id] for decision_id in sorted(made.keys() & wanted)]:
        if batch.has_decisions:
            raise WriteApart
        batch.tx.recover_decisions(rows)
        log.info("%d decisions were not in the log and are recovered from tokens", len(rows))
    return made


def refusal(
    submission: Submission, decisions: dict[str, Decision], now: float
) -> BanditError | None:
    """Why a submission's tokens do not do: they are not of these decisions, or too short."""
    for claim in submission.claims:
        decision = decisions.get(claim.decision_id)
        if decision is None:
            if not claim.context and not _is_old(claim, now):
                return NotLogged(claim.decision_id)
        elif decision.policy_id != claim.policy_id:
            return TokenRefused("it is of another policy")
    return None


def _is_of_use(batch: Batch, claim: Claim) -> bool:
    """Whether its decision can be made of it, and is one of this database's policies."""
    if not claim.context or _is_old(claim, batch.now):
        return False
    try:
        known = batch.known(claim.policy_id, claim.revision)
    except (PolicyNotFound, NotUnderstood):
        return False
    return known.revision >= claim.revision and len(known.config().arms) >= claim.slots


def _is_old(claim: Claim, now: float) -> bool:
    """Past the horizon under which it was made, half of the token's life: then the decision may
    have been there, with feedback, and have been pruned; what was learned must not be again."""
    return 2 * now > claim.create_time + claim.expire_time


def _would_be_taken(batch: Batch, submission: Submission, decisions: dict[str, Decision]) -> bool:
    """As far as can be told before the journal is locked: what is refused changes nothing."""
    decision = decisions.get(submission.decision_id)
    if decision is None or refusal(submission, decisions, batch.now) is not None:
        return False
    try:
        terms = batch.known(decision.policy_id, decision.revision).terms
        assert terms is not None
        if batch.tx.recorded(decision.policy_id, [submission.feedback_id]):
            return False
        plan(submission, decisions, terms, Standing((), ()), 1, batch.now)
    except BanditError:
        return False
    return True
