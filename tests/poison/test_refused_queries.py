"""Queries that cannot be routed: each is told why, and nothing changes."""

import math
import struct

import grpc
import pytest

from bandit_service.rpc.pb import policy_pb2 as pp
from bandit_service.rpc.pb import routing_pb2 as pb
from tests.poison.expectations import (
    ID_REUSED,
    NO_DECISION,
    NO_ELIGIBLE_ARM,
    NO_POLICY,
    WRONG_CONTEXT,
    Build,
    Cases,
    Refusal,
    bad,
    check_refused,
    sentences,
)
from tests.poison.house import VECTOR, House, check_words

NAN, INF = math.nan, math.inf
NUL = "a\0b"
LONG = "n" * 129
PERSON = "p" * 257


def vector(*values: float) -> Build:
    return lambda house: house.query(vector=pb.Vector(values=values))


def packed(raw: bytes) -> Build:
    return lambda house: house.query(packed_vector=raw)


def query(**changes: object) -> Build:
    return lambda house: house.query(**changes)


def doubles(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


def words(text: str) -> Build:
    return lambda house: pb.RouteRequest(policy=house.words, text=text)


QUERIES: Cases = {
    "nothing at all": (bad("context"), lambda _: pb.RouteRequest()),
    "no policy": (bad("policy"), query(policy="")),
    "a policy that is not there": (NO_POLICY, query(policy="nowhere")),
    "a policy's name in another case": (NO_POLICY, lambda h: h.query(policy=h.chat.upper())),
    "a policy's name that is too long": (bad("policy"), query(policy="n" * 64)),
    "a policy's name with NUL": (bad("policy"), query(policy=NUL)),
    "a policy's name of 100 kB": (bad("policy"), query(policy="n" * 100_000)),
    "no context": (bad("context"), query(vector=None)),
    "too few numbers": (WRONG_CONTEXT, vector(*VECTOR[:-1])),
    "too many numbers": (WRONG_CONTEXT, vector(*VECTOR, 0.5)),
    "no numbers": (bad("vector.values"), vector()),
    "more numbers than any policy takes": (bad("vector.values"), vector(*[0.0] * 512)),
    "NaN": (bad("vector.values[1]"), vector(0, NAN, 0, 0)),
    "infinity": (bad("vector.values[0]"), vector(INF, 0, 0, 0)),
    "minus infinity": (bad("vector.values[3]"), vector(0, 0, 0, -INF)),
    "both infinities": (bad("vector.values[0]"), vector(INF, -INF, 0, 0)),
    "1e308": (bad("vector.values[2]"), vector(0, 0, 1e308, 0)),
    "-1e308": (bad("vector.values[2]"), vector(0, 0, -1e308, 0)),
    "a number above a million": (bad("vector.values[0]"), vector(1.1e6, 0, 0, 0)),
    "packed numbers cut in one": (bad("packed_vector"), packed(doubles(*VECTOR)[:-1])),
    "no packed numbers": (bad("packed_vector"), packed(b"")),
    "too few packed numbers": (WRONG_CONTEXT, packed(doubles(*VECTOR[:-1]))),
    "too many packed numbers": (WRONG_CONTEXT, packed(doubles(*VECTOR, 0.5))),
    "a megabyte of packed numbers": (bad("packed_vector"), packed(bytes(2**20))),
    "packed NaN": (bad("packed_vector[1]"), packed(doubles(0, NAN, 0, 0))),
    "packed infinity": (bad("packed_vector[0]"), packed(doubles(INF, 0, 0, 0))),
    "packed 1e308": (bad("packed_vector[3]"), packed(doubles(0, 0, 0, 1e308))),
    "text for a policy of vectors": (WRONG_CONTEXT, query(text="What is it?")),
    "a vector for a policy of text": (WRONG_CONTEXT, lambda h: h.query(policy=h.words)),
    "empty text": (bad("text"), words("")),
    "blank text": (bad("text"), words(" \n\t\u3000")),
    "text of 65,537 characters": (bad("text"), words("t" * 65_537)),
    "text of a megabyte": (bad("text"), words("t" * 1_000_000)),
    "a negative number of tokens": (bad("input_tokens"), query(input_tokens=-1)),
    "more tokens than there are": (bad("output_tokens"), query(output_tokens=2**63 - 1)),
    "an empty tag": (bad("required_tags[1]"), query(required_tags=["fast", ""])),
    "a tag that is too long": (bad("required_tags[0]"), query(required_tags=[LONG])),
    "a tag with NUL": (bad("required_tags[0]"), query(required_tags=[NUL])),
    "a blank label": (bad("labels[0]"), query(labels=[""])),
    "65 labels": (bad("labels"), query(labels=[f"label {n}" for n in range(65)])),
    "no modality": (bad("required_modalities[0]"), query(required_modalities=[0])),
    "an unknown modality": (bad("required_modalities[1]"), query(required_modalities=[1, 99])),
    "a negative modality": (bad("required_modalities[0]"), query(required_modalities=[-1])),
    "an arm that never was": (bad("allowed_arms"), query(allowed_arms=["small", "nobody"])),
    "an arm without a name": (bad("allowed_arms[0]"), query(allowed_arms=[""])),
    "an arm's name that is too long": (bad("allowed_arms[0]"), query(allowed_arms=[LONG])),
    "only a retired arm": (NO_ELIGIBLE_ARM, query(allowed_arms=["old"])),
    "only a removed arm": (NO_ELIGIBLE_ARM, query(allowed_arms=["gone"])),
    "only retired and removed arms, in a duel": (
        NO_ELIGIBLE_ARM,
        query(allowed_arms=["old", "gone"], duel=True),
    ),
    "a tag that only a retired arm has": (NO_ELIGIBLE_ARM, query(required_tags=["vintage"])),
    "a tag that no arm has": (NO_ELIGIBLE_ARM, query(required_tags=["free"])),
    "a modality that no arm has": (
        NO_ELIGIBLE_ARM,
        query(required_modalities=[pb.MODALITY_VIDEO]),
    ),
    "more tokens than the arm takes": (
        NO_ELIGIBLE_ARM,
        query(allowed_arms=["small"], input_tokens=900, output_tokens=101),
    ),
    "weights of its own where the policy allows none": (
        bad("objective.quality_per_usd"),
        query(objective=pb.ObjectiveOverride(quality_per_usd=1.0)),
    ),
    "a weight of NaN": (
        bad("objective.quality_per_joule"),
        query(objective=pb.ObjectiveOverride(quality_per_joule=NAN)),
    ),
    "a negative dial": (
        bad("objective.accuracy_energy_dial"),
        query(objective=pb.ObjectiveOverride(accuracy_energy_dial=-1.0)),
    ),
    "a session that is too long": (bad("session"), query(session=PERSON)),
    "a session with NUL": (bad("session"), query(session=NUL)),
    "a subject that is too long": (bad("subject"), query(subject=PERSON)),
    "a subject with NUL": (bad("subject"), query(subject=NUL)),
    "a request id that is too long": (bad("request_id"), query(request_id=LONG)),
    "a request id with NUL": (bad("request_id"), query(request_id=NUL)),
    "a request id used before with other numbers": (
        ID_REUSED,
        lambda h: h.query(request_id=h.asked, vector=pb.Vector(values=[0, 0, 0, 0])),
    ),
    "a request id used before without the duel": (
        ID_REUSED,
        lambda h: h.query(request_id=h.asked, duel=True),
    ),
    "a request id used before without the session": (
        ID_REUSED,
        lambda h: h.query(request_id=h.asked, session="s"),
    ),
}

DECISIONS: Cases = {
    "no id": (bad("decision_id"), lambda _: pb.GetDecisionRequest()),
    "an id that is too long": (
        bad("decision_id"),
        lambda _: pb.GetDecisionRequest(decision_id=LONG),
    ),
    "an id with NUL": (bad("decision_id"), lambda _: pb.GetDecisionRequest(decision_id=NUL)),
    "an unknown id": (NO_DECISION, lambda _: pb.GetDecisionRequest(decision_id="nothing")),
    "an id in another case": (
        NO_DECISION,
        lambda h: pb.GetDecisionRequest(decision_id=h.decision.upper() + "X"),
    ),
}


@pytest.mark.parametrize(("refusal", "build"), sentences(QUERIES))
def test_a_bad_query_is_refused_alone_and_in_a_batch_and_changes_nothing(
    house: House, refusal: Refusal, build: Build
):
    request = build(house)

    with house.unchanged("bad queries"):
        refusal.check(house.ask("Route", request))
        together = pb.BatchRouteRequest(requests=[request, request])
        results = house.ok("BatchRoute", together).results

    assert len(results) == 2
    for result in results:
        refusal.check_item(result.error)


@pytest.mark.parametrize(("refusal", "build"), sentences(DECISIONS))
def test_a_decision_that_is_not_there_is_not_explained(
    house: House, refusal: Refusal, build: Build
):
    check_refused(house, "GetDecision", build(house), refusal)


@pytest.mark.parametrize("count", [0, 513])
def test_a_batch_of_no_or_too_many_queries_is_refused_whole(house: House, count: int):
    request = pb.BatchRouteRequest(requests=[house.query()] * count)

    check_refused(house, "BatchRoute", request, bad("requests"))


def test_a_bad_query_does_not_spoil_the_good_ones_beside_it(house: House):
    good, wrong = house.query(), house.query(vector=pb.Vector(values=[NAN] * 4))

    request = pb.BatchRouteRequest(requests=[good, wrong, good])
    first, second, third = house.ok("BatchRoute", request).results

    assert first.response.arm in {"small", "large"}
    assert second.error.reason == "INVALID_FIELD"
    assert third.response.arm in {"small", "large"}


def test_a_request_id_twice_in_a_batch_with_two_payloads_counts_once(house: House):
    first = house.query(request_id="twice")
    second = house.query(request_id="twice", session="another")

    request = pb.BatchRouteRequest(requests=[first, second])
    one, other = house.ok("BatchRoute", request).results

    assert one.response.decision_id
    assert other.error.code == grpc.StatusCode.ALREADY_EXISTS.value[0]
    assert other.error.reason == "ID_REUSED"


def test_the_reasons_why_no_arm_is_eligible_are_named(house: House):
    answer = house.ask("Route", house.query(allowed_arms=["old", "gone"]))

    check_words(answer)
    for reason in ("old: the arm is retired", "gone: the arm has been removed", "small: not among"):
        assert reason in answer.message


def test_a_deleted_policy_neither_routes_nor_explains(house: House):
    chat, decision = house.chat, house.decision
    house.ok("DeletePolicy", pp.DeletePolicyRequest(name=chat))
    house.furnish()

    check_refused(house, "Route", house.query(policy=chat), NO_POLICY)
    explained = pb.GetDecisionRequest(decision_id=decision)
    check_refused(house, "GetDecision", explained, NO_DECISION)


def test_after_all_bad_queries_a_good_query_and_its_feedback_are_taken(house: House):
    house.serves()
