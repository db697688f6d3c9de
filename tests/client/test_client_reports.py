"""What is reported of a call to a model, whoever's library made it."""

import time
from types import SimpleNamespace

import grpc
import pytest

from bandit_service.client import Choice, Client
from bandit_service.client.usage import failure_of, usage_of
from bandit_service.rpc.pb import routing_pb2 as pb
from tests.patience import PATIENCE


class RateLimitError(Exception):
    pass


class APITimeoutError(Exception):
    pass


class Refused(Exception):
    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


CHAT = SimpleNamespace(usage=SimpleNamespace(prompt_tokens=12, completion_tokens=34))
RESPONSES = SimpleNamespace(usage=SimpleNamespace(input_tokens=12, output_tokens=34))
OPENROUTER = {"usage": {"prompt_tokens": 12, "completion_tokens": 34, "cost": 0.0005}}


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (CHAT, (None, 12, 34)),
        (RESPONSES, (None, 12, 34)),
        (OPENROUTER, (0.0005, 12, 34)),
        ({"usage": None}, (None, None, None)),
        ({}, (None, None, None)),
        (None, (None, None, None)),
        ("text", (None, None, None)),
        ({"usage": {"prompt_tokens": -1, "completion_tokens": True}}, (None, None, None)),
        ({"usage": {"prompt_tokens": 0, "cost": float("nan")}}, (None, 0, None)),
        ({"usage": {"cost": 0}}, (0.0, None, None)),
    ],
)
def test_usage_is_read_where_it_makes_sense(response, expected):
    usage = usage_of(response)

    assert (usage.cost_usd, usage.input_tokens, usage.output_tokens) == expected


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (RateLimitError(), "rate_limit"),
        (Refused(429), "rate_limit"),
        (APITimeoutError(), "timeout"),
        (TimeoutError(), "timeout"),
        (Refused(504), "timeout"),
        (Refused(500), "error"),
        (KeyError("choices"), "error"),
    ],
)
def test_failures_are_told_apart_by_name_and_status(error, failure):
    assert failure_of(error) == failure


def test_a_report_holds_tokens_latency_and_what_the_caller_adds(client, service):
    started = time.perf_counter() - 2.0
    client.report("d", OPENROUTER, started=started, success=True, source="check")
    ended = time.perf_counter()

    sent = service.heard[0]
    assert (sent.usage.input_tokens, sent.usage.output_tokens) == (12, 34)
    assert sent.usage.cost_usd == 0.0005
    assert 2.0 <= sent.usage.latency.ToNanoseconds() / 1e9 <= ended - started
    assert sent.success
    assert sent.source == pb.FEEDBACK_SOURCE_CHECK


def test_what_the_caller_says_goes_before_what_the_response_says(client, service):
    client.report("d", OPENROUTER, cost_usd=0.25, latency_seconds=1.0, started=0.0)

    assert service.heard[0].usage.cost_usd == 0.25
    assert service.heard[0].usage.latency.ToTimedelta().total_seconds() == 1.0


def test_a_timed_call_reports_itself(client, service):
    with client.timed(client.route("hello")) as call:
        call.first_token()
        call.first_token()
        call.response = CHAT
        call.score = 0.5

    assert call.result.recorded
    sent = service.heard[0]
    assert sent.decision_id == "decision-of-hello"
    assert (sent.usage.input_tokens, sent.score) == (12, 0.5)
    first, whole = sent.usage.time_to_first_token, sent.usage.latency
    assert 0 <= first.ToTimedelta().total_seconds() <= whole.ToTimedelta().total_seconds()


def test_a_timed_call_that_fails_reports_the_failure_and_raises_it(client, service):
    with pytest.raises(RateLimitError), client.timed(client.route("hello")) as call:
        raise RateLimitError

    assert call.result.recorded
    assert service.heard[0].failure == pb.FAILURE_RATE_LIMIT
    assert not service.heard[0].HasField("success")


def test_a_call_that_is_interrupted_says_nothing_of_the_arm(client, service):
    with pytest.raises(KeyboardInterrupt), client.timed(client.route("hello")):
        raise KeyboardInterrupt

    assert service.heard == []


def test_a_report_that_cannot_be_sent_does_not_cost_the_answer(server, service, caplog):
    service.faults["Feedback"] = [(grpc.StatusCode.NOT_FOUND, "no decision")]
    with (
        Client(server, policy="chat", timeout=PATIENCE, feedback_timeout=PATIENCE) as client,
        client.timed(client.route("hello")) as call,
    ):
        call.response = CHAT

    assert call.result is not None
    assert "no decision" in str(call.result.error)
    assert not call.result.recorded
    assert "no decision" in caplog.text


def test_a_timed_fallback_reports_nothing(client, service):
    with client.timed(Choice(decision_id="", arm="large", fallback=True)) as call:
        call.response = CHAT

    assert not call.result.recorded
    assert service.heard == []


def test_a_client_that_is_closed_meanwhile_does_not_cost_the_answer_either(client):
    with client.timed(client.route("hello")) as call:
        client.close()
        call.response = CHAT

    assert "closed" in call.result.error
