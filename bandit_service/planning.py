"""From feedback as it was sent to the event that the journal keeps. Pure.

The rules of identity and revision live here: one value per (decision, arm, kind,
source), a later one replaces it; one quality per (decision, arm), by the order of
sources; and only what the state really holds is ever revised.
"""

from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from bandit_service.errors import BanditError, DecisionExpired, DecisionNotFound, InvalidField
from bandit_service.model import (
    Arm,
    ArmState,
    Comparison,
    Decision,
    Effect,
    Failure,
    FeedbackEvent,
    Kind,
    Learned,
    Lesson,
    Outcome,
    PolicyConfig,
    PreferenceLearning,
    Submission,
    Usage,
    UsageLesson,
    moment_of,
)

# Of several kinds from one source, the finer one speaks.
_FINENESS = {Kind.PREFERENCE: 0, Kind.SUCCESS: 1, Kind.SCORE: 2}

_OutcomeKey = tuple[str, int, Kind, str]


class Terms(msgspec.Struct, frozen=True):
    """What a policy learns from at one position of its journal.

    `epoch` rises when learning restarts or forgets at another pace; what was learned before
    `started_epoch` is not in the state any more.
    """

    config: PolicyConfig
    epoch: int
    started_epoch: int
    feature_version: str


class Standing:
    """The outcomes that stand and the qualities learned, of the decisions at hand.

    Follows along while a batch is planned, and remembers what changed.
    """

    def __init__(self, outcomes: Iterable[Outcome], learned: Iterable[Learned]) -> None:
        self._outcomes: dict[tuple[str, int], dict[tuple[Kind, str], Outcome]] = {}
        self._learned = {(one.decision_id, one.arm): one for one in learned}
        self.changed_outcomes: dict[_OutcomeKey, Outcome] = {}
        self.changed_learned: dict[tuple[str, int], Learned] = {}
        for outcome in outcomes:
            self._keep(outcome)

    def of(self, decision_id: str, arm: int) -> list[Outcome]:
        """All that stands of one arm of one decision."""
        return list(self._outcomes.get((decision_id, arm), {}).values())

    def latest(self, decision_id: str, arm: int, kind: Kind) -> Outcome | None:
        """What was said last, by whatever source."""
        told = [outcome for outcome in self.of(decision_id, arm) if outcome.kind is kind]
        return max(told, key=lambda outcome: outcome.position, default=None)

    def learned(self, decision_id: str, arm: int, terms: Terms) -> Learned | None:
        """What the state holds of it; what was learned before a restart is gone."""
        found = self._learned.get((decision_id, arm))
        return found if found is not None and found.epoch >= terms.started_epoch else None

    def put(self, outcome: Outcome) -> None:
        self._keep(outcome)
        key = (outcome.decision_id, outcome.arm, outcome.kind, outcome.source)
        self.changed_outcomes[key] = outcome

    def learn(self, learned: Learned) -> None:
        key = (learned.decision_id, learned.arm)
        self._learned[key] = self.changed_learned[key] = learned

    def _keep(self, outcome: Outcome) -> None:
        mine = self._outcomes.setdefault((outcome.decision_id, outcome.arm), {})
        mine[outcome.kind, outcome.source] = outcome


def digest(submission: Submission) -> bytes:
    """Equal for equal payloads."""
    return blake2b(msgspec.msgpack.encode(submission), digest_size=16).digest()


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
    arm = _arm(submission, decisions[submission.decision_id], terms.config)
    is_news = arm is not None and not standing.of(submission.decision_id, arm)
    for decision_id, slot, kind, value in subjects:
        standing.put(
            Outcome(decision_id, slot, kind, submission.source, position, now, value=value)
        )
    lessons, effect = _lessons(submission, subjects, decisions, terms, standing)
    comparison = _comparison(submission, decisions, subjects)
    is_removed = arm is not None and terms.config.arms[arm].state is ArmState.REMOVED
    decision = decisions[submission.decision_id]
    usage = _usage(submission, arm, decision, is_removed, standing, position, now)
    failed, served = _health(submission, arm, is_news, standing, position, now)
    if is_removed:
        failed = served = None
    return FeedbackEvent(
        feedback_id=submission.feedback_id,
        decision_id=submission.decision_id,
        source=submission.source,
        time=now,
        effect=effect,
        lessons=lessons,
        comparison=comparison,
        usage=usage,
        failed_arm=failed,
        served_arm=served,
    )


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


_Subject = tuple[str, int, Kind, float]  # decision, slot, kind, value


def _subjects(
    submission: Submission, decisions: dict[str, Decision], config: PolicyConfig
) -> list[_Subject]:
    """Every quality value that a submission gives."""
    decision = decisions[submission.decision_id]
    subjects: list[_Subject] = []
    if submission.success is not None or submission.score is not None:
        slot = _named_arm(submission, decision, config)
        if submission.success is not None:
            subjects.append((decision.id, slot, Kind.SUCCESS, float(submission.success)))
        if submission.score is not None:
            subjects.append((decision.id, slot, Kind.SCORE, submission.score))
    if submission.preference is not None:
        subjects += _preference(submission, decisions, config)
    return subjects


def _preference(
    submission: Submission, decisions: dict[str, Decision], config: PolicyConfig
) -> list[_Subject]:
    """The two sides of a preference: the better has 1, the worse 0, of a tie both 0.5."""
    preference = submission.preference
    assert preference is not None
    decision = decisions[submission.decision_id]
    if preference.other_decision_id == decision.id:
        raise InvalidField("preference.other_decision_id", "names the same decision again")
    if preference.other_decision_id:
        other = decisions[preference.other_decision_id]
        if other.policy_id != decision.policy_id:
            raise DecisionNotFound(preference.other_decision_id)
        sides = [(decision.id, decision.arm), (other.id, other.arm)]
        better = preference.preferred_decision_id == decision.id
    else:
        if decision.second_arm is None:
            raise InvalidField(
                "preference", f"decision {decision.id!r} offered one arm; name the other decision"
            )
        sides = [(decision.id, decision.arm), (decision.id, decision.second_arm)]
        names = [config.arms[slot].name for _, slot in sides]
        if not preference.tie and preference.preferred_arm not in names:
            raise InvalidField(
                "preference.preferred_arm",
                f"{preference.preferred_arm!r} was not offered; {names[0]!r} and {names[1]!r} were",
            )
        better = preference.preferred_arm == names[0]
    first = 0.5 if preference.tie else float(better)
    values = (first, 1.0 - first)
    return [
        (decision_id, slot, Kind.PREFERENCE, value)
        for (decision_id, slot), value in zip(sides, values, strict=True)
    ]


def _arm(submission: Submission, decision: Decision, config: PolicyConfig) -> int | None:
    """The slot that all but a preference speaks of; None if there is only a preference."""
    told = (submission.success, submission.score, submission.usage, submission.failure)
    if all(one is None for one in told) and not submission.arm:
        return None
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
    subjects: list[_Subject],
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
            lessons.append(Lesson(slot, decision.context, decision.clock, old, spoken.value))
            standing.learn(Learned(decision_id, slot, spoken.value, terms.epoch))
            effects.append(Effect.LEARNED)
    if not effects:
        return (), Effect.RECORDED
    return tuple(lessons), Effect.LEARNED if lessons else effects[0]


def _refusal(decision: Decision, arm: Arm, terms: Terms) -> Effect | None:
    if arm.state is ArmState.REMOVED:
        return Effect.ARM_REMOVED
    if decision.feature_version != terms.feature_version:
        return Effect.OTHER_FEATURES
    return None


def _spoken(outcomes: list[Outcome], config: PolicyConfig) -> Outcome | None:
    """The value that counts: of the most trusted source, then of the finest kind."""
    rank = {source: -place for place, source in enumerate(config.quality_sources)}
    learned = [
        outcome
        for outcome in outcomes
        if outcome.kind in _FINENESS
        and outcome.source in rank
        and (
            outcome.kind is not Kind.PREFERENCE
            or config.preference_learning is PreferenceLearning.AS_QUALITY
        )
    ]
    return max(learned, key=lambda o: (rank[o.source], _FINENESS[o.kind]), default=None)


def _comparison(
    submission: Submission, decisions: dict[str, Decision], subjects: list[_Subject]
) -> Comparison | None:
    sides = [s for s in subjects if s[2] is Kind.PREFERENCE]
    if not sides:
        return None
    (first_id, first_arm, _, value), (second_id, second_arm, _, _) = sides
    first, second = decisions[first_id], decisions[second_id]
    return Comparison(
        first_arm=first_arm,
        first_context=first.context,
        second_arm=second_arm,
        second_context=second.context,
        second_decision_id=second_id,
        clock=max(first.clock, second.clock),
        first_preferred=value,
    )


def _usage(
    submission: Submission,
    arm: int | None,
    decision: Decision,
    is_removed: bool,
    standing: Standing,
    position: int,
    now: float,
) -> UsageLesson | None:
    """Fields left out keep what an earlier report, of any source, said of the call."""
    if submission.usage is None or arm is None:
        return None
    before = standing.latest(decision.id, arm, Kind.USAGE)
    old = None if before is None else before.usage
    given = {
        name: value
        for name, value in msgspec.structs.asdict(submission.usage).items()
        if value is not None
    }
    new = msgspec.structs.replace(old or Usage(), **given)
    source = submission.source
    standing.put(Outcome(decision.id, arm, Kind.USAGE, source, position, now, usage=new))
    return None if is_removed else UsageLesson(arm, decision.clock, old, new)


def _health(
    submission: Submission,
    arm: int | None,
    is_news: bool,
    standing: Standing,
    position: int,
    now: float,
) -> tuple[int | None, int | None]:
    """The slot that failed, and the slot that is known to have answered.

    Each call counts once, whoever speaks of it and in whichever order: the first word says
    that it answered, the first failure that it failed. A refusal is an answer.
    """
    failure, decision_id, source = submission.failure, submission.decision_id, submission.source
    if arm is None:
        return None, None
    if failure is None:
        return None, (arm if is_news else None)
    is_told = standing.latest(decision_id, arm, Kind.FAILURE) is not None
    standing.put(Outcome(decision_id, arm, Kind.FAILURE, source, position, now, failure=failure))
    if failure is Failure.REFUSAL:
        return None, (arm if is_news else None)
    return (None, None) if is_told else (arm, None)
