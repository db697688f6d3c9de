"""From feedback to the event: who may say what, what it does, and what replaces what."""

from typing import Any

import pytest

from bandit_service.errors import BanditError, DecisionNotFound, InvalidField
from bandit_service.model import (
    Arm,
    ArmState,
    Decision,
    Effect,
    Kind,
    Learned,
    Outcome,
    Preference,
    Source,
)
from bandit_service.planning import decisions_of, digest
from bandit_service.standing import Standing
from tests.builders import NOW, a_config, a_decision, a_submission
from tests.service.desk import Desk, duel, lesson


def test_a_success_teaches_1_and_a_failure_of_quality_0():
    praised, blamed = Desk().hear(success=True), Desk().hear(success=False)

    assert (praised.effect, praised.lessons) == (Effect.LEARNED, (lesson(0, None, 1.0),))
    assert (blamed.effect, blamed.lessons) == (Effect.LEARNED, (lesson(0, None, 0.0),))


def test_an_event_says_who_spoke_of_what_and_when():
    event = Desk().hear(feedback_id="f7", score=0.5, source=Source.JUDGE)

    assert (event.feedback_id, event.decision_id) == ("f7", "d1")
    assert (event.source, event.time) == (Source.JUDGE, NOW + 2)


def test_a_later_value_of_the_same_source_replaces_the_earlier():
    desk = Desk()
    desk.hear(score=0.2)

    event = desk.hear(score=0.9)

    assert (event.effect, event.lessons) == (Effect.LEARNED, (lesson(0, 0.2, 0.9),))


def test_saying_the_same_again_teaches_nothing():
    desk = Desk()
    desk.hear(score=0.2)

    event = desk.hear(score=0.2)

    assert (event.effect, event.lessons) == (Effect.RECORDED, ())


@pytest.mark.parametrize(
    ("first", "then", "effect", "expected"),
    [
        (Source.JUDGE, Source.USER, Effect.LEARNED, lesson(0, 0.2, 0.9)),
        (Source.USER, Source.EXPERT, Effect.LEARNED, lesson(0, 0.2, 0.9)),
        (Source.USER, Source.JUDGE, Effect.OUTRANKED, None),
        (Source.CHECK, Source.IMPLICIT, Effect.OUTRANKED, None),
    ],
)
def test_of_two_sources_the_more_trusted_speaks(first, then, effect, expected):
    desk = Desk()
    desk.hear(score=0.2, source=first)

    event = desk.hear(score=0.9, source=then)

    assert (event.effect, event.lessons) == (effect, (expected,) if expected else ())


def test_the_policy_says_whom_it_trusts_most():
    desk = Desk(config=a_config(quality_sources=(Source.JUDGE, Source.USER)))
    desk.hear(score=0.2, source=Source.USER)

    event = desk.hear(score=0.9, source=Source.JUDGE)

    assert event.lessons == (lesson(0, 0.2, 0.9),)


def test_a_source_that_the_policy_does_not_learn_from_is_stored_only():
    desk = Desk(config=a_config(quality_sources=(Source.USER,)))

    event = desk.hear(score=0.9, source=Source.JUDGE)

    assert (event.effect, event.lessons) == (Effect.NOT_CONFIGURED, ())
    assert [o.value for o in desk.standing.changed_outcomes.values()] == [0.9]
    assert not desk.standing.changed_learned


def test_a_source_that_is_not_learned_from_is_not_configured_even_beside_one_that_is():
    desk = Desk(config=a_config(quality_sources=(Source.USER,)))
    desk.hear(score=0.2, source=Source.USER)

    event = desk.hear(score=0.9, source=Source.JUDGE)

    assert event.effect is Effect.NOT_CONFIGURED


def test_of_one_source_a_score_speaks_before_a_success():
    desk = Desk()
    desk.hear(score=0.7)

    event = desk.hear(success=True)

    assert (event.effect, event.lessons) == (Effect.RECORDED, ())


def test_a_score_and_a_success_together_teach_once():
    event = Desk().hear(success=True, score=0.7)

    assert event.lessons == (lesson(0, None, 0.7),)


def test_a_named_arm_of_a_duel_is_the_one_that_learns():
    event = Desk(duel()).hear(success=True, arm="large")

    assert event.lessons == (lesson(2, None, 1.0),)


REFUSED: list[tuple[Decision, dict[str, Any], type[BanditError], str]] = [
    (a_decision(), {"decision_id": "d9", "success": True}, DecisionNotFound, "'d9'"),
    (a_decision(), {"success": True, "arm": "large"}, InvalidField, "'large' was not offered"),
    (a_decision(), {"success": True, "arm": "lagre"}, InvalidField, "'lagre' was not offered"),
    (a_decision(), {"preference": Preference(preferred_arm="small")}, InvalidField, "one arm"),
    (a_decision(), {"preference": Preference(other_decision_id="d1")}, InvalidField, "same"),
    (a_decision(), {"preference": Preference(other_decision_id="d9")}, DecisionNotFound, "'d9'"),
    (a_decision(), {"preference": Preference(other_decision_id="foreign")}, DecisionNotFound,
     "'foreign'"),
    (duel(), {"success": True}, InvalidField, "required for a duel"),
    (duel(), {"success": True, "arm": "medium"}, InvalidField, "'medium' was not offered"),
    (duel(), {"preference": Preference(preferred_arm="medium")}, InvalidField, "not offered"),
    (duel(), {"success": True, "arm": "small", "preference": Preference(preferred_arm="medium")},
     InvalidField, "not offered"),
    (duel(), {"preference": Preference(tie=True), "failure": "timeout"}, InvalidField,
     "required for a duel"),
]  # fmt: skip


@pytest.mark.parametrize(("decision", "fields", "error", "said"), REFUSED)
def test_what_does_not_fit_its_decision_is_refused_and_changes_nothing(
    decision, fields, error, said
):
    desk = Desk(decision, a_decision(id="foreign", policy_id=2))

    with pytest.raises(error, match=said):
        desk.hear(**fields)

    assert not desk.standing.changed_outcomes
    assert not desk.standing.changed_learned
    assert not desk.standing.of("d1", 0)


def test_feedback_on_a_context_of_other_features_is_stored_only():
    desk = Desk(a_decision(feature_version="vector.v1:9+constant"))

    event = desk.hear(success=True)

    assert (event.effect, event.lessons) == (Effect.OTHER_FEATURES, ())
    assert len(desk.standing.changed_outcomes) == 1


@pytest.mark.parametrize(
    ("state", "effect"),
    [(ArmState.REMOVED, Effect.ARM_REMOVED), (ArmState.RETIRED, Effect.LEARNED)],
)
def test_late_feedback_teaches_a_retired_arm_but_not_a_removed_one(state, effect):
    desk = Desk(config=a_config(arms=(Arm(name="small", state=state), Arm(name="large"))))

    assert desk.hear(success=True).effect is effect
    assert len(desk.standing.changed_outcomes) == 1


def test_what_was_learned_before_a_restart_is_never_revised():
    desk = Desk()
    desk.hear(score=0.2)
    desk.epoch = 1

    event = desk.hear(score=0.9)

    assert event.lessons == (lesson(0, None, 0.9),)
    assert desk.standing.changed_learned["d1", 0] == Learned("d1", 0, 0.9, 1)


def test_what_fades_at_another_pace_since_it_was_learned_cannot_be_taken_back():
    desk = Desk()
    desk.hear(score=0.2)
    desk.epoch, desk.started_epoch = 1, 0

    event = desk.hear(score=0.9)

    assert (event.effect, event.lessons) == (Effect.RECORDED, ())
    assert desk.standing.changed_learned["d1", 0] == Learned("d1", 0, 0.2, 0)


def test_standing_goes_on_from_what_was_stored():
    outcome = Outcome("d1", 0, Kind.SCORE, Source.EXPERT, 2, NOW, value=0.4)
    desk = Desk()
    desk.standing = Standing([outcome], [Learned("d1", 0, 0.4, 0)])

    outranked = desk.hear(score=0.9)
    revised = desk.hear(score=0.9, source=Source.EXPERT)

    assert outranked.effect is Effect.OUTRANKED
    assert revised.lessons == (lesson(0, 0.4, 0.9),)


def test_a_submission_names_the_decisions_it_speaks_of():
    between = a_submission(preference=Preference(other_decision_id="d2"))

    assert decisions_of(between) == ["d1", "d2"]
    assert decisions_of(a_submission(success=True)) == ["d1"]
    assert decisions_of(a_submission(preference=Preference(preferred_arm="small"))) == ["d1"]


def test_equal_payloads_have_equal_digests_and_others_do_not():
    said = a_submission(score=0.5)

    assert digest(said) == digest(a_submission(score=0.5))
    assert digest(said) != digest(a_submission(score=0.6))
    assert digest(said) != digest(a_submission(score=0.5, source=Source.JUDGE))
