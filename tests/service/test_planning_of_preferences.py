"""Which of two was better: arms of a duel, or answers to a repeated query."""

import msgspec
import pytest

from bandit_service.model import (
    Arm,
    ArmState,
    Comparison,
    Effect,
    Lesson,
    Preference,
    PreferenceLearning,
)
from tests.builders import NOW, a_config, a_decision, packed
from tests.service.desk import CONTEXT, Desk, duel, lesson

TEACHING = a_config(preference_learning=PreferenceLearning.AS_QUALITY)


def test_preferences_are_stored_but_not_learned_unless_the_policy_says_so():
    event = Desk(duel()).hear(preference=Preference(preferred_arm="large"))

    assert (event.effect, event.lessons) == (Effect.NOT_CONFIGURED, ())
    assert event.comparison == Comparison(0, CONTEXT, 2, CONTEXT, "d1", NOW, 0.0, is_ordered=True)


@pytest.mark.parametrize(
    ("said", "first", "second"),
    [
        (Preference(preferred_arm="small"), 1.0, 0.0),
        (Preference(preferred_arm="large"), 0.0, 1.0),
        (Preference(tie=True), 0.5, 0.5),
    ],
)
def test_the_better_arm_of_a_duel_is_taught_1_and_the_worse_0(said, first, second):
    event = Desk(duel(), config=TEACHING).hear(preference=said)

    assert event.effect is Effect.LEARNED
    assert event.lessons == (lesson(0, None, first), lesson(2, None, second))
    assert event.comparison is not None
    assert event.comparison.first_preferred == first


@pytest.mark.parametrize(
    ("said", "first", "second"),
    [
        (Preference(other_decision_id="d2", preferred_decision_id="d1"), 1.0, 0.0),
        (Preference(other_decision_id="d2", preferred_decision_id="d2"), 0.0, 1.0),
        (Preference(other_decision_id="d2", tie=True), 0.5, 0.5),
    ],
)
def test_of_two_answers_to_a_repeated_query_each_teaches_under_its_own_context(said, first, second):
    elsewhere = packed(0.0, 1.0, 1.0)
    other = a_decision(id="d2", arm=1, context=elsewhere, clock=NOW + 5)

    event = Desk(a_decision(), other, config=TEACHING).hear(preference=said)

    later = Lesson(1, elsewhere, NOW + 5, None, second)
    assert event.lessons == (lesson(0, None, first), later)
    assert event.comparison == Comparison(0, CONTEXT, 1, elsewhere, "d2", NOW + 5, first)


def test_a_preference_that_is_turned_round_revises_both_sides():
    desk = Desk(duel(), config=TEACHING)
    desk.hear(preference=Preference(preferred_arm="small"))

    event = desk.hear(preference=Preference(preferred_arm="large"))

    assert event.lessons == (lesson(0, 1.0, 0.0), lesson(2, 0.0, 1.0))


def test_a_preference_gives_way_to_a_finer_word_on_one_of_its_sides():
    desk = Desk(duel(), config=TEACHING)
    desk.hear(preference=Preference(preferred_arm="small"))

    event = desk.hear(score=0.6, arm="large")

    assert event.lessons == (lesson(2, 0.0, 0.6),)


def test_one_side_of_a_duel_learns_even_if_the_other_arm_has_been_removed():
    config = msgspec.structs.replace(
        TEACHING, arms=(*TEACHING.arms[:2], Arm(name="large", state=ArmState.REMOVED))
    )

    event = Desk(duel(), config=config).hear(preference=Preference(preferred_arm="small"))

    assert (event.effect, event.lessons) == (Effect.LEARNED, (lesson(0, None, 1.0),))
