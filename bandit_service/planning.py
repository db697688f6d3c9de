"""From feedback as it was sent to the event that the journal keeps. Pure.

The rules of identity and revision live here: one value per (decision, arm, kind,
source), a later one replaces it; one quality per (decision, arm), by the order of
sources; and only what the state really holds is ever revised.
"""

from hashlib import blake2b
from operator import attrgetter

import msgspec

from bandit_service import preferences
from bandit_service.configuration import learns_choices
from bandit_service.errors import BanditError, DecisionExpired, DecisionNotFound, InvalidField
from bandit_service.model import (
    Arm,
    ArmState,
    Comparison,
    Decision,
    Effect,
    FeedbackEvent,
    Kind,
    Learned,
    Lesson,
    OtherCall,
    Outcome,
    PolicyConfig,
    PreferenceLearning,
    Source,
    Submission,
    Usage,
    UsageLesson,
    moment_of,
)
from bandit_service.preferences import Subject, sides_of
from bandit_service.standing import Call, Standing, Terms

# Of several kinds from one source, the finer one speaks.
_FINENESS = {Kind.PREFERENCE: 0, Kind.SUCCESS: 1, Kind.SCORE: 2}

MOST_OTHER_CALLS = 64  # of one call of a decision

# By name: a field that is added must not make another payload of what is sent again to the
# next version.
_PAYLOAD = (
    "decision_id",
    "feedback_id",
    "source",
    "success",
    "score",
    "preference",
    "failure",
    "usage",
    "arm",
)
_payload = attrgetter(*_PAYLOAD)


def digest(submission: Submission) -> bytes:
    """Equal for equal payloads, with and without tokens."""
    payload = dict(zip(_PAYLOAD, _payload(submission), strict=True))
    return blake2b(msgspec.msgpack.encode(payload), digest_size=16).digest()


def decisions_of(submission: Submission) -> list[str]:
    """The ids of the decisions that a submission speaks of."""
    preference = submission.preference
    if preference is None or not preference.other_decision_id:
        return [submission.decision_id]
    return [submission.decision_id, preference.other_decision_id]


def plan(
    submission: Submission,
    decisions: dict[str, Decision],
    terms: Terms,
    standing: Standing,
    position: int,
    now: float,
) -> FeedbackEvent:
    """The event at `position`; `standing` is moved on to what holds after it.

    Raises DecisionNotFound, DecisionExpired if a decision is older than the policy's horizon,
    or InvalidField if an arm or a decision is named that was not there. Then nothing has
    changed.
    """
    _check_ages(submission, decisions, terms.config.feedback_horizon, now)
    subjects = _subjects(submission, decisions, terms.config)
    sides = [subject for subject in subjects if subject[2] is Kind.PREFERENCE]
    told_before = preferences.spoken(sides, standing, terms) if sides else None
    decision = decisions[submission.decision_id]
    arm = _arm(submission, decision, terms.config)
    _check_calls(submission, arm, decision, standing)
    known = None if arm is None else standing.call(decision.id, arm)
    for decision_id, slot, kind, value in subjects:
        standing.put(
            Outcome(decision_id, slot, kind, submission.source, position, now, value=value)
        )
    lessons, effect = _lessons(submission, subjects, decisions, terms, standing)
    comparison = None
    if sides:
        comparison, pair_effect = _comparison(
            submission, sides, decisions, terms, standing, told_before
        )
        learns_pairs = terms.config.preference_learning is PreferenceLearning.AS_PAIRS
        if learns_pairs and effect is not Effect.LEARNED:
            effect = pair_effect
    is_gone = arm is not None and _gone(decision, terms.config.arms[arm]) is not None
    usage = _usage(submission, arm, decision, is_gone, standing, position, now)
    _health(submission, arm, standing, position, now)
    call = None if arm is None or is_gone else standing.call(decision.id, arm)
    is_other = call is not known
    return FeedbackEvent(
        feedback_id=submission.feedback_id,
        decision_id=submission.decision_id,
        source=submission.source,
        time=now,
        effect=effect,
        lessons=lessons,
        comparison=comparison,
        usage=usage,
        failed_arm=arm if call is Call.FAILED and is_other else None,
        served_arm=arm if call is Call.ANSWERED and is_other else None,
        recounted=call is not None and is_other and known is not None,
    )


def chances_of(decision: Decision, config: PolicyConfig) -> bytes:
    """What a lesson says of the chances: nothing where nobody learns from them, nor where they are
    not known any more, nor of a duel, whose arms were drawn otherwise."""
    learners = config.algorithm, *(one.algorithm for one in config.challengers)
    wanted = any(learns_choices(one.name) for one in learners)
    if not wanted or decision.recovered or decision.second_arm is not None:
        return b""
    return decision.probabilities


def missing(decision_id: str, horizon: float, now: float) -> BanditError:
    """Why there is no decision of this id: it never was, or it may have been and is pruned.

    Only decisions beyond the horizon are ever pruned, and an id tells its own age.
    """
    made = moment_of(decision_id)
    if made is None or now - made <= horizon:
        return DecisionNotFound(decision_id)
    return DecisionExpired(decision_id, horizon)


def _check_ages(
    submission: Submission, decisions: dict[str, Decision], horizon: float, now: float
) -> None:
    """Every decision spoken of has to be there, and to be young enough."""
    for decision_id in decisions_of(submission):
        decision = decisions.get(decision_id)
        if decision is None:
            raise missing(decision_id, horizon, now)
        if now - decision.create_time > horizon:
            raise DecisionExpired(decision_id, horizon)


def _subjects(
    submission: Submission, decisions: dict[str, Decision], config: PolicyConfig
) -> list[Subject]:
    """Every quality value that a submission gives."""
    decision = decisions[submission.decision_id]
    subjects: list[Subject] = []
    if submission.success is not None or submission.score is not None:
        slot = _named_arm(submission, decision, config)
        if submission.success is not None:
            subjects.append((decision.id, slot, Kind.SUCCESS, float(submission.success)))
        if submission.score is not None:
            subjects.append((decision.id, slot, Kind.SCORE, submission.score))
    if submission.preference is not None:
        subjects += sides_of(submission, decisions, config)
    return subjects


def _arm(submission: Submission, decision: Decision, config: PolicyConfig) -> int | None:
    """The slot that all but a preference speaks of; None if there is only a preference."""
    told = (submission.success, submission.score, submission.usage, submission.failure)
    if all(one is None for one in told) and not submission.arm:
        return None
    is_beside = submission.usage == Usage(
        other_calls=submission.usage.other_calls if submission.usage else ()
    )
    if is_beside and told[:2] == (None, None) and not (submission.failure or submission.arm):
        return decision.arm  # calls beside both arms of a duel, as of its judge, go with the first
    return _named_arm(submission, decision, config)


def _named_arm(submission: Submission, decision: Decision, config: PolicyConfig) -> int:
    offered = [decision.arm]
    if decision.second_arm is not None:
        offered.append(decision.second_arm)
    names = [config.arms[slot].name for slot in offered]
    if submission.arm:
        if submission.arm not in names:
            raise InvalidField(
                "arm", f"{submission.arm!r} was not offered by decision {decision.id!r}"
            )
        return offered[names.index(submission.arm)]
    if len(offered) > 1:
        raise InvalidField("arm", f"required for a duel: one of {names[0]!r} and {names[1]!r}")
    return decision.arm


def _lessons(
    submission: Submission,
    subjects: list[Subject],
    decisions: dict[str, Decision],
    terms: Terms,
    standing: Standing,
) -> tuple[tuple[Lesson, ...], Effect]:
    lessons: list[Lesson] = []
    effects: list[Effect] = []
    for decision_id, slot in dict.fromkeys((s[0], s[1]) for s in subjects):
        decision = decisions[decision_id]
        refusal = _refusal(decision, terms.config.arms[slot], terms)
        if refusal is not None:
            effects.append(refusal)
            continue
        spoken = _spoken(standing.of(decision_id, slot), terms.config)
        held = standing.learned(decision_id, slot, terms)
        if spoken is None or spoken.value is None:
            effects.append(Effect.NOT_CONFIGURED)
        elif spoken.source is not submission.source:
            ours = submission.source in terms.config.quality_sources
            effects.append(Effect.OUTRANKED if ours else Effect.NOT_CONFIGURED)
        elif held is not None and (held.value == spoken.value or held.epoch < terms.epoch):
            # Equal; or it has been fading at another pace, so nobody knows what is left of it.
            effects.append(Effect.RECORDED)
        else:
            old = None if held is None else held.value
            chances = chances_of(decision, terms.config)
            where = decision.position if terms.config.challengers else None
            lessons.append(
                Lesson(
                    slot,
                    decision.context,
                    decision.clock,
                    old,
                    spoken.value,
                    chances=chances,
                    position=where,
                )
            )
            standing.learn(Learned(decision_id, slot, spoken.value, terms.epoch))
            effects.append(Effect.LEARNED)
    if not effects:
        return (), Effect.RECORDED
    return tuple(lessons), Effect.LEARNED if lessons else effects[0]


def _refusal(decision: Decision, arm: Arm, terms: Terms) -> Effect | None:
    if gone := _gone(decision, arm):
        return gone
    if decision.feature_version != terms.feature_version:
        return Effect.OTHER_FEATURES
    return None


def _gone(decision: Decision, arm: Arm) -> Effect | None:
    """Why the arm is not any more what a decision chose."""
    if arm.state is ArmState.REMOVED:
        return Effect.ARM_REMOVED
    if decision.position < arm.version_position:
        return Effect.MODEL_REPLACED
    return None


def _spoken(outcomes: list[Outcome], config: PolicyConfig) -> Outcome | None:
    """The value that counts: of the most trusted source, then of the finest kind."""
    sources = config.quality_sources
    learned = [
        outcome
        for outcome in outcomes
        if outcome.kind in _FINENESS
        and outcome.source in sources
        and (
            outcome.kind is not Kind.PREFERENCE
            or config.preference_learning is PreferenceLearning.AS_QUALITY
        )
    ]
    if len(learned) <= 1:
        return learned[0] if learned else None
    return max(learned, key=lambda o: (-sources.index(o.source), _FINENESS[o.kind]))


def _comparison(
    submission: Submission,
    sides: list[Subject],
    decisions: dict[str, Decision],
    terms: Terms,
    standing: Standing,
    told_before: tuple[Source, float] | None,
) -> tuple[Comparison, Effect]:
    """The preference as a pair, and whether learners of pairs learn it."""
    old = None if told_before is None else told_before[1]
    told = preferences.spoken(sides, standing, terms)
    refusals = [
        _refusal(decisions[decision_id], terms.config.arms[slot], terms)
        for decision_id, slot, _, _ in sides
    ]
    refused = next((refusal for refusal in refusals if refusal is not None), None)
    if refused is not None:
        effect = refused
    elif terms.config.preference_learning is not PreferenceLearning.AS_PAIRS or told is None:
        effect = Effect.NOT_CONFIGURED
    elif told[0] is not submission.source:
        effect = Effect.OUTRANKED
    else:
        effect = Effect.RECORDED if told[1] == old else Effect.LEARNED
    is_taught = effect is Effect.LEARNED
    return preferences.comparison(sides, decisions, old if is_taught else None, is_taught), effect


def _usage(
    submission: Submission,
    arm: int | None,
    decision: Decision,
    is_gone: bool,
    standing: Standing,
    position: int,
    now: float,
) -> UsageLesson | None:
    """Fields left out keep what an earlier report, of any source, said of the call."""
    if submission.usage is None or arm is None:
        return None
    before = standing.latest(decision.id, arm, Kind.USAGE)
    old = None if before is None else before.usage
    new = submission.usage
    if old is not None:
        given = {
            name: value for name, value in msgspec.structs.asdict(new).items() if value is not None
        }
        given["other_calls"] = _calls_after(old, submission)
        new = msgspec.structs.replace(old, **given)
    elif new.other_calls:
        new = msgspec.structs.replace(new, other_calls=_calls_after(None, submission))
    source = submission.source
    standing.put(Outcome(decision.id, arm, Kind.USAGE, source, position, now, usage=new))
    return None if is_gone else UsageLesson(arm, decision.clock, old, new)


def _calls_after(old: Usage | None, submission: Submission) -> tuple[OtherCall, ...]:
    """The calls beside a call's own, once a submission is heard: those without an id of their own
    are called by the submission and their place in it."""
    assert submission.usage is not None
    known = {(one.kind, one.id): one for one in (() if old is None else old.other_calls)}
    for place, one in enumerate(submission.usage.other_calls):
        name = one.id or f"{submission.feedback_id}.{place}"
        known[one.kind, name] = msgspec.structs.replace(one, id=name)
    return tuple(known.values())


def _check_calls(
    submission: Submission, arm: int | None, decision: Decision, standing: Standing
) -> None:
    if submission.usage is None or not submission.usage.other_calls or arm is None:
        return
    before = standing.latest(decision.id, arm, Kind.USAGE)
    after = _calls_after(None if before is None else before.usage, submission)
    if len(after) > MOST_OTHER_CALLS:
        raise InvalidField(
            "usage.other_calls",
            f"at most {MOST_OTHER_CALLS} of a decision, and with these it has {len(after)}",
        )


def _health(
    submission: Submission, arm: int | None, standing: Standing, position: int, now: float
) -> None:
    """Keeps what is said of a call's failure; `Standing.call` says what that comes to."""
    failure, source = submission.failure, submission.source
    if failure is not None and arm is not None:
        told = Outcome(
            submission.decision_id, arm, Kind.FAILURE, source, position, now, failure=failure
        )
        standing.put(told)
