"""Feedback that makes no sense: each is told why, and nothing is recorded or learned."""

import math

import pytest
from google.protobuf.duration_pb2 import Duration

from bandit_service.rpc.pb import policy_pb2 as pp
from bandit_service.rpc.pb import routing_pb2 as pb
from tests.poison.expectations import (
    ID_REUSED,
    NO_DECISION,
    NO_POLICY,
    Build,
    Cases,
    Refusal,
    bad,
    check_refused,
    sentences,
)
from tests.poison.house import House

NAN, INF = math.nan, math.inf
NUL = "a\0b"
LONG = "n" * 129
MOST_SECONDS = 315_576_000_000
NOTHING_TOLD = "success, score, preference, failure, usage"


def told(**changes: object) -> Build:
    return lambda house: house.feedback(**changes)


def score(value: float) -> Build:
    return told(score=value)


def usage(**taken: object) -> Build:
    return told(usage=pb.Usage(**taken))  # type: ignore[arg-type]


def prefers(**said: object) -> Build:
    """Of one decision alone."""
    return told(preference=pb.Preference(**said))  # type: ignore[arg-type]


def in_duel(**changes: object) -> Build:
    return lambda house: house.feedback(decision_id=house.duel, **changes)


def between(other: str, preferred: str) -> Build:
    """Of a decision and another; both are names of what the house has, or ids."""

    def build(house: House) -> pb.FeedbackRequest:
        said = pb.Preference(
            other_decision_id=getattr(house, other, other),
            preferred_decision_id=getattr(house, preferred, preferred),
        )
        return house.feedback(preference=said)

    return build


FEEDBACK: Cases = {
    "nothing at all": (bad("decision_id"), lambda _: pb.FeedbackRequest()),
    "no decision": (bad("decision_id"), told(decision_id="", score=0.5)),
    "an unknown decision": (NO_DECISION, told(decision_id="nothing", score=0.5)),
    "a decision's id that is too long": (bad("decision_id"), told(decision_id=LONG, score=0.5)),
    "a decision's id with NUL": (bad("decision_id"), told(decision_id=NUL, score=0.5)),
    "nothing told": (bad(NOTHING_TOLD), told()),
    "nothing told but a source": (bad(NOTHING_TOLD), told(source=pb.FEEDBACK_SOURCE_EXPERT)),
    "nothing told but an arm": (bad(NOTHING_TOLD), lambda h: h.feedback(arm=h.arm)),
    "a score of NaN": (bad("score"), score(NAN)),
    "a score of infinity": (bad("score"), score(INF)),
    "a score of minus infinity": (bad("score"), score(-INF)),
    "a score of 1e308": (bad("score"), score(1e308)),
    "a score of -1e308": (bad("score"), score(-1e308)),
    "a score a little above 1": (bad("score"), score(math.nextafter(1.0, 2.0))),
    "a score a little below 0": (bad("score"), score(-5e-324)),
    "a good success beside a bad score": (bad("score"), told(success=True, score=2.0)),
    "an unknown source": (bad("source"), told(source=99, score=0.5)),
    "a negative source": (bad("source"), told(source=-1, score=0.5)),
    "an unknown failure": (bad("failure"), told(failure=99)),
    "an arm that was not offered": (bad("arm"), lambda h: h.feedback(score=0.5, arm=h.other_arm)),
    "a retired arm": (bad("arm"), told(score=0.5, arm="old")),
    "a removed arm": (bad("arm"), told(score=0.5, arm="gone")),
    "an arm that never was": (bad("arm"), told(score=0.5, arm="nobody")),
    "usage of an arm that was not offered": (
        bad("arm"),
        lambda h: h.feedback(usage=pb.Usage(cost_usd=1.0), arm=h.other_arm),
    ),
    "a failure of an arm that was not offered": (
        bad("arm"),
        lambda h: h.feedback(failure=pb.FAILURE_TIMEOUT, arm=h.other_arm),
    ),
    "an arm's name that is too long": (bad("arm"), told(score=0.5, arm=LONG)),
    "an arm's name with NUL": (bad("arm"), told(score=0.5, arm=NUL)),
    "a duel's score without an arm": (bad("arm"), in_duel(score=0.5)),
    "a duel's failure without an arm": (bad("arm"), in_duel(failure=pb.FAILURE_ERROR)),
    "a duel's score for a third arm": (bad("arm"), in_duel(score=0.5, arm="old")),
    "an empty preference": (bad("preference"), prefers()),
    "a preference where one arm was offered": (
        bad("preference"),
        lambda h: h.feedback(preference=pb.Preference(preferred_arm=h.arm)),
    ),
    "a tie where one arm was offered": (bad("preference"), prefers(tie=True)),
    "a preference for an arm that was not in the duel": (
        bad("preference.preferred_arm"),
        in_duel(preference=pb.Preference(preferred_arm="old")),
    ),
    "a preference for an arm that never was": (
        bad("preference.preferred_arm"),
        in_duel(preference=pb.Preference(preferred_arm="nobody")),
    ),
    "a preference for an arm with NUL": (
        bad("preference.preferred_arm"),
        in_duel(preference=pb.Preference(preferred_arm=NUL)),
    ),
    "a tie that prefers": (
        bad("preference.tie"),
        in_duel(preference=pb.Preference(preferred_arm="small", tie=True)),
    ),
    "a good score beside a bad preference": (
        bad("preference.preferred_arm"),
        in_duel(score=0.5, arm="small", preference=pb.Preference(preferred_arm="old")),
    ),
    "a preference over an unknown decision": (NO_DECISION, between("nothing", "decision")),
    "a preference for an unknown decision": (NO_DECISION, between("nothing", "nothing")),
    "a preference over another policy's decision": (
        NO_DECISION,
        between("text_decision", "decision"),
    ),
    "a preference over the decision itself": (
        bad("preference.other_decision_id"),
        between("decision", "decision"),
    ),
    "a preference for a third decision": (
        bad("preference.preferred_decision_id"),
        between("duel", "text_decision"),
    ),
    "a preference for neither decision": (
        bad("preference.preferred_decision_id"),
        between("duel", ""),
    ),
    "a preference over no decision": (
        bad("preference.other_decision_id"),
        between("", "decision"),
    ),
    "a preference over a decision with NUL": (
        bad("preference.other_decision_id"),
        between(NUL, "decision"),
    ),
    "an empty usage": (bad("usage"), usage()),
    "a cost of NaN": (bad("usage.cost_usd"), usage(cost_usd=NAN)),
    "a cost of infinity": (bad("usage.cost_usd"), usage(cost_usd=INF)),
    "a cost of 1e308": (bad("usage.cost_usd"), usage(cost_usd=1e308)),
    "a negative cost": (bad("usage.cost_usd"), usage(cost_usd=-0.01)),
    "negative tokens": (bad("usage.input_tokens"), usage(input_tokens=-1)),
    "all tokens there are": (bad("usage.output_tokens"), usage(output_tokens=2**63 - 1)),
    "a negative latency": (bad("usage.latency"), usage(latency=Duration(seconds=-1))),
    "a latency with too many nanoseconds": (
        bad("usage.latency"),
        usage(latency=Duration(nanos=2_000_000_000)),
    ),
    "a latency of two signs": (bad("usage.latency"), usage(latency=Duration(seconds=1, nanos=-1))),
    "a latency of more than ten thousand years": (
        bad("usage.latency"),
        usage(latency=Duration(seconds=2**63 - 1)),
    ),
    "a negative time to the first token": (
        bad("usage.time_to_first_token"),
        usage(time_to_first_token=Duration(nanos=-1)),
    ),
    "an energy of NaN": (
        bad("usage.energy_joules"),
        usage(energy_joules=NAN, energy_source=pb.ENERGY_SOURCE_MEASURED),
    ),
    "an energy of 1e308": (
        bad("usage.energy_joules"),
        usage(energy_joules=1e308, energy_source=pb.ENERGY_SOURCE_MEASURED),
    ),
    "an energy out of nowhere": (bad("usage.energy_source"), usage(energy_joules=1.0)),
    "an energy of an unknown source": (
        bad("usage.energy_source"),
        usage(energy_joules=1.0, energy_source=99),
    ),
    "a source of no energy": (
        bad("usage.energy_source"),
        usage(cost_usd=1.0, energy_source=pb.ENERGY_SOURCE_MEASURED),
    ),
    "a feedback id that is too long": (bad("feedback_id"), told(feedback_id=LONG, score=0.5)),
    "a feedback id with NUL": (bad("feedback_id"), told(feedback_id=NUL, score=0.5)),
    "a feedback id used before with another score": (
        ID_REUSED,
        lambda h: h.feedback(feedback_id=h.told, score=0.25),
    ),
    "a feedback id used before by another source": (
        ID_REUSED,
        lambda h: h.feedback(feedback_id=h.told, score=0.75, source=pb.FEEDBACK_SOURCE_EXPERT),
    ),
    "a feedback id used before for another decision": (
        ID_REUSED,
        lambda h: h.feedback(decision_id=h.duel, feedback_id=h.told, arm=h.arm, score=0.75),
    ),
}


@pytest.mark.parametrize(("refusal", "build"), sentences(FEEDBACK))
def test_bad_feedback_is_refused_alone_and_in_a_batch_and_changes_nothing(
    house: House, refusal: Refusal, build: Build
):
    request = build(house)

    with house.unchanged("bad feedback"):
        refusal.check(house.ask("Feedback", request))
        together = pb.BatchFeedbackRequest(requests=[request, request])
        results = house.ok("BatchFeedback", together).results

    assert len(results) == 2
    for result in results:
        refusal.check_item(result.error)


@pytest.mark.parametrize("count", [0, 513])
def test_a_batch_of_no_or_too_much_feedback_is_refused_whole(house: House, count: int):
    request = pb.BatchFeedbackRequest(requests=[house.feedback(score=0.5)] * count)

    check_refused(house, "BatchFeedback", request, bad("requests"))


def test_bad_feedback_does_not_spoil_the_good_beside_it(house: House):
    good, wrong = house.feedback(score=0.5), house.feedback(score=NAN)

    request = pb.BatchFeedbackRequest(requests=[good, wrong, good])
    first, second, third = house.ok("BatchFeedback", request).results

    assert second.error.reason == "INVALID_FIELD"
    assert third.response.position == first.response.position + 1


def test_a_feedback_id_twice_in_a_batch_with_two_payloads_counts_once(house: House):
    first = house.feedback(feedback_id="twice", score=0.25)
    second = house.feedback(feedback_id="twice", score=0.5)

    request = pb.BatchFeedbackRequest(requests=[first, second, first])
    one, other, again = house.ok("BatchFeedback", request).results

    assert other.error.reason == "ID_REUSED"
    assert again.response.duplicate
    assert again.response.position == one.response.position


def test_the_same_feedback_again_is_no_error_and_changes_nothing(house: House):
    with house.unchanged("feedback that was repeated"):
        again = house.ok("Feedback", house.feedback(feedback_id=house.told, score=0.75))

    assert again.duplicate


@pytest.mark.parametrize(
    "latency",
    [Duration(seconds=MOST_SECONDS), Duration(seconds=MOST_SECONDS, nanos=999_999_999)],
    ids=["in seconds", "in seconds and nanoseconds"],
)
def test_the_longest_latency_that_is_taken_is_told_as_a_valid_one(house: House, latency: Duration):
    taken = house.feedback(decision_id=house.duel, arm=house.arm, usage=pb.Usage(latency=latency))
    house.ok("Feedback", taken)

    explained = house.ok("GetDecision", pb.GetDecisionRequest(decision_id=house.duel)).decision

    (told_again,) = [it.usage.latency for it in explained.outcomes if it.kind == "usage"]
    assert told_again.seconds <= MOST_SECONDS  # more is no valid Duration


def test_feedback_for_a_deleted_policy_is_refused(house: House):
    request, chat = house.feedback(score=0.5), house.chat
    house.ok("DeletePolicy", pp.DeletePolicyRequest(name=chat))
    house.furnish()

    check_refused(house, "Feedback", request, NO_POLICY)


def test_after_all_bad_feedback_a_good_query_and_its_feedback_are_taken(house: House):
    house.serves()
