"""A duelling policy over a socket: made by gRPC, judged both ways, killed, and known again."""

from pathlib import Path
from typing import Any

import grpc
import pytest

from bandit_service.rpc.pb import policy_pb2 as pp
from bandit_service.rpc.pb import policy_pb2_grpc, routing_pb2_grpc
from bandit_service.rpc.pb import routing_pb2 as rp
from tests.patience import PATIENCE
from tests.servers import a_server

VECTOR = rp.Vector(values=[0.6, 0.8])
EMBEDDINGS = {"small": (1.0, 0.0, 0.0), "medium": (0.5, 0.5, 0.5), "large": (0.0, 1.0, 1.0)}


class Caller:
    """The stubs of both services on one channel."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.routing = routing_pb2_grpc.RoutingServiceStub(channel)
        self.policies = policy_pb2_grpc.PolicyServiceStub(channel)

    def create(self) -> pp.Policy:
        policy = pp.Policy(
            name="duels",
            algorithm=pp.Algorithm(name="fgts_cdb", settings={"steps": 2}),
            features=pp.Features(vector=pp.VectorFeatures(dimension=2)),
            preference_learning=pp.PREFERENCE_LEARNING_AS_PAIRS,
            arms=[pp.Arm(name=name, embedding=one) for name, one in EMBEDDINGS.items()],
        )
        request = pp.CreatePolicyRequest(policy=policy)
        made: pp.Policy = self.policies.CreatePolicy(request, timeout=PATIENCE).policy
        return made

    def route(self, duel: bool) -> rp.RouteResponse:
        request = rp.RouteRequest(policy="duels", vector=VECTOR, duel=duel)
        made: rp.RouteResponse = self.routing.Route(request, timeout=PATIENCE)
        return made

    def tell(self, decision_id: str, **said: Any) -> int:
        request = rp.FeedbackRequest(decision_id=decision_id, **said)
        effect: int = self.routing.Feedback(request, timeout=PATIENCE).effect
        return effect

    def decision(self, decision_id: str) -> rp.Decision:
        request = rp.GetDecisionRequest(decision_id=decision_id)
        found: rp.Decision = self.routing.GetDecision(request, timeout=PATIENCE).decision
        return found

    def state(self) -> pp.GetPolicyStateResponse:
        request = pp.GetPolicyStateRequest(name="duels")
        found: pp.GetPolicyStateResponse = self.policies.GetPolicyState(request, timeout=PATIENCE)
        return found

    def real_duel(self) -> rp.RouteResponse:
        """A duel of two arms: now and then the same one is drawn twice."""
        return next(made for made in iter(lambda: self.route(duel=True), None) if made.second_arm)


def test_duels_over_a_socket_and_over_a_restart(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/bandit.db"
    with a_server(database) as server, grpc.insecure_channel(server.address) as channel:
        caller = Caller(channel)
        created = caller.create()
        made = caller.real_duel()
        both = {made.arm, made.second_arm}
        for arm in both:
            usage = rp.Usage(cost_usd=0.5)
            assert caller.tell(made.decision_id, arm=arm, usage=usage) == rp.EFFECT_RECORDED
        preferred = rp.Preference(preferred_arm=made.second_arm)
        assert caller.tell(made.decision_id, preference=preferred) == rp.EFFECT_LEARNED
        alone, again = caller.route(duel=False), caller.route(duel=False)
        regenerated = rp.Preference(
            other_decision_id=again.decision_id, preferred_decision_id=again.decision_id
        )
        assert caller.tell(alone.decision_id, preference=regenerated) == rp.EFFECT_LEARNED
        explained, before = caller.decision(made.decision_id), caller.state()
        server.kill()

    with a_server(database) as server, grpc.insecure_channel(server.address) as channel:
        after = Caller(channel).state()
        kept = Caller(channel).decision(made.decision_id)

    assert {arm.name: tuple(arm.embedding) for arm in created.arms} == EMBEDDINGS
    first = {arm.arm: arm.probability for arm in explained.arms}
    second = {arm.arm: arm.second_probability for arm in explained.arms}
    assert sum(first.values()) == pytest.approx(1.0)
    assert sum(second.values()) == pytest.approx(1.0)
    assert made.propensity == pytest.approx(first[made.arm] * second[made.second_arm])
    charged = {arm.arm: arm.mean_cost_usd for arm in before.arms if arm.HasField("mean_cost_usd")}
    assert charged == dict.fromkeys(both, 0.5)
    assert kept == explained
    assert (after.position, after.state_hash) == (before.position, before.state_hash)
