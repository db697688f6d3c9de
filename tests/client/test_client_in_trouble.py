"""What a call does if the service refuses, is late, or is not there."""

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from bandit_service.client import BanditRpcError, Client
from tests.patience import PATIENCE

UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, "shutting down")
TOO_LATE = (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")


@pytest.fixture
def three_tries(monkeypatch):
    """What a call has time for, be the machine quick or slow: the fourth would come too late."""
    pauses = [0.0, 0.0, 2 * PATIENCE]
    monkeypatch.setattr("bandit_service.client.thread_folder.pauses", lambda: iter(pauses))


def test_a_retry_carries_the_same_id(client, service):
    service.faults["Route"] = [UNAVAILABLE, UNAVAILABLE]

    assert client.route("hello").arm == "small"

    assert len(service.routed) == 3
    assert len({request.request_id for request in service.routed}) == 1


def test_a_retry_of_feedback_carries_the_same_id(client, service):
    service.faults["Feedback"] = [UNAVAILABLE]

    result = client.feedback("decision-1", success=True)

    assert [heard.feedback_id for heard in service.heard] == [result.feedback_id] * 2


def test_overload_is_retried_but_too_large_a_message_is_not(client, service):
    info = AnyMessage()
    info.Pack(ErrorInfo(reason="OVERLOADED", domain="bandit.v1"))
    service.trailer = Status(code=8, message="later", details=[info]).SerializeToString()
    service.faults["Route"] = [(grpc.StatusCode.RESOURCE_EXHAUSTED, "later")]
    assert client.route("hello").arm == "small"

    service.trailer = None
    service.faults["Route"] = [(grpc.StatusCode.RESOURCE_EXHAUSTED, "message is too large")]
    with pytest.raises(BanditRpcError, match="too large"):
        client.route("hello")


def test_the_fallback_arm_stands_in_where_nobody_answers(nobody, three_tries):
    with Client(nobody, policy="chat", fallback_arm="large", timeout=PATIENCE) as client:
        choice = client.route("hello")

    assert (choice.arm, choice.fallback, choice.decision_id) == ("large", True, "")
    assert choice.propensity is None
    assert "UNAVAILABLE" in str(choice.error)


def test_the_fallback_arm_stands_in_for_an_answer_that_is_late(server, service):
    service.gate.clear()
    with Client(server, policy="chat", fallback_arm="large", timeout=0.2) as client:
        choice = client.route("hello")

    assert choice.fallback
    assert "DEADLINE_EXCEEDED" in str(choice.error)


def test_without_a_fallback_arm_the_error_is_raised(nobody, three_tries):
    with (
        Client(nobody, policy="chat", timeout=PATIENCE) as client,
        pytest.raises(BanditRpcError) as caught,
    ):
        client.route("hello")

    assert caught.value.code is grpc.StatusCode.UNAVAILABLE


def test_a_fallback_arm_that_the_call_does_not_allow_is_not_used(nobody, three_tries):
    with (
        Client(nobody, policy="chat", fallback_arm="large", timeout=PATIENCE) as client,
        pytest.raises(BanditRpcError, match="UNAVAILABLE"),
    ):
        client.route("hello", allowed_arms=["small"])


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
    ],
)
def test_what_the_caller_got_wrong_is_raised_at_once_in_spite_of_a_fallback(server, service, code):
    service.faults["Route"] = [(code, "no policy 'chat'")]
    with (
        Client(server, policy="chat", fallback_arm="large", timeout=PATIENCE) as client,
        pytest.raises(BanditRpcError, match="no policy 'chat'") as caught,
    ):
        client.route("hello")

    assert caught.value.code is code
    assert service.calls["Route"] == 1


def test_when_time_runs_out_the_error_says_why_it_did(server, service, three_tries):
    """Two answers are refusals, the third does not come in time: a refusal is what tells."""
    service.faults["Route"] = [UNAVAILABLE, UNAVAILABLE, TOO_LATE]
    with (
        Client(server, policy="chat", timeout=PATIENCE) as client,
        pytest.raises(BanditRpcError, match="shutting down"),
    ):
        client.route("hello")


def test_a_fault_of_the_service_falls_back(server, service):
    service.faults["Route"] = [(grpc.StatusCode.INTERNAL, "a bug")]
    with Client(server, policy="chat", fallback_arm="large", timeout=PATIENCE) as client:
        assert client.route("hello").fallback


def test_an_error_carries_its_reason_and_details(client, service):
    info = AnyMessage()
    info.Pack(ErrorInfo(reason="POLICY_NOT_FOUND", domain="bandit.v1", metadata={"policy": "chat"}))
    service.trailer = Status(code=5, message="no policy", details=[info]).SerializeToString()
    service.faults["Route"] = [(grpc.StatusCode.NOT_FOUND, "no policy")]

    with pytest.raises(BanditRpcError) as caught:
        client.route("hello")

    assert caught.value.reason == "POLICY_NOT_FOUND"
    assert caught.value.details == {"policy": "chat"}
    assert str(caught.value) == "NOT_FOUND: no policy"


def test_the_service_may_come_back_while_there_is_time(service, server):
    """A call that starts in an outage succeeds if the outage ends before its deadline."""
    service.faults["Route"] = [UNAVAILABLE] * 4

    with Client(server, policy="chat", timeout=PATIENCE) as client:
        assert client.route("hello").arm == "small"
