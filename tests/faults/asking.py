"""What a running service says of itself."""

import grpc

from bandit_service.rpc.pb import policy_pb2, policy_pb2_grpc
from tests.faults.checker import Verdict
from tests.patience import PATIENCE


def state_of(address: str, policy: str = "chat") -> tuple[int, str]:
    """The position and the hash of a policy's state."""
    with grpc.insecure_channel(address) as channel:
        stub = policy_pb2_grpc.PolicyServiceStub(channel)
        asked = policy_pb2.GetPolicyStateRequest(name=policy)
        state = stub.GetPolicyState(asked, timeout=PATIENCE, wait_for_ready=True)
        return state.position, state.state_hash


def assert_same_state(address: str, verdict: Verdict) -> None:
    """The service holds what a fold from nothing gives."""
    assert state_of(address) == (verdict.position, verdict.state_hash)
