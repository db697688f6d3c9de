"""Whatever configuration is accepted can route, learn, be read, and be started with again."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value

import policies
from bandit_service.rpc.pb import policy_pb2 as pp
from bandit_service.rpc.pb import routing_pb2 as pb
from tests.poison.expectations import check_restart
from tests.poison.house import VECTOR, House, a_vector_policy, check_words

EXTREMES = (5e-324, 0.0, 1e16, 1e308, -1e308)
SETTINGS = [
    (name, setting) for name in policies.CATALOGUE for setting in policies.known_settings(name)
]
LONG_WAY = Duration(seconds=315_576_000_000, nanos=999_999_999)
FORGETTINGS = {
    "a nanosecond": pp.Forgetting(half_life=Duration(nanos=1)),
    "ten thousand years": pp.Forgetting(half_life=LONG_WAY),
    "next to no request": pp.Forgetting(
        clock=pp.FORGETTING_CLOCK_REQUESTS, half_life_requests=5e-324
    ),
    "1e308 requests": pp.Forgetting(clock=pp.FORGETTING_CLOCK_REQUESTS, half_life_requests=1e308),
}


def a_life(house: House, name: str) -> None:
    """Decides, learns a score and another in its place, and is read."""
    position = 0
    for values in (VECTOR, (1e6, 0.0, 0.0, 0.0)):
        query = pb.RouteRequest(policy=name, vector=pb.Vector(values=values))
        decided = house.ok("Route", query)
        for score in (0.25, 1.0):
            told = pb.FeedbackRequest(decision_id=decided.decision_id, score=score)
            position = house.ok("Feedback", told).position
        assert 0.0 < decided.propensity <= 1.0
        house.ok("GetDecision", pb.GetDecisionRequest(decision_id=decided.decision_id))
    state = house.ok("GetPolicyState", pp.GetPolicyStateRequest(name=name))
    assert state.position == position, "what was recorded has not been learned"
    assert all(math.isfinite(arm.observations) for arm in state.arms)


@contextmanager
def a_policy(house: House, algorithm: str = "", **settings: float) -> Iterator[pp.Policy]:
    """One that is not there yet, and is gone afterwards: what ails it is to ail no other test."""
    policy = a_vector_policy("fresh")
    for arm in policy.arms:  # some algorithms weigh them
        arm.input_usd_per_million_tokens, arm.output_usd_per_million_tokens = 1.0, 2.0
    policy.algorithm.CopyFrom(pp.Algorithm(name=algorithm, settings=settings))
    policy.preference_learning = taught_by_preferences(algorithm)
    try:
        yield policy
    finally:
        house.ask("DeletePolicy", pp.DeletePolicyRequest(name="fresh"))


def taught_by_preferences(algorithm: str) -> pp.PreferenceLearning:
    """As pairs where the algorithm learns pairs, which then has to be said."""
    made = policies.build(algorithm, dim=3) if algorithm else None
    pairs = isinstance(made, policies.LearnsPairs)
    return pp.PREFERENCE_LEARNING_AS_PAIRS if pairs else pp.PREFERENCE_LEARNING_IGNORE


def is_taken(house: House, method: str, request: Message) -> bool:
    """Whether a change is accepted. If not, the policy is what it was."""
    before = house.ask("GetPolicy", pp.GetPolicyRequest(name="fresh"))
    answer = house.ask(method, request)
    if not answer.is_ok:
        assert answer.code.name == "INVALID_ARGUMENT", answer
        check_words(answer)
        assert house.ask("GetPolicy", pp.GetPolicyRequest(name="fresh")) == before
    return answer.is_ok


@pytest.mark.parametrize("value", EXTREMES)
@pytest.mark.parametrize(("algorithm", "setting"), SETTINGS)
def test_every_setting_that_is_accepted_can_route_and_learn(
    house: House, algorithm: str, setting: str, value: float
):
    with a_policy(house, algorithm, **{setting: value}) as policy:
        if is_taken(house, "CreatePolicy", pp.CreatePolicyRequest(policy=policy)):
            a_life(house, policy.name)


@pytest.mark.parametrize("forgetting", FORGETTINGS.values(), ids=FORGETTINGS)
@pytest.mark.parametrize("algorithm", policies.CATALOGUE)
def test_every_half_life_that_is_accepted_can_route_and_learn(
    house: House, algorithm: str, forgetting: pp.Forgetting
):
    with a_policy(house, algorithm) as policy:
        policy.forgetting.CopyFrom(forgetting)
        if is_taken(house, "CreatePolicy", pp.CreatePolicyRequest(policy=policy)):
            a_life(house, policy.name)


def test_the_longest_half_life_is_told_as_a_valid_duration(house: House):
    with a_policy(house) as policy:
        policy.forgetting.half_life.CopyFrom(LONG_WAY)
        if is_taken(house, "CreatePolicy", pp.CreatePolicyRequest(policy=policy)):
            told = house.ok("GetPolicy", pp.GetPolicyRequest(name=policy.name)).policy
            assert told.forgetting.half_life.seconds <= LONG_WAY.seconds  # more is none


@pytest.mark.parametrize("number", range(1, len(policies.CATALOGUE)))
def test_an_algorithm_can_be_changed_for_any_other(house: House, number: int):
    """Each for each that stands before it in the catalogue, there and back."""
    names = list(policies.CATALOGUE)
    with a_policy(house, names[number]) as policy:
        house.ok("CreatePolicy", pp.CreatePolicyRequest(policy=policy))
        a_life(house, policy.name)
        for other in names[:number]:
            for after in (other, names[number]):
                policy.algorithm.name = after
                policy.preference_learning = taught_by_preferences(after)
                mask = FieldMask(paths=["algorithm", "preference_learning"])
                house.ok("UpdatePolicy", pp.UpdatePolicyRequest(policy=policy, update_mask=mask))

                a_life(house, policy.name)


@pytest.mark.parametrize(("algorithm", "setting"), SETTINGS)
def test_every_change_of_a_setting_that_is_accepted_can_route_and_learn(
    house: House, algorithm: str, setting: str
):
    with a_policy(house, algorithm) as policy:
        house.ok("CreatePolicy", pp.CreatePolicyRequest(policy=policy))
        a_life(house, policy.name)
        for value in (1.0, 2.0):
            policy.algorithm.settings[setting] = value
            mask = FieldMask(paths=["algorithm"])
            change = pp.UpdatePolicyRequest(policy=policy, update_mask=mask)
            if is_taken(house, "UpdatePolicy", change):
                a_life(house, policy.name)


def test_the_dearest_arms_under_the_greediest_objective_can_route(house: House):
    worth, tokens = 1e9, 10**12
    with a_policy(house) as policy:
        for name in ("quality_per_usd", "quality_per_second", "quality_per_joule"):
            setattr(policy.objective, name, worth)
        dear = policy.arms[0]
        dear.input_usd_per_million_tokens = dear.output_usd_per_million_tokens = 1e9
        dear.declared_joules_per_output_token = 1e9
        dear.context_limit_tokens = 2**63 - 1
        house.ok("CreatePolicy", pp.CreatePolicyRequest(policy=policy))

        for _ in range(5):
            query = pb.RouteRequest(
                policy=policy.name,
                vector=pb.Vector(values=VECTOR),
                input_tokens=tokens,
                output_tokens=tokens,
            )
            decided = house.ok("Route", query)
            usage = pb.Usage(
                cost_usd=1e9,
                output_tokens=tokens,
                latency=Duration(seconds=LONG_WAY.seconds),
                energy_joules=1e15,
                energy_source=pb.ENERGY_SOURCE_MEASURED,
            )
            told = pb.FeedbackRequest(decision_id=decided.decision_id, score=1.0, usage=usage)
            house.ok("Feedback", told)

        a_life(house, policy.name)


@pytest.mark.parametrize("depth", [46, 47, 48])  # 48 is the deepest that a request can hold
@pytest.mark.parametrize("method", ["AddArm", "UpdateArm"])
def test_an_arm_with_deep_parameters_is_refused_or_can_be_read(
    house: House, method: str, depth: int
):
    value = Value(bool_value=True)
    for _ in range(depth):
        value = Value(list_value=ListValue(values=[value]))
    arm = pp.Arm(parameters=Struct(fields={"way": value}))
    with a_policy(house) as policy:
        house.ok("CreatePolicy", pp.CreatePolicyRequest(policy=policy))
        request: Message
        if method == "AddArm":
            arm.name = "deep"
            request = pp.AddArmRequest(policy=policy.name, arm=arm)
        else:
            arm.name, mask = "small", FieldMask(paths=["parameters"])
            request = pp.UpdateArmRequest(policy=policy.name, arm=arm, update_mask=mask)
        # An answer that cannot be read raises: here, and from then on in every ListPolicies.
        house.ask(method, request)
        house.ok("ListPolicies", pp.ListPoliciesRequest())


def test_a_clock_cannot_be_changed_under_decisions_that_feedback_may_still_come_for(house: House):
    query = pb.RouteRequest(policy="fresh", vector=pb.Vector(values=VECTOR))
    with a_policy(house) as policy:
        del policy.arms[:-1]
        policy.default_arm = ""
        house.ok("CreatePolicy", pp.CreatePolicyRequest(policy=policy))
        early = house.ok("Route", query)
        clock = pp.FORGETTING_CLOCK_REQUESTS
        policy.forgetting.CopyFrom(pp.Forgetting(clock=clock, half_life_requests=100.0))
        mask = FieldMask(paths=["forgetting"])
        house.ask("UpdatePolicy", pp.UpdatePolicyRequest(policy=policy, update_mask=mask))

        house.ok("Feedback", pb.FeedbackRequest(decision_id=early.decision_id, score=0.0))
        for _ in range(30):
            decided = house.ok("Route", query)
            house.ok("Feedback", pb.FeedbackRequest(decision_id=decided.decision_id, score=1.0))

        asked = pb.GetDecisionRequest(decision_id=house.ok("Route", query).decision_id)
        (arm,) = house.ok("GetDecision", asked).decision.arms
        # One bad answer, thirty good ones, and a prior of 1.
        assert arm.quality > 0.8, "what was learned after the change of clocks counts for nothing"


def test_a_restart_after_strange_configurations_finds_the_same_state(house: House):
    check_restart(house)
