"""Feedback, as it is read from the wire."""

import math
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from bandit_service.errors import InvalidField
from bandit_service.model import (
    EnergySource,
    Failure,
    Preference,
    Source,
    Submission,
    Usage,
)
from bandit_service.rpc import convert, convert_feedback, form
from bandit_service.rpc.pb import routing_pb2 as pb

NAN, INF = math.nan, math.inf
NUL = "a\0b"


def a_feedback(**changes):
    given: dict[str, Any] = {"decision_id": "d1", "score": 0.5}
    return pb.FeedbackRequest(**(given | changes))


def test_feedback_keeps_everything_that_was_said():
    request = pb.FeedbackRequest(
        decision_id="d1",
        feedback_id="f1",
        source=pb.FEEDBACK_SOURCE_JUDGE,
        success=False,
        score=0.0,
        preference=pb.Preference(preferred_arm="small"),
        failure=pb.FAILURE_RATE_LIMIT,
        usage=pb.Usage(
            cost_usd=0.0,
            input_tokens=0,
            output_tokens=5,
            latency=Duration(seconds=1, nanos=500_000_000),
            time_to_first_token=Duration(),
            energy_joules=0.0,
            energy_source=pb.ENERGY_SOURCE_SAMPLED,
        ),
        arm="small",
    )

    assert convert_feedback.submission(request) == Submission(
        decision_id="d1",
        feedback_id="f1",
        source=Source.JUDGE,
        success=False,
        score=0.0,
        preference=Preference(preferred_arm="small"),
        failure=Failure.RATE_LIMIT,
        usage=Usage(
            cost_usd=0.0,
            input_tokens=0,
            output_tokens=5,
            latency_seconds=1.5,
            time_to_first_token_seconds=0.0,
            energy_joules=0.0,
            energy_source=EnergySource.SAMPLED,
        ),
        arm="small",
    )


def test_what_was_not_said_in_feedback_is_unknown_not_zero():
    said = convert_feedback.submission(
        pb.FeedbackRequest(decision_id="d1", feedback_id="f", success=True)
    )

    assert said == Submission("d1", "f", Source.USER, success=True)


def test_feedback_without_an_id_is_given_a_new_one_each_time():
    first, second = (convert_feedback.submission(a_feedback()).feedback_id for _ in range(2))

    assert len(bytes.fromhex(first)) == len(bytes.fromhex(second)) == 16
    assert first != second


@pytest.mark.parametrize(
    "preference",
    [
        {"preferred_arm": "small"},
        {"tie": True},
        {"other_decision_id": "d2", "preferred_decision_id": "d2"},
        {"other_decision_id": "d2", "preferred_decision_id": "d1"},
        {"other_decision_id": "d2", "tie": True},
    ],
)
def test_a_preference_is_between_two_arms_or_two_decisions(preference):
    request = pb.FeedbackRequest(decision_id="d1", preference=pb.Preference(**preference))

    assert convert_feedback.submission(request).preference == Preference(**preference)


def with_usage(**usage):
    return a_feedback(usage=pb.Usage(**usage))


def with_preference(**preference):
    return a_feedback(preference=pb.Preference(**preference))


BAD_DURATIONS = (
    Duration(seconds=-1),
    Duration(nanos=-1),
    Duration(seconds=1, nanos=-1),
    Duration(nanos=1_000_000_000),
    Duration(seconds=form.MOST_SECONDS + 1),
)
BAD_FEEDBACK = {
    "decision_id": [
        a_feedback(decision_id=""),
        a_feedback(decision_id="d" * 129),
        a_feedback(decision_id=NUL),
    ],
    "feedback_id": [a_feedback(feedback_id="f" * 129), a_feedback(feedback_id=NUL)],
    "source": [a_feedback(source=99)],
    "failure": [a_feedback(failure=99)],
    "score": [a_feedback(score=bad) for bad in (NAN, INF, -INF, -1e-9, 1 + 1e-9)],
    "arm": [a_feedback(arm="a" * 129), a_feedback(arm=NUL)],
    "success, score, preference, failure, usage": [pb.FeedbackRequest(decision_id="d1")],
    "preference": [with_preference()],
    "preference.preferred_arm": [
        with_preference(preferred_arm=NUL),
        with_preference(preferred_arm="a" * 129),
        with_preference(preferred_arm="small", other_decision_id="d2"),
    ],
    "preference.other_decision_id": [
        with_preference(other_decision_id=NUL),
        with_preference(other_decision_id="d" * 129),
        with_preference(preferred_decision_id="d1"),
        with_preference(other_decision_id="d1", preferred_decision_id="d1"),
    ],
    "preference.preferred_decision_id": [
        with_preference(other_decision_id="d2", preferred_decision_id=NUL),
        with_preference(other_decision_id="d2", preferred_decision_id="d3"),
        with_preference(other_decision_id="d2"),
    ],
    "preference.tie": [
        with_preference(tie=True, preferred_arm="small"),
        with_preference(tie=True, other_decision_id="d2", preferred_decision_id="d2"),
    ],
    "usage": [with_usage()],
    "usage.cost_usd": [with_usage(cost_usd=bad) for bad in (NAN, INF, -0.01, 1.1e9)],
    "usage.input_tokens": [with_usage(input_tokens=bad) for bad in (-1, 10**12 + 1)],
    "usage.output_tokens": [with_usage(output_tokens=bad) for bad in (-1, 10**12 + 1)],
    "usage.latency": [with_usage(latency=bad) for bad in BAD_DURATIONS],
    "usage.time_to_first_token": [with_usage(time_to_first_token=bad) for bad in BAD_DURATIONS],
    "usage.energy_joules": [
        with_usage(energy_joules=bad, energy_source=1) for bad in (NAN, INF, -1.0, 1.1e15)
    ],
    "usage.energy_source": [
        with_usage(energy_joules=1.0),
        with_usage(energy_source=1),
        with_usage(energy_joules=1.0, energy_source=99),
    ],
}


@pytest.mark.parametrize(
    ("field", "request_"), [(field, bad) for field, all_ in BAD_FEEDBACK.items() for bad in all_]
)
def test_bad_feedback_is_refused_with_the_field_at_fault(field, request_):
    with pytest.raises(InvalidField) as refused:
        convert_feedback.submission(request_)

    assert refused.value.field == field


@pytest.mark.parametrize("decision_id", ["", "d" * 129, NUL])
def test_a_decision_is_asked_for_by_its_id(decision_id):
    with pytest.raises(InvalidField, match="decision_id"):
        convert.decision_id(pb.GetDecisionRequest(decision_id=decision_id))
