"""What callers are answered."""

import pytest

from bandit_service.errors import NoEligibleArm
from bandit_service.model import (
    ArmExplanation,
    Effect,
    EnergySource,
    Explanation,
    Failure,
    Kind,
    Outcome,
    Recorded,
    Routed,
    Source,
    Usage,
)
from bandit_service.rpc import answers, form
from bandit_service.rpc.pb import routing_pb2 as pb
from tests.builders import NOW, a_decision


def test_a_plain_decision_has_no_flags():
    decision = a_decision(id="d1", propensity=0.25, revision=2, position=9)

    assert answers.route_response(Routed(decision, "small")) == pb.RouteResponse(
        decision_id="d1", arm="small", propensity=0.25, policy_revision=2, position=9
    )


@pytest.mark.parametrize("flag", ["degraded", "forced", "sticky", "observed"])
def test_a_flag_of_a_decision_is_told(flag):
    response = answers.route_response(Routed(a_decision(**{flag: True}), "small"))

    flags = ("degraded", "forced", "sticky", "observed")
    assert [name for name in flags if getattr(response, name)] == [flag]


def test_a_duel_names_both_arms():
    response = answers.route_response(Routed(a_decision(second_arm=2), "small", "large"))

    assert (response.arm, response.second_arm) == ("small", "large")


def test_results_of_a_batch_keep_their_order():
    error = NoEligibleArm("chat", {"small": "retired"})

    results = answers.route_results([Routed(a_decision(id="d1"), "small"), error]).results

    assert results[0].response.decision_id == "d1"
    assert results[1].error.reason == "NO_ELIGIBLE_ARM"
    assert [result.WhichOneof("result") for result in results] == ["response", "error"]


@pytest.mark.parametrize("effect", Effect)
def test_every_effect_of_feedback_can_be_told(effect):
    response = answers.feedback_response(Recorded("f1", 4, effect, duplicate=True))

    assert pb.Effect.Name(response.effect) == f"EFFECT_{effect.name}"
    assert (response.feedback_id, response.position, response.duplicate) == ("f1", 4, True)


def an_outcome(kind, **more):
    return Outcome("d1", 0, kind, Source.USER, position=3, update_time=NOW, **more)


def test_an_explanation_tells_what_was_known_and_what_is_not():
    small = ArmExplanation("small", 0.75, "", 0.5, 0.1, -0.2, None)
    large = ArmExplanation("large", 0.0, "retired", None, None, 0.0, 0.25, 0.125)
    explained = Explanation("chat", Routed(a_decision(), "small"), (3.0, 4.0), (small, large), ())

    told = answers.explanation(explained).decision

    assert told.policy == "chat"
    assert told.create_time.ToMicroseconds() == round(NOW * 1e6)
    assert (told.context.dimension, told.context.norm) == (2, 5.0)
    assert list(told.context.values) == [3.0, 4.0]
    assert told.arms[0].quality == 0.5
    assert not told.arms[0].HasField("shadow_probability")
    assert told.arms[1].ineligible_reason == "retired"
    assert not told.arms[1].HasField("quality")
    assert told.arms[1].shadow_probability == 0.25
    assert not told.arms[0].HasField("second_probability")
    assert told.arms[1].second_probability == 0.125


def test_an_explanation_tells_the_feedback_that_stands():
    usage = Usage(
        cost_usd=0.0,
        latency_seconds=1.5,
        energy_joules=2.0,
        energy_source=EnergySource.MEASURED,
    )
    outcomes = (
        ("small", an_outcome(Kind.SCORE, value=0.0)),
        ("small", an_outcome(Kind.FAILURE, failure=Failure.TIMEOUT)),
        ("small", an_outcome(Kind.USAGE, usage=usage)),
    )
    explained = Explanation("chat", Routed(a_decision(), "small"), (1.0,), (), outcomes)

    score, failure, used = answers.explanation(explained).decision.outcomes

    assert (score.kind, score.value, score.HasField("value")) == ("score", 0.0, True)
    assert score.source == pb.FEEDBACK_SOURCE_USER
    assert (failure.failure, failure.HasField("value")) == (pb.FAILURE_TIMEOUT, False)
    assert used.usage.HasField("cost_usd")
    assert used.usage.latency.ToMilliseconds() == 1500
    assert not used.usage.HasField("input_tokens")
    assert not used.usage.HasField("time_to_first_token")
    assert used.usage.energy_source == pb.ENERGY_SOURCE_MEASURED


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 0.999999999, 1.5, 86_400.25])
def test_a_duration_survives_the_wire(seconds):
    assert form.seconds("latency", form.duration(seconds)) == pytest.approx(seconds, abs=1e-9)
