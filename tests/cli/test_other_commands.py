"""route, feedback, decision, serve, demo, migrate, doctor and --version."""

import json
import re
import subprocess
import sys
import types
from typing import Any

import grpc
import pytest

from bandit_service import __version__, settings
from bandit_service.rpc.pb import routing_pb2 as pb
from bandit_service.store import open_store
from tests.client.fake_service import served
from tests.patience import PATIENCE


def test_route_prints_the_decision(run, server, service):
    done = run("route", "chat", "hello", "--allowed-arm", "small", "--duel")

    assert done.exit_code == 0, done.output
    assert re.search(r"^arm +small$", done.stdout, re.MULTILINE)
    assert re.search(r"^decision_id +decision-of-hello$", done.stdout, re.MULTILINE)
    assert service.routed[0].allowed_arms == ["small"]
    assert service.routed[0].duel


def test_route_sends_weights_of_its_own_and_none_unless_asked(run, server, service):
    done = run("route", "chat", "hello", "--quality-per-usd", "0", "--quality-per-joule", "0.5")
    assert done.exit_code == 0, done.output
    assert run("route", "chat", "hello", "--dial", "7").exit_code == 0
    assert run("route", "chat", "hello").exit_code == 0

    weights, dial, plain = service.routed
    assert weights.objective == pb.ObjectiveOverride(quality_per_usd=0.0, quality_per_joule=0.5)
    assert dial.objective == pb.ObjectiveOverride(accuracy_energy_dial=7.0)
    assert not plain.HasField("objective")


def test_route_takes_numbers_and_standard_input(run, server, service):
    assert run("route", "chat", "--vector", "0.5,-1").exit_code == 0
    assert run("route", "chat", "-", stdin="from a file").exit_code == 0

    assert len(service.routed[0].packed_vector) == 16
    assert service.routed[1].text == "from a file"


def test_the_json_of_route_has_the_names_of_the_proto(run, server):
    made = json.loads(run("route", "chat", "hello", "--json").stdout)

    assert made["decision_id"] == "decision-of-hello"
    assert made["degraded"] is False


def test_feedback_sends_what_is_given_and_nothing_else(run, server, service):
    done = run("feedback", "d-1", "--no-success", "--score", "0", "--source", "judge",
               "--cost-usd", "0.5", "--feedback-id", "f-1")  # fmt: skip

    assert done.exit_code == 0, done.output
    assert "learned" in done.stdout
    assert service.heard == [
        pb.FeedbackRequest(
            decision_id="d-1",
            feedback_id="f-1",
            source=pb.FEEDBACK_SOURCE_JUDGE,
            success=False,
            score=0.0,
            usage=pb.Usage(cost_usd=0.5),
        )
    ]


def test_preferences_can_be_told(run, server, service):
    for words in (["--prefer", "small"], ["--over", "d-2"], ["--tie"], ["--tie-with", "d-2"]):
        assert run("feedback", "d-1", *words).exit_code == 0

    assert [heard.preference for heard in service.heard] == [
        pb.Preference(preferred_arm="small"),
        pb.Preference(other_decision_id="d-2", preferred_decision_id="d-1"),
        pb.Preference(tie=True),
        pb.Preference(other_decision_id="d-2", tie=True),
    ]


def test_a_decision_is_explained(run, server):
    assert "small" in run("decision", "d-1").stdout
    assert json.loads(run("decision", "d-1", "--json").stdout)["decision"]["policy"] == "chat"


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, 3),
        (grpc.StatusCode.NOT_FOUND, 4),
        (grpc.StatusCode.ALREADY_EXISTS, 5),
        (grpc.StatusCode.ABORTED, 5),
        (grpc.StatusCode.UNAVAILABLE, 6),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 6),
        (grpc.StatusCode.FAILED_PRECONDITION, 7),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 7),
        (grpc.StatusCode.INTERNAL, 1),
    ],
)
def test_every_status_has_its_exit_code(run, server, service, code, exit_code):
    service.faults["Route"] = [(code, "for a reason")]

    done = run("route", "chat", "hello")

    assert done.exit_code == exit_code
    assert "for a reason" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["route", "chat"], 3),
        (["route", "chat", "--vector", "a,b"], 2),
        (["feedback", "d", "--failure", "sleepy"], 3),
        (["feedback", "d", "--tie", "--prefer", "a"], 2),
        (["nonsense"], 2),
    ],
)
def test_what_makes_no_sense_is_not_sent(run, server, service, words, code):
    assert run(*words).exit_code == code
    assert not service.calls


@pytest.fixture
def app(monkeypatch):
    """Stands in for the server: keeps the settings it was to serve with."""
    made: Any = types.ModuleType("bandit_service.app")
    made.seen = []

    async def serve(settings):
        made.seen.append(settings)
        return 0

    made.serve = serve
    monkeypatch.setitem(sys.modules, "bandit_service.app", made)
    return made


def test_serve_hands_its_settings_to_the_server(run, app, tmp_path, monkeypatch):
    path = tmp_path / "chat.yaml"
    path.write_text("{name: chat, arms: [{name: a}]}")
    monkeypatch.setenv("BANDIT_DATABASE", "sqlite:///other.db")
    monkeypatch.setenv("BANDIT_SERVER", "127.0.0.1:1")

    done = run("serve", "--listen", "127.0.0.1:0", "--policy", path, "--log-level", "debug",
               "--log-format", "json", "--metrics-listen", "127.0.0.1:1")  # fmt: skip

    assert done.exit_code == 0, done.output
    (seen,) = app.seen
    assert (seen.listen, seen.database) == ("127.0.0.1:0", "sqlite:///other.db")
    assert (seen.log_level, seen.insecure) == ("debug", False)
    assert (seen.log_format, seen.metrics_listen) == ("json", "127.0.0.1:1")
    assert [policy.name for policy in seen.policies] == ["chat"]


def test_serve_beyond_this_machine_needs_tls_or_a_word(run, app):
    refused = run("serve", "--listen", "0.0.0.0:7070")

    assert refused.exit_code == 3
    assert "other machines can reach 0.0.0.0:7070" in refused.stderr
    assert run("serve", "--listen", "0.0.0.0:7070", "--insecure").exit_code == 0
    assert len(app.seen) == 1


def test_an_error_nobody_foresaw_is_one_line_too(run, app, monkeypatch):
    async def fail(settings: settings.Settings) -> int:
        raise RuntimeError("boom")

    app.serve = fail

    done = run("serve")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "unexpected RuntimeError: boom" in done.stderr
    assert isinstance(run("--traceback", "serve").exception, RuntimeError)


def test_demo_passes_its_options_on(run, monkeypatch):
    made: Any = types.ModuleType("bandit_service.demo")
    made.run_demo = lambda **options: int(options == {
        "queries": 7, "algorithm": "uniform", "as_json": True, "database": None
    })  # fmt: skip
    monkeypatch.setitem(sys.modules, "bandit_service.demo", made)

    assert run("demo", "--queries", 7, "--algorithm", "uniform", "--json").exit_code == 1


def test_migrate_makes_the_tables_and_can_be_repeated(run, tmp_path):
    url = f"sqlite:///{tmp_path}/new.db"

    first, second = run("migrate", "--database", url), run("migrate", "--database", url)

    assert first.exit_code == second.exit_code == 0, first.output
    assert "revision" in first.stdout
    assert first.stdout == second.stdout


def test_doctor_finds_a_fresh_place_well_and_leaves_it_so(run, tmp_path):
    database = tmp_path / "bandit.db"

    done = run("doctor", "--listen", "127.0.0.1:0", "--database", f"sqlite:///{database}", "--json")

    found = {each["check"]: each for each in json.loads(done.stdout)}
    assert done.exit_code == 0, done.output
    assert {each["state"] for each in found.values()} == {"ok"}
    assert "will be made" in found["database"]["detail"]
    assert "no meter" in found["energy"]["detail"]
    assert not database.exists()


@pytest.mark.parametrize(
    ("words", "check", "detail"),
    [
        (["--database", "mysql://x"], "database", "database"),
        (["--database", "sqlite:////nowhere/bandit.db"], "database", "its folder does not exist"),
        (["--listen", "0.0.0.0:7070"], "settings", "other machines"),
        (["--tls-cert", "/no.pem", "--tls-key", "/no.key"], "tls", "/no.pem"),
    ],
)
def test_doctor_names_what_keeps_a_server_from_running(run, words, check, detail):
    done = run("doctor", *words, "--json")

    failed = {e["check"]: e["detail"] for e in json.loads(done.stdout) if e["state"] == "fail"}
    assert done.exit_code == 1
    assert detail in failed[check]


def test_doctor_finds_a_journal_that_a_start_could_not_read(run, tmp_path):
    url = f"sqlite:///{tmp_path}/bandit.db"
    store = open_store(url)
    with store.write() as tx:
        tx.create_policy("chat", b"s" * 32, 0.0)  # and no first revision
    store.close()

    done = run("doctor", "--listen", "127.0.0.1:0", "--database", url, "--json")

    found = {each["check"]: each for each in json.loads(done.stdout)}
    assert done.exit_code == 1
    assert "cannot be read at position 1" in found["database"]["detail"]


def test_doctor_tells_a_healthy_server_from_another_program(run, tmp_path, monkeypatch):
    from grpc_health.v1 import health, health_pb2_grpc

    monkeypatch.setattr("bandit_service.cli.doctor._HEALTH_SECONDS", PATIENCE)

    def add(to):
        health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), to)

    def address(at):
        words = ("doctor", "--listen", at, "--database", f"sqlite:///{tmp_path}/a.db", "--json")
        found = json.loads(run(*words).stdout)
        return next(each for each in found if each["check"] == "address")

    with served(add) as at:
        assert address(at) == {"check": "address", "state": "ok", "detail": "a server is SERVING"}
    with served(lambda to: None) as at:
        assert address(at)["state"] == "warn"


def test_doctor_looks_whether_the_port_of_the_metrics_is_free(run, tmp_path):
    def metrics(at):
        words = ("doctor", "--listen", "127.0.0.1:0", "--metrics-listen", at, "--json")
        found = json.loads(run(*words, "--database", f"sqlite:///{tmp_path}/a.db").stdout)
        return next(each["state"] for each in found if each["check"] == "metrics")

    assert metrics("127.0.0.1:0") == "ok"
    with served(lambda to: None) as at:
        assert metrics(at) == "warn"


def test_the_version_is_printed(run):
    assert run("--version").stdout == f"bandit-service {__version__}\n"


def test_help_lists_the_exit_codes_and_imports_nothing_heavy():
    probe = (
        "import sys, bandit_service.cli as cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'numpy', 'scipy', 'sqlalchemy', 'grpc', 'yaml'} & sys.modules.keys()))"
    )

    done = subprocess.run(
        [sys.executable, "-c", probe, "--help"], capture_output=True, text=True, check=True
    )

    assert "6 unavailable" in " ".join(done.stdout.split())
    assert done.stdout.endswith("[]\n")
