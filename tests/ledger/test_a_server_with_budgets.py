"""The real server keeps budgets: made over the wire, charged, refused with a status, given back."""

import grpc
import pytest

from bandit_service.rpc.pb import budget_pb2, policy_pb2, policy_pb2_grpc
from bandit_service.rpc.pb import routing_pb2 as pb
from bandit_service.rpc.pb.routing_pb2_grpc import RoutingServiceStub
from bandit_service.store import open_log_reader
from tests.ledger.budgeted import DOLLAR, SMALL_UPPER
from tests.patience import PATIENCE
from tests.servers import a_server

ARM = {"name": "small", "input_usd_per_million_tokens": 1, "output_usd_per_million_tokens": 1}


def a_policy() -> policy_pb2.Policy:
    policy = policy_pb2.Policy(name="chat", arms=[policy_pb2.Arm(**ARM)])  # type: ignore[arg-type]
    policy.features.vector.dimension = 2
    policy.budgets.append(
        budget_pb2.Budget(
            resource=budget_pb2.RESOURCE_USD,
            amount=0.025,
            requests=1_000,
            when_exhausted=budget_pb2.WHEN_EXHAUSTED_REFUSE,
        )
    )
    return policy


def test_it_refuses_what_cannot_be_paid_and_gives_its_lease_back_when_it_stops(tmp_path):
    url = f"sqlite:///{tmp_path}/bandit.db"
    query = pb.RouteRequest(policy="chat")
    query.vector.values.extend((0.6, 0.8))
    with a_server(url) as server:
        with grpc.insecure_channel(server.address) as channel:
            policies = policy_pb2_grpc.PolicyServiceStub(channel)
            made = policies.CreatePolicy(
                policy_pb2.CreatePolicyRequest(policy=a_policy()), timeout=PATIENCE
            )
            assert [one.name for one in made.policy.budgets] == ["usd"]
            router = RoutingServiceStub(channel)
            first = router.Route(query, timeout=PATIENCE)
            router.Route(query, timeout=PATIENCE)
            with pytest.raises(grpc.RpcError) as refused:
                router.Route(query, timeout=PATIENCE)
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "budgets of policy 'chat' (usd)" in str(refused.value.details())
            bill = pb.FeedbackRequest(decision_id=first.decision_id, feedback_id="bill")
            bill.usage.cost_usd = 0.004
            router.Feedback(bill, timeout=PATIENCE)
        assert server.terminate()[0] == 0

    reader = open_log_reader(url)
    identity, _ = reader.policy("chat")
    (window,) = reader.windows(identity.id)
    reader.close()
    assert (window.leased, window.settled, window.overrun) == (0, 4_000_000, 0)
    assert window.reserved == round(SMALL_UPPER * DOLLAR)
    assert window.requests == 2
