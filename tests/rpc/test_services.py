"""Both services, called over a loopback socket: what reaches the use cases, and what returns."""

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from bandit_service import errors
from bandit_service.model import Arm, Query, Submission
from bandit_service.rpc.pb import policy_pb2, routing_pb2
from tests.rpc.refusals import refused

A_QUERY = routing_pb2.RouteRequest(policy="chat", request_id="r1", text="What is it?")
A_SCORE = routing_pb2.FeedbackRequest(decision_id="d1", feedback_id="f1", score=0.5)


async def test_a_query_is_routed(service):
    response = await service.routing.Route(A_QUERY)

    assert response.arm == "small"
    assert service.use_cases.asked == [
        ("route", Query(policy="chat", request_id="r1", text="What is it?"))
    ]


async def test_feedback_is_recorded(service):
    response = await service.routing.Feedback(A_SCORE)

    assert (response.feedback_id, response.position) == ("f1", 7)
    assert service.use_cases.asked == [("record", Submission("d1", "f1", score=0.5))]


async def test_a_decision_is_explained(service):
    request = routing_pb2.GetDecisionRequest(decision_id="d9")

    assert (await service.routing.GetDecision(request)).decision.response.decision_id == "d9"


async def test_items_of_a_batch_succeed_and_fail_on_their_own(service):
    malformed = routing_pb2.RouteRequest(policy="chat")
    requests = [A_QUERY, malformed, A_QUERY]

    response = await service.routing.BatchRoute(routing_pb2.BatchRouteRequest(requests=requests))

    first, second, third = response.results
    assert first.response.decision_id == third.response.decision_id == "r1"
    assert second.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert second.error.reason == "INVALID_FIELD"
    assert second.error.metadata == {"field": "context"}


async def test_feedback_of_a_batch_fails_with_what_its_own_call_would_have_raised(service):
    service.use_cases.item_fault = errors.DecisionNotFound("d1")
    batch = routing_pb2.BatchFeedbackRequest(requests=[A_SCORE, routing_pb2.FeedbackRequest()])

    results = (await service.routing.BatchFeedback(batch)).results

    assert [result.error.reason for result in results] == ["DECISION_NOT_FOUND", "INVALID_FIELD"]
    assert results[0].error.code == grpc.StatusCode.NOT_FOUND.value[0]


async def test_a_batch_of_nothing_well_formed_asks_nobody(service):
    batch = routing_pb2.BatchRouteRequest(requests=[routing_pb2.RouteRequest()])

    assert (await service.routing.BatchRoute(batch)).results[0].error.reason == "INVALID_FIELD"
    assert service.use_cases.asked == []


async def test_an_empty_batch_is_refused(service):
    async with refused() as caught:
        await service.routing.BatchRoute(routing_pb2.BatchRouteRequest())

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


AN_ARM = policy_pb2.Arm(name="large", tags=["eu"])
MASK = FieldMask(paths=["floor"])
POLICY_CALLS = [
    ("GetPolicy", policy_pb2.GetPolicyRequest(name="chat"), ("get", "chat")),
    ("ListPolicies", policy_pb2.ListPoliciesRequest(page_size=5), ("list", 5, "")),
    (
        "UpdatePolicy",
        policy_pb2.UpdatePolicyRequest(
            policy=policy_pb2.Policy(name="chat", floor=0.5, etag="1"),
            update_mask=MASK,
            author="ada",
        ),
        ("update", "chat", {"floor": 0.5}, "1", "ada"),
    ),
    (
        "PreviewPolicy",
        policy_pb2.PreviewPolicyRequest(
            policy=policy_pb2.Policy(name="chat", floor=0.5, etag="1"), update_mask=MASK
        ),
        ("preview", "chat", {"floor": 0.5}, "1", 2000),
    ),
    (
        "GetPolicyHistory",
        policy_pb2.GetPolicyHistoryRequest(name="chat", before_position=7),
        ("history", "chat", 100, 7),
    ),
    ("DeletePolicy", policy_pb2.DeletePolicyRequest(name="chat"), ("delete", "chat", "")),
    (
        "AddArm",
        policy_pb2.AddArmRequest(policy="chat", arm=AN_ARM, etag="1", author="a"),
        ("add_arm", "chat", Arm(name="large", tags=("eu",)), "1", "a"),
    ),
    (
        "UpdateArm",
        policy_pb2.UpdateArmRequest(
            policy="chat", arm=AN_ARM, update_mask=FieldMask(paths=["tags"]), author="b"
        ),
        ("update_arm", "chat", "large", {"tags": ("eu",)}, "", "b"),
    ),
    (
        "RetireArm",
        policy_pb2.RetireArmRequest(policy="chat", arm="large", author="c"),
        ("retire_arm", "chat", "large", "", "c"),
    ),
    (
        "RemoveArm",
        policy_pb2.RemoveArmRequest(policy="chat", arm="large", etag="1", author="d"),
        ("remove_arm", "chat", "large", "1", "d"),
    ),
    (
        "PromoteChallenger",
        policy_pb2.PromoteChallengerRequest(
            policy="chat", challenger="bold", force=True, etag="1", author="e"
        ),
        ("promote", "chat", "bold", True, "1", "e"),
    ),
    (
        "GetChallengers",
        policy_pb2.GetChallengersRequest(name="chat"),
        ("challengers", "chat"),
    ),
    ("GetPolicyState", policy_pb2.GetPolicyStateRequest(name="chat"), ("state", "chat", 0)),
]


@pytest.mark.parametrize(("method", "request_", "asked"), POLICY_CALLS)
async def test_an_operators_call_reaches_its_use_case(service, method, request_, asked):
    response = await getattr(service.policies, method)(request_)

    assert service.use_cases.asked == [asked]
    if "policy" in response.DESCRIPTOR.fields_by_name:
        assert response.policy.etag == "3-abc"


async def test_a_policy_is_created(service):
    policy = policy_pb2.Policy(name="chat", arms=[AN_ARM])

    response = await service.policies.CreatePolicy(policy_pb2.CreatePolicyRequest(policy=policy))

    assert response.policy.name == "chat"
    assert response.policy.algorithm.name == "hierarchical_thompson"


async def test_an_update_tells_whether_learning_restarted_and_a_list_how_it_goes_on(service):
    policy = policy_pb2.Policy(name="chat")
    update = policy_pb2.UpdatePolicyRequest(policy=policy, update_mask=MASK)

    assert (await service.policies.UpdatePolicy(update)).learning_restarted
    of_an_arm = policy_pb2.UpdateArmRequest(
        policy="chat", arm=AN_ARM, update_mask=FieldMask(paths=["model_version"])
    )
    assert (await service.policies.UpdateArm(of_an_arm)).learning_restarted
    listed = await service.policies.ListPolicies(policy_pb2.ListPoliciesRequest())
    assert (len(listed.policies), listed.next_page_token) == (1, "more")


async def test_how_challengers_stand(service):
    request = policy_pb2.GetChallengersRequest(name="chat")

    (one,) = (await service.policies.GetChallengers(request)).challengers

    assert (one.challenger.name, one.challenger.share, one.incumbent.name) == (
        "bold",
        0.25,
        "incumbent",
    )
    assert (one.revision, one.decisions, one.judged_decisions) == (3, 9, 8)
    assert one.verdict == policy_pb2.CHALLENGER_VERDICT_OPEN
    assert (one.difference.low, one.difference.high) == (-0.1, 0.3)
    assert one.challenger.quality.value == 0.5
    assert not one.challenger.HasField("cost_usd")
