"""A real server at its most talkative: what callers send is in none of its lines."""

import json
import math
import sqlite3
from pathlib import Path
from typing import Any

import grpc

from bandit_service.rpc.pb import policy_pb2, policy_pb2_grpc, routing_pb2_grpc
from bandit_service.rpc.pb import routing_pb2 as routing
from tests.patience import PATIENCE
from tests.servers import a_server, policy_file

POLICIES = """
name: {name}
features: {features}
arms: [{{name: small}}, {{name: large}}]
"""
# Each in a place of its own, so that a test that fails says which one it was.
CANARIES = {
    place: f"canary-{place}"
    for place in ("text", "session", "subject", "request", "feedback", "key", "decision", "policy")
}
NUMBER = 0.123456789


def the_calls(address: str) -> list[str]:
    """Calls of all kinds with canaries in them; the codes that they ended with."""
    ended: list[str] = []
    the_key = [("authorization", CANARIES["key"])]
    with grpc.insecure_channel(address) as channel:
        queries = routing_pb2_grpc.RoutingServiceStub(channel)
        policies = policy_pb2_grpc.PolicyServiceStub(channel)

        def call(method: Any, request: Any) -> Any:
            try:
                answer = method(request, timeout=PATIENCE, metadata=the_key)
            except grpc.RpcError as error:
                ended.append(error.code().name)
                return routing.RouteResponse(decision_id="none")
            ended.append("OK")
            return answer

        of_words: dict[str, Any] = {
            "policy": "words",
            "text": CANARIES["text"],
            "session": CANARIES["session"],
            "subject": CANARIES["subject"],
            "request_id": CANARIES["request"],
        }
        vector = routing.Vector(values=[NUMBER, NUMBER])
        decision = call(queries.Route, routing.RouteRequest(**of_words)).decision_id
        call(queries.Route, routing.RouteRequest(**(of_words | {"text": CANARIES["text"] * 2})))
        call(queries.Route, routing.RouteRequest(**(of_words | {"policy": "numbers"})))
        call(queries.Route, routing.RouteRequest(**(of_words | {"policy": CANARIES["policy"]})))
        call(queries.Route, routing.RouteRequest(policy="numbers", vector=vector))
        wrong = routing.Vector(values=[NUMBER, math.nan])
        call(queries.Route, routing.RouteRequest(policy="numbers", vector=wrong))
        call(queries.Route, routing.RouteRequest(policy="words", vector=vector))
        told = {"decision_id": decision, "feedback_id": CANARIES["feedback"]}
        call(queries.Feedback, routing.FeedbackRequest(**told, score=NUMBER))
        call(queries.Feedback, routing.FeedbackRequest(**told, score=NUMBER / 2))
        call(queries.Feedback, routing.FeedbackRequest(decision_id=CANARIES["decision"], score=1.0))
        call(queries.GetDecision, routing.GetDecisionRequest(decision_id=CANARIES["decision"]))
        call(policies.GetPolicy, policy_pb2.GetPolicyRequest(name=CANARIES["policy"]))
        call(channel.unary_unary("/bandit.v1.RoutingService/Route"), CANARIES["text"].encode())
    return ended


def test_no_line_holds_what_callers_send(tmp_path: Path) -> None:
    files: list[str] = []
    for name, features in (("words", "{text: {}}"), ("numbers", "{vector: {dimension: 2}}")):
        (tmp_path / name).mkdir()
        path = policy_file(tmp_path / name, POLICIES.format(name=name, features=features))
        files += ["--policy", str(path)]
    database = tmp_path / "bandit.db"
    # What is answered from memory would be lost at the end, and said to be.
    talkative = ("--log-level", "debug", "--log-format", "json", "--no-degraded")
    with a_server(f"sqlite:///{database}", *files, *talkative) as server:
        ended = the_calls(server.address)
        with sqlite3.connect(database) as pulled:  # the ground, from under its feet
            pulled.execute("ALTER TABLE decision RENAME TO gone")
            pulled.execute("ALTER TABLE journal RENAME TO gone_too")
        broken = the_calls(server.address)
        code, log = server.terminate()

    lines = [json.loads(line) for line in log.splitlines()]  # and every line is one of fields
    assert {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS"} <= set(ended)
    assert {"UNAVAILABLE", "INTERNAL"}.intersection(broken)
    assert code == 0
    assert [line["code"] for line in lines if line["event"] == "a call has ended"] == ended + broken
    assert all({"time", "level", "logger", "event"} <= line.keys() for line in lines)
    for place, canary in CANARIES.items():
        assert canary not in log, place
    for number in (str(NUMBER), str(NUMBER / 2), NUMBER.hex()):
        assert number not in log
    for word in ("INSERT INTO", "[SQL", "[parameters", "no such table"):
        assert word not in log
