"""Whatever is said in whatever order, the state holds exactly the values that stand."""

from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit_service.model import (
    Decision,
    FeedbackEvent,
    Kind,
    Learned,
    Outcome,
    PolicyConfig,
    Preference,
    PreferenceLearning,
    Source,
    Submission,
)
from bandit_service.planning import plan
from bandit_service.standing import Standing, Terms
from tests.builders import VERSION, a_config, a_decision, arms

NAMES = ("small", "medium", "large")
FINER_LAST = (Kind.PREFERENCE, Kind.SUCCESS, Kind.SCORE)
DECISIONS = {
    d.id: d
    for d in (
        a_decision(id="d1", arm=0),
        a_decision(id="d2", arm=1),
        a_decision(id="duel", arm=2, second_arm=0),
    )
}

Key = tuple[str, int]


class Said(NamedTuple):
    """One value of quality, as a person would list it."""

    decision: str
    arm: int
    kind: Kind
    source: Source
    value: float


def spoken_by(submission: Submission) -> list[Said]:
    """The values that a submission gives, read naively."""
    said: list[Said] = []
    decision = DECISIONS[submission.decision_id]
    arm = NAMES.index(submission.arm) if submission.arm else decision.arm

    def say(of: Decision, slot: int, kind: Kind, value: float) -> None:
        said.append(Said(of.id, slot, kind, submission.source, value))

    if submission.success is not None:
        say(decision, arm, Kind.SUCCESS, 1.0 if submission.success else 0.0)
    if submission.score is not None:
        say(decision, arm, Kind.SCORE, submission.score)
    if (wish := submission.preference) is not None:
        other = DECISIONS.get(wish.other_decision_id)
        if other is not None:
            value = 0.5 if wish.tie else float(wish.preferred_decision_id == decision.id)
            say(decision, decision.arm, Kind.PREFERENCE, value)
            say(other, other.arm, Kind.PREFERENCE, 1.0 - value)
        else:
            assert decision.second_arm is not None
            value = 0.5 if wish.tie else float(wish.preferred_arm == NAMES[decision.arm])
            say(decision, decision.arm, Kind.PREFERENCE, value)
            say(decision, decision.second_arm, Kind.PREFERENCE, 1.0 - value)
    return said


def standing_qualities(history: list[Said], config: PolicyConfig) -> dict[Key, float]:
    """The quality of each decision and arm: by brute force, over the whole history."""
    last = {(s.decision, s.arm, s.kind, s.source): s.value for s in history}
    ignored = config.preference_learning is not PreferenceLearning.AS_QUALITY
    kinds = FINER_LAST[1:] if ignored else FINER_LAST
    found: dict[Key, float] = {}
    for source in reversed(config.quality_sources):  # the most trusted overwrites
        for kind in kinds:  # the finest overwrites
            for (decision, arm, of_kind, of_source), value in last.items():
                if (of_kind, of_source) == (kind, source):
                    found[decision, arm] = value
    return found


@st.composite
def submissions(draw: st.DrawFn) -> Submission:
    decision = DECISIONS[draw(st.sampled_from(sorted(DECISIONS)))]
    fields: dict[str, Any] = {}
    if draw(st.booleans()):
        fields["success"] = draw(st.booleans())
    if draw(st.booleans()):
        fields["score"] = draw(st.sampled_from([0.0, 0.25, 0.5, 1.0]))
    if decision.second_arm is not None and fields:
        fields["arm"] = draw(st.sampled_from([NAMES[2], NAMES[0]]))
    if not fields or draw(st.booleans()):
        fields["preference"] = draw(preferences(decision))
    source = draw(st.sampled_from(list(Source)))
    return Submission(decision.id, f"f{draw(st.integers())}", source, **fields)


@st.composite
def preferences(draw: st.DrawFn, decision: Decision) -> Preference:
    tie = draw(st.integers(0, 3)) == 0
    others = sorted(DECISIONS.keys() - {decision.id})
    other = draw(st.sampled_from(["", *others] if decision.second_arm is not None else others))
    if other:
        better = "" if tie else draw(st.sampled_from([decision.id, other]))
        return Preference(other_decision_id=other, preferred_decision_id=better, tie=tie)
    better = "" if tie else draw(st.sampled_from(["small", "large"]))
    return Preference(preferred_arm=better, tie=tie)


configs = st.builds(
    a_config,
    arms=st.just(arms(*NAMES)),
    quality_sources=st.lists(st.sampled_from(list(Source)), min_size=1, unique=True).map(tuple),
    preference_learning=st.sampled_from(PreferenceLearning),
)


def fold(events: list[FeedbackEvent]) -> tuple[dict[int, float], dict[int, int]]:
    """Sum and number of the qualities of each arm, after all lessons."""
    sums, numbers = dict.fromkeys(range(3), 0.0), dict.fromkeys(range(3), 0)
    for event in events:
        for lesson in event.lessons:
            sums[lesson.arm] += (lesson.new or 0.0) - (lesson.old or 0.0)
            numbers[lesson.arm] += (lesson.new is not None) - (lesson.old is not None)
    return sums, numbers


@settings(deadline=None, derandomize=True)
@given(configs, st.lists(submissions(), max_size=25))
def test_the_state_holds_the_last_word_of_the_best_source_in_its_finest_kind(config, told):
    standing, events, history = Standing([], []), [], []
    for i, submission in enumerate(told):
        terms = Terms(config, 0, 0, 0, VERSION)
        events.append(plan(submission, DECISIONS, terms, standing, i + 2, float(i)))
        history += spoken_by(submission)

    expected = standing_qualities(history, config)
    sums, numbers = fold(events)
    assert {key: one.value for key, one in standing.changed_learned.items()} == expected
    for arm in range(3):
        values = [value for (_, slot), value in expected.items() if slot == arm]
        assert numbers[arm] == len(values)
        assert sums[arm] == pytest.approx(sum(values), abs=1e-9)


@settings(deadline=None, derandomize=True)
@given(configs, st.lists(submissions(), max_size=15), st.data())
def test_it_makes_no_difference_where_one_batch_ends_and_the_next_begins(config, told, data):
    cut = data.draw(st.integers(0, len(told)))
    terms = Terms(config, 0, 0, 0, VERSION)

    def plan_all(standing: Standing, some: list[Submission], first: int) -> list[FeedbackEvent]:
        return [
            plan(submission, DECISIONS, terms, standing, first + i, float(first + i))
            for i, submission in enumerate(some)
        ]

    at_once = plan_all(Standing([], []), told, 2)
    before = Standing([], [])
    head = plan_all(before, told[:cut], 2)
    stored: tuple[list[Outcome], list[Learned]] = (
        list(before.changed_outcomes.values()),
        list(before.changed_learned.values()),
    )
    tail = plan_all(Standing(*stored), told[cut:], 2 + cut)

    assert head + tail == at_once
