"""The blocking client: what it sends, and what it hands back."""

import struct
import subprocess
import sys
from array import array

import grpc
import pytest

from bandit_service.client import Choice, Client, Usage
from bandit_service.client.channel import is_local
from bandit_service.rpc.pb import routing_pb2 as pb


def test_a_choice_holds_what_the_service_answered(client):
    choice = client.route("hello")

    assert choice == Choice(
        decision_id="decision-of-hello",
        arm="small",
        propensity=0.25,
        policy_revision=3,
        position=17,
    )


def test_every_option_of_route_is_sent(client, service):
    client.route(
        "hello",
        policy="other",
        request_id="r-1",
        input_tokens=0,
        output_tokens=20,
        required_tags=["fast"],
        required_modalities=["text", "image"],
        allowed_arms=["small"],
        session="s",
        subject="who",
        duel=True,
    )

    assert service.routed == [
        pb.RouteRequest(
            policy="other",
            request_id="r-1",
            text="hello",
            input_tokens=0,
            output_tokens=20,
            required_tags=["fast"],
            required_modalities=[pb.MODALITY_TEXT, pb.MODALITY_IMAGE],
            allowed_arms=["small"],
            session="s",
            subject="who",
            duel=True,
        )
    ]


@pytest.mark.parametrize("vector", [[1.0, -2.5], (1, -2.5), array("d", [1.0, -2.5])])
def test_numbers_are_sent_packed(client, service, vector):
    client.route(vector=vector)

    assert service.routed[0].packed_vector == struct.pack("<2d", 1.0, -2.5)


def test_each_call_has_an_id_of_its_own(client, service):
    client.route("one")
    client.route("two")

    first, second = (request.request_id for request in service.routed)
    assert first
    assert second
    assert first != second


def test_every_option_of_feedback_is_sent(client, service):
    result = client.feedback(
        client.route("hello"),
        success=False,
        score=0.0,
        source="judge",
        usage=Usage(cost_usd=0.5, latency_seconds=1.25),
        cost_usd=0.25,
        output_tokens=0,
        energy_joules=3.0,
        energy_source="measured",
        arm="small",
        feedback_id="f-1",
    )

    assert (result.feedback_id, result.position, result.effect) == ("f-1", 5, "learned")
    assert result.recorded
    sent = service.heard[0]
    assert sent.HasField("success")
    assert sent.HasField("score")
    assert not sent.HasField("preference")
    assert sent.source == pb.FEEDBACK_SOURCE_JUDGE
    assert sent.usage.cost_usd == 0.25  # what is named by itself goes before the whole
    assert sent.usage.latency.ToTimedelta().total_seconds() == 1.25
    assert sent.usage.HasField("output_tokens")
    assert not sent.usage.HasField("input_tokens")
    assert sent.usage.energy_source == pb.ENERGY_SOURCE_MEASURED


def test_feedback_on_a_fallback_sends_nothing_and_says_so(client, service):
    fallback = Choice(decision_id="", arm="large", fallback=True)

    for result in (
        client.feedback(fallback, success=True),
        client.prefer(fallback, "large"),
        client.prefer(client.route("hello"), over=fallback),
        client.tie(client.route("hello"), fallback),
        client.report(fallback, {"usage": {"prompt_tokens": 3}}),
    ):
        assert not result.recorded
        assert "fallback" in str(result.error)
    assert service.heard == []


def test_preferences_name_the_better_one(client, service):
    duel, other = client.route("hello", duel=True), client.route("again")
    assert duel.second_arm == "large"

    client.prefer(duel, "large")
    client.prefer(duel, over=other)
    client.tie(duel)
    client.tie(duel, other, source="expert")

    ours, theirs = duel.decision_id, other.decision_id
    assert [heard.preference for heard in service.heard] == [
        pb.Preference(preferred_arm="large"),
        pb.Preference(other_decision_id=theirs, preferred_decision_id=ours),
        pb.Preference(tie=True),
        pb.Preference(other_decision_id=theirs, tie=True),
    ]
    assert service.heard[3].source == pb.FEEDBACK_SOURCE_EXPERT


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda client: client.route(), "either text or vector"),
        (lambda client: client.route("a", [1.0]), "either text or vector"),
        (lambda client: client.route("a", required_tags="fast"), "a list of names"),
        (lambda client: client.route("a", required_modalities=["smell"]), "none of text, image"),
        (lambda client: client.route("\ud800"), "surrogates not allowed"),
        (lambda client: client.feedback("", success=True), "decision id"),
        (lambda client: client.feedback("d", failure="sleepy"), "none of timeout, rate_limit"),
        (lambda client: client.prefer(Choice("d", "a")), "either the better arm"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_it_is(client, service, call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call(client)

    assert not service.calls


def test_a_policy_has_to_be_named_somewhere(server):
    with Client(server) as client, pytest.raises(ValueError, match="policy: name one"):
        client.route("hello")


def test_queries_go_to_other_machines_in_the_clear_only_if_asked():
    with pytest.raises(ValueError, match="not on this machine"):
        Client("bandit.example.com:7070")

    Client("bandit.example.com:7070", insecure=True).close()
    Client("bandit.example.com:7070", credentials=grpc.ssl_channel_credentials()).close()


@pytest.mark.parametrize(
    ("server", "local"),
    [
        ("localhost:7070", True),
        ("127.0.0.1:7070", True),
        ("127.1.2.3:7070", True),
        ("[::1]:7070", True),
        ("unix:/run/bandit.sock", True),
        ("dns:///localhost:7070", True),
        ("ipv4:127.0.0.1:7070,127.0.0.1:7071", True),
        ("ipv6:[::1]:7070", True),
        ("ipv4:127.0.0.1:7070,192.0.2.1:7070", False),
        ("0.0.0.0:7070", False),
        ("127.0.0.1.example.com:7070", False),
        ("localhost.example.com:7070", False),
        ("dns:///bandit:7070", False),
    ],
)
def test_only_loopback_and_sockets_are_this_machine(server, local):
    assert is_local(server) is local


@pytest.mark.parametrize("wrong", [{"max_batch": 513}, {"max_batch": 0}, {"timeout": 0.0}])
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Client(**wrong)


def test_a_closed_client_says_so(client):
    client.close()

    with pytest.raises(RuntimeError, match="closed"):
        client.route("hello")


def test_the_client_needs_grpc_and_protobuf_only():
    probe = (
        "import sys, bandit_service.client; "
        "heavy = {'numpy', 'scipy', 'sqlalchemy', 'msgspec', 'typer', 'rich', 'yaml', 'alembic'}; "
        "sys.exit(', '.join(heavy & sys.modules.keys()) or None)"
    )

    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
