"""Anything at all, sent to every method: a precise refusal or success, never harm."""

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.internal.encoder import TagBytes
from google.protobuf.internal.wire_format import WIRETYPE_LENGTH_DELIMITED
from google.protobuf.message import Message
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bandit_service.rpc.pb import policy_pb2 as pp
from bandit_service.rpc.pb import routing_pb2 as pb
from tests.poison.expectations import bad, check_restart
from tests.poison.house import METHODS, VECTOR, House, a_vector_policy, check_words
from tests.poison.messages import hostile

MOST_BYTES = 4 * 1024 * 1024
CONTRACT = {
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "FAILED_PRECONDITION",
    "ABORTED",
    "RESOURCE_EXHAUSTED",
}
CODES = {grpc.StatusCode[name].value[0] for name in CONTRACT}
MALFORMED = {
    "no tag": b"\xff\xff\xff",
    "cut": b"\x0a\x7fcut",
    "an open group": b"\x0b",
    "the end of no group": b"\x0c",
    "field 0": b"\x00\x01",
}
# No shrinking: the server remembers what the examples before have done.
EXAMPLES = settings(
    database=None,
    deadline=None,
    derandomize=True,
    max_examples=12,
    phases=(Phase.explicit, Phase.generate),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def good_requests(house: House) -> dict[str, Message]:
    """For each method one that succeeds."""
    usage = pb.Usage(
        cost_usd=0.01,
        output_tokens=5,
        latency=Duration(seconds=1),
        energy_joules=2.0,
        energy_source=pb.ENERGY_SOURCE_SAMPLED,
    )
    told = house.feedback(score=0.5, usage=usage, arm=house.arm)
    named = {"policy": house.chat, "arm": "small"}
    policy = a_vector_policy(f"{house.chat}-more")
    return {
        "Route": house.query(input_tokens=10),
        "BatchRoute": pb.BatchRouteRequest(requests=[house.query(), house.query(duel=True)]),
        "Feedback": told,
        "BatchFeedback": pb.BatchFeedbackRequest(requests=[told, told]),
        "GetDecision": pb.GetDecisionRequest(decision_id=house.decision),
        "CreatePolicy": pp.CreatePolicyRequest(policy=policy),
        "UpdatePolicy": pp.UpdatePolicyRequest(
            policy=a_vector_policy(house.chat),
            update_mask=FieldMask(paths=["algorithm", "objective", "floor", "forgetting"]),
        ),
        "AddArm": pp.AddArmRequest(policy=house.chat, arm=pp.Arm(name="new")),
        "UpdateArm": pp.UpdateArmRequest(
            policy=house.chat,
            arm=pp.Arm(name="small", model="m"),
            update_mask=FieldMask(paths=["model", "parameters", "context_limit_tokens"]),
        ),
        "RetireArm": pp.RetireArmRequest(**named),
        "RemoveArm": pp.RemoveArmRequest(**named),
    }


def known(house: House) -> list[str]:
    """Names of what is there."""
    ids = [house.decision, house.duel, house.text_decision, house.asked, house.told]
    return [house.chat, house.words, "small", "large", "old", "gone", house.etag, "floor", *ids]


def check(house: House, method: str, raw: bytes) -> None:
    """Sends it: a refusal of the contract that changes nothing, or success that does no harm."""
    before = house.before()
    answer = house.ask(method, raw)
    if answer.is_ok:
        changed = [it for it in house.before().policies if it not in before.policies]
        for policy in changed:
            check_still_routes(house, policy)
        if changed or method == "DeletePolicy":
            house.furnish()
        for result in getattr(answer.response, "results", ()):
            code = result.error.code
            assert not code or code in CODES, f"{method}: {result}"
    else:
        assert answer.code.name in CONTRACT, f"{method}: {answer}"
        check_words(answer)
        house.assert_equal(before, f"a refused {method}")


def check_still_routes(house: House, policy: pp.Policy) -> None:
    """It has been changed, but not into something that cannot route and learn."""
    query = pb.RouteRequest(policy=policy.name, text="Still there?")
    if policy.features.HasField("vector"):
        dimension = policy.features.vector.dimension
        query.vector.values.extend((VECTOR * dimension)[:dimension])
    answer = house.ask("Route", query)
    assert answer.is_ok or answer.reason == "NO_ELIGIBLE_ARM", f"{policy}: {answer}"
    if answer.is_ok:
        told = pb.FeedbackRequest(decision_id=answer.response.decision_id, score=1.0)
        position = house.ok("Feedback", told).position
        state = house.ok("GetPolicyState", pp.GetPolicyStateRequest(name=policy.name))
        assert state.position == position, f"does not learn any more: {policy}"


@pytest.mark.parametrize("method", METHODS)
@settings(EXAMPLES, max_examples=6)
@given(raw=st.binary(max_size=200))
def test_any_bytes_are_refused_or_answered(house: House, method: str, raw: bytes):
    check(house, method, raw)


@pytest.mark.parametrize("method", METHODS)
@EXAMPLES
@given(data=st.data())
def test_any_message_is_refused_or_answered(house: House, method: str, data: st.DataObject):
    kind = METHODS[method].input_type
    good = good_requests(house).get(method)
    raw = data.draw(hostile(kind, known(house), good))

    check(house, method, raw)


@pytest.mark.parametrize("method", METHODS)
def test_malformed_bytes_are_refused_and_change_nothing(house: House, method: str):
    fields = METHODS[method].input_type.fields
    texts = [it.number for it in fields if it.type == it.TYPE_STRING]
    not_utf8 = [TagBytes(number, WIRETYPE_LENGTH_DELIMITED) + b"\x02\xff\xfe" for number in texts]
    with house.unchanged(f"a malformed {method}"):
        for raw in [*MALFORMED.values(), *not_utf8]:
            bad("request").check(house.ask(method, raw))
    house.serves()


@pytest.mark.parametrize("method", METHODS)
def test_a_message_that_is_too_large_is_refused_and_changes_nothing(house: House, method: str):
    with house.unchanged(f"a {method} that is too large"):
        answer = house.ask(method, bytes(MOST_BYTES + 1))
    house.serves()

    assert answer.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    check_words(answer)


@pytest.mark.parametrize("method", METHODS)
def test_metadata_that_are_too_large_are_refused_and_change_nothing(house: House, method: str):
    good = good_requests(house).get(method, pp.ListPoliciesRequest())

    with house.unchanged(f"a {method} with too much metadata"):
        answer = house.ask(method, good, metadata=(("x-more", "m" * 9000),))

    assert answer.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    check_words(answer)


def test_a_restart_after_all_of_it_finds_the_same_state(house: House):
    check_restart(house)
