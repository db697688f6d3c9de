"""A real server: what it shows is what was asked of it."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from bandit_service.client import Client
from bandit_service.rpc.pb import policy_pb2 as policy
from bandit_service.rpc.pb import policy_pb2_grpc, routing_pb2_grpc
from bandit_service.rpc.pb import routing_pb2 as routing
from bandit_service.rpc.server import SERVICES
from tests.metrics.scraping import Seen, scraped
from tests.patience import PATIENCE
from tests.servers import Server, a_server, policy_file

POLICY = """
name: chat
features: {vector: {dimension: 2}}
arms: [{name: small}, {name: large}]
"""
VECTOR = routing.Vector(values=[0.6, 0.8])


class Caller:
    """Calls anything, and keeps count of how it ended."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._routing = routing_pb2_grpc.RoutingServiceStub(channel)
        self._policies = policy_pb2_grpc.PolicyServiceStub(channel)
        self.ended: Counter[tuple[str, str]] = Counter()
        self.arms: Counter[tuple[str, str]] = Counter()

    def call(self, method: str, request: Any) -> Any:
        """The answer, or None if the call was refused."""
        stub = getattr(self._routing, method, None) or getattr(self._policies, method)
        try:
            answer = stub(request, timeout=PATIENCE)
        except grpc.RpcError as error:
            self.ended[error.code().name, method] += 1
            return None
        self.ended["OK", method] += 1
        return answer

    def route(self, **fields: Any) -> str:
        answer = self.call("Route", a_query(**fields))
        self.arms[answer.arm, "chat"] += 1
        return str(answer.decision_id)


def a_query(**fields: Any) -> routing.RouteRequest:
    given: dict[str, Any] = {"policy": "chat", "vector": VECTOR}
    return routing.RouteRequest(**(given | fields))


@pytest.fixture
def served(tmp_path: Path) -> Any:
    path = policy_file(tmp_path, POLICY)
    database = f"sqlite:///{tmp_path}/bandit.db"
    with a_server(database, "--policy", str(path), "--metrics-listen", "127.0.0.1:0") as server:
        yield server


@pytest.fixture
def caller(served: Server) -> Any:
    with grpc.insecure_channel(served.address) as channel:
        yield Caller(channel)


def test_every_call_is_counted_once_however_it_ends(served: Server, caller: Caller) -> None:
    first = caller.route()
    for _ in range(4):
        caller.route()
    caller.call("Route", a_query(policy="nobody"))
    caller.call("Route", a_query(vector=None, text="words"))
    caller.call("GetDecision", routing.GetDecisionRequest(decision_id=first))
    caller.call("GetDecision", routing.GetDecisionRequest(decision_id="none"))
    scored = routing.FeedbackRequest(decision_id=first, feedback_id="f1", score=0.5)
    for _ in range(2):
        caller.call("Feedback", scored)
    caller.call("Feedback", routing.FeedbackRequest(decision_id="none", score=0.5))
    batch = caller.call(
        "BatchRoute",
        routing.BatchRouteRequest(requests=[a_query(), a_query(), a_query(policy="nobody")]),
    )
    for result in batch.results:
        caller.arms.update([(result.response.arm, "chat")] if result.response.arm else [])
    usage = routing.Usage(cost_usd=0.25)
    told = routing.FeedbackRequest(decision_id=first, feedback_id="f2", usage=usage)
    caller.call("BatchFeedback", routing.BatchFeedbackRequest(requests=[scored, told]))
    administer(caller)

    seen = scraped(served.metrics)

    assert {method for _, method in caller.ended} == {m.name for s in SERVICES for m in s.methods}
    assert seen.all("bandit_calls_total") == caller.ended
    by_method: Counter[tuple[str]] = Counter()
    for (_, method), count in caller.ended.items():
        by_method[(method,)] += count
    assert seen.all("bandit_call_duration_seconds_count") == by_method
    assert seen.all("bandit_decisions_total") == caller.arms
    assert seen.all("bandit_batch_items_sum") == {("BatchRoute",): 3, ("BatchFeedback",): 2}
    assert seen.all("bandit_batch_item_errors_total") == {("PolicyNotFound", "BatchRoute"): 1}
    assert seen.all("bandit_feedback_total") == {
        ("learned", "chat", "user"): 1,
        ("duplicate", "chat", "user"): 2,
        ("recorded", "chat", "user"): 1,
    }
    assert sum(seen.all("bandit_usage_cost_usd_total").values()) == 0.25
    the_writer_is_shown(seen)
    alive = served.metrics.replace("/metrics", "/healthz")
    with urllib.request.urlopen(alive, timeout=PATIENCE) as page:  # noqa: S310
        assert page.read() == b"ok\n"


def administer(caller: Caller) -> None:
    """Every method of PolicyService, most of them once with success and once without."""
    made = policy.Policy(name="code", arms=[policy.Arm(name="a"), policy.Arm(name="b")])
    floor = FieldMask(paths=["floor"])
    changed, missing = policy.Policy(name="code", floor=0.02), policy.Policy(name="nobody")
    arm, tags = policy.Arm(name="new", tags=["fast"]), FieldMask(paths=["tags"])

    for method, request in (
        ("CreatePolicy", policy.CreatePolicyRequest(policy=made)),
        ("CreatePolicy", policy.CreatePolicyRequest(policy=made)),
        ("GetPolicy", policy.GetPolicyRequest(name="code")),
        ("GetPolicy", policy.GetPolicyRequest(name="nobody")),
        ("ListPolicies", policy.ListPoliciesRequest()),
        ("ListPolicies", policy.ListPoliciesRequest(page_size=-1)),
        ("GetPolicyState", policy.GetPolicyStateRequest(name="code")),
        ("GetPolicyState", policy.GetPolicyStateRequest(name="nobody")),
        ("GetPolicyHistory", policy.GetPolicyHistoryRequest(name="code")),
        ("GetPolicyHistory", policy.GetPolicyHistoryRequest(name="nobody")),
        ("PreviewPolicy", policy.PreviewPolicyRequest(policy=changed, update_mask=floor)),
        ("PreviewPolicy", policy.PreviewPolicyRequest(policy=missing, update_mask=floor)),
        ("UpdatePolicy", policy.UpdatePolicyRequest(policy=changed, update_mask=floor)),
        ("UpdatePolicy", policy.UpdatePolicyRequest(policy=missing, update_mask=floor)),
        ("AddArm", policy.AddArmRequest(policy="code", arm=arm)),
        ("AddArm", policy.AddArmRequest(policy="code", arm=arm)),
        ("UpdateArm", policy.UpdateArmRequest(policy="code", arm=arm, update_mask=tags)),
        ("UpdateArm", policy.UpdateArmRequest(policy="nobody", arm=arm, update_mask=tags)),
        ("RetireArm", policy.RetireArmRequest(policy="code", arm="new")),
        ("RetireArm", policy.RetireArmRequest(policy="code", arm="none")),
        ("RemoveArm", policy.RemoveArmRequest(policy="code", arm="new")),
        ("RemoveArm", policy.RemoveArmRequest(policy="code", arm="none")),
        ("GetChallengers", policy.GetChallengersRequest(name="code")),
        ("GetChallengers", policy.GetChallengersRequest(name="nobody")),
        ("PromoteChallenger", policy.PromoteChallengerRequest(policy="code", challenger="none")),
        ("DeletePolicy", policy.DeletePolicyRequest(name="code")),
        ("DeletePolicy", policy.DeletePolicyRequest(name="code")),
    ):
        caller.call(method, request)
    assert sum(count for (code, _), count in caller.ended.items() if code != "OK") >= 10


def the_writer_is_shown(seen: Seen) -> None:
    assert seen.value("bandit_writer_queue_rows") == 0
    assert (seen.value("bandit_writer_queue_limit_rows") or 0) > 0
    assert (seen.value("bandit_commit_rows_count") or 0) > 0
    assert seen.value("bandit_commit_duration_seconds_count") == seen.value(
        "bandit_commit_rows_count"
    )
    assert (seen.value("bandit_database_contact_age_seconds") or -1.0) >= 0.0
    # One revision, and two pieces of feedback that were not sent before.
    assert seen.value("bandit_journal_applied_position", policy="chat") == 3
    assert (seen.value("process_resident_memory_bytes") or 0) > 0


def test_readers_that_hang_hold_nothing_up(served: Server, caller: Caller) -> None:
    host, _, port = served.metrics.removesuffix("/metrics").rpartition("/")[2].rpartition(":")
    lines = [socket.create_connection((host, int(port))) for _ in range(20)]
    try:
        for line in lines:
            line.sendall(b"GET /metrics HTTP/1.0\r\nX-Slow: ")

        assert caller.route()
        code, errors = served.terminate()
    finally:
        for line in lines:
            line.close()

    assert code == 0
    assert "Traceback" not in errors


def test_what_replicas_count_adds_up_to_what_was_asked(served: Server, tmp_path: Path) -> None:
    with a_server(f"sqlite:///{tmp_path}/bandit.db", "--metrics-listen", "127.0.0.1:0") as other:
        replicas = (served, other)

        def count(series: str) -> list[float]:
            seen = [scraped(replica.metrics) for replica in replicas]
            return [sum(one.all(series).values()) for one in seen]

        asked, until = 0, time.monotonic() + PATIENCE
        both = f"ipv4:{served.address},{other.address}"
        with Client(both, policy="chat", timeout=PATIENCE) as client:
            while asked < 30 or not all(count("bandit_feedback_total")):
                assert time.monotonic() < until, "one of them gets no calls"
                client.route(vector=[0.6, 0.8])  # an odd number of calls a round: no fixed roles
                choice = client.route(vector=[0.6, 0.8])
                client.feedback(choice, score=1.0, cost_usd=0.25, timeout=PATIENCE)
                asked += 1

        # Whatever the one acknowledged the other learns as well, and does not count.
        assert sum(count("bandit_decisions_total")) == 2 * asked
        assert sum(count("bandit_feedback_total")) == asked
        assert sum(count("bandit_usage_cost_usd_total")) == asked * 0.25
        assert sum(count("bandit_calls_total")) == 3 * asked
        assert all(count("bandit_decisions_total"))


def test_a_port_in_use_ends_the_start_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [sys.executable, "-m", "bandit_service.cli", "serve", "--listen", "127.0.0.1:0"]
        database = tmp_path / "bandit.db"
        told = ["--database", f"sqlite:///{database}", "--metrics-listen", address]
        ended = subprocess.run(
            [*command, *told], capture_output=True, text=True, timeout=2 * PATIENCE
        )

    assert ended.returncode == 3
    assert f"cannot show metrics on {address}: it is in use" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not database.exists()
