"""`bandit-service policy ...`, against a service that does as it is told."""

import json

import pytest

from bandit_service.rpc.pb import policy_pb2 as pb

FULL = """
name: chat
algorithm: {name: linucb, settings: {width: 2}}
features: {text: {dimensions: 128}}
objective: {quality_per_usd: 20}
mode: observe
default_arm: gpt-4o
forgetting: {half_life: 1000, clock: requests}
floor: 0.05
sticky_sessions: false
quality_sources: [user, judge]
preference_learning: as_quality
feedback_horizon: 604800
arms:
  - name: gpt-4o
    parameters: {temperature: 0.2, stop: [a, b]}
    input_usd_per_million_tokens: 2.5
    tags: [smart]
  - name: mini
    modalities: [text, image]
"""


@pytest.fixture
def chat(server, policies, run):
    """A policy of two arms with an objective, revision 1."""
    made = run("policy", "create", "chat", "--arm", "a", "--arm", "b", "--set",
               "objective.quality_per_second=0.5")  # fmt: skip
    assert made.exit_code == 0, made.output
    return policies.policies["chat"]


def test_a_file_is_created_with_every_field_it_names(run, server, policies, tmp_path):
    path = tmp_path / "chat.yaml"
    path.write_text(FULL)

    done = run("policy", "create", "-f", path)

    assert done.exit_code == 0, done.output
    made = policies.policies["chat"]
    assert (made.algorithm.name, made.algorithm.settings["width"]) == ("linucb", 2.0)
    assert made.features.text.dimensions == 128
    assert made.objective.quality_per_usd == 20
    assert (made.mode, made.default_arm) == (pb.MODE_OBSERVE, "gpt-4o")
    assert made.forgetting.half_life_requests == 1000
    assert (made.floor, made.sticky_sessions) == (0.05, False)
    assert made.preference_learning == pb.PREFERENCE_LEARNING_AS_QUALITY
    assert made.feedback_horizon.seconds == 7 * 86_400
    assert made.arms[0].parameters["temperature"] == 0.2
    assert made.arms[0].input_usd_per_million_tokens == 2.5
    assert not made.arms[0].HasField("context_limit_tokens")


def test_flags_are_enough_to_start_with(run, server, policies):
    done = run("policy", "create", "chat", "--arm", "a", "--arm", "b", "--vector", 32)

    assert done.exit_code == 0, done.output
    made = policies.policies["chat"]
    assert [arm.name for arm in made.arms] == ["a", "b"]
    assert made.features.vector.dimension == 32
    assert "hierarchical_thompson" in done.output


def test_set_changes_one_value_and_keeps_those_beside_it(run, chat, policies):
    done = run("policy", "update", "chat", "--set", "objective.quality_per_usd=20",
               "--set", "mode=observe", "--set", "default_arm=a")  # fmt: skip

    assert done.exit_code == 0, done.output
    changed = policies.policies["chat"]
    assert changed.objective.quality_per_usd == 20
    assert changed.objective.quality_per_second == 0.5
    assert (changed.mode, changed.default_arm) == (pb.MODE_OBSERVE, "a")
    assert policies.masks == [["default_arm", "mode", "objective"]]


def test_a_file_replaces_each_field_that_it_names(run, chat, policies, tmp_path):
    path = tmp_path / "change.yaml"
    path.write_text("objective: {quality_per_usd: 20}")

    assert run("policy", "update", "chat", "-f", path).exit_code == 0

    assert policies.policies["chat"].objective == pb.Objective(quality_per_usd=20)
    assert policies.masks == [["objective"]]


def test_settings_of_another_algorithm_and_other_features_do_not_stay(run, chat, policies):
    run("policy", "update", "chat", "--set", "algorithm.settings.prior=2")

    done = run("policy", "update", "chat", "--set", "algorithm.settings.width=1", "--set",
               "algorithm.name=linucb", "--set", "features.vector.dimension=4")  # fmt: skip

    assert done.exit_code == 0, done.output
    changed = policies.policies["chat"]
    assert dict(changed.algorithm.settings) == {"width": 1.0}
    assert changed.features.vector.dimension == 4
    assert "afresh" in done.stderr


def test_null_clears_what_may_be_absent(run, chat, policies):
    run("policy", "update", "chat", "--set", "forgetting.half_life=60")
    assert policies.policies["chat"].forgetting.half_life.seconds == 60

    run("policy", "update", "chat", "--set", "forgetting=null")

    assert not policies.policies["chat"].HasField("forgetting")


def test_an_update_fails_if_the_policy_has_changed_since(run, chat):
    done = run("policy", "update", "chat", "--set", "floor=0.1", "--etag", "e0")

    assert done.exit_code == 5
    assert "has changed" in done.stderr


def test_arms_are_added_changed_retired_and_removed(run, chat, policies):
    assert run("policy", "add-arm", "chat", "c", "--set", "tags=[fast]").exit_code == 0
    for change in ("parameters.temperature=0.5", "parameters.top_p=1", "model=big"):
        assert run("policy", "update-arm", "chat", "c", "--set", change).exit_code == 0
    assert run("policy", "retire-arm", "chat", "a").exit_code == 0
    assert run("policy", "remove-arm", "chat", "b", "--yes").exit_code == 0

    a, b, c = policies.policies["chat"].arms
    assert (a.state, b.state) == (pb.ARM_STATE_RETIRED, pb.ARM_STATE_REMOVED)
    assert (c.model, list(c.tags)) == ("big", ["fast"])
    assert dict(c.parameters.items()) == {"temperature": 0.5, "top_p": 1}
    assert policies.masks == [["parameters"], ["parameters"], ["model"]]


def test_what_cannot_be_undone_is_asked_about(run, chat, policies):
    assert run("policy", "delete", "chat", stdin="n\n").exit_code == 1
    assert "chat" in policies.policies

    assert run("policy", "delete", "chat", stdin="y\n").exit_code == 0
    assert "chat" not in policies.policies


def test_all_pages_are_listed(run, chat, server):
    for name in ("one", "two"):
        run("policy", "create", name, "--arm", "a")

    listed = json.loads(run("policy", "list", "--json").stdout)

    assert [policy["name"] for policy in listed["policies"]] == ["chat", "one", "two"]
    assert "two" in run("policy", "list").stdout


def test_json_has_the_names_of_the_proto(run, chat):
    got = json.loads(run("policy", "get", "chat", "--json").stdout)["policy"]

    assert got["objective"]["quality_per_second"] == 0.5
    assert got["default_arm"] == ""


def test_what_is_unknown_is_shown_as_unknown(run, chat):
    table = run("policy", "state", "chat").stdout
    state = json.loads(run("policy", "state", "chat", "--json").stdout)

    assert "0.75" in table
    assert state["arms"][0]["mean_quality"] == 0.75
    assert "mean_quality" not in state["arms"][1]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["get", "nobody"], 4, "no policy 'nobody'"),
        (["create", "chat", "--arm", "a"], 5, "exists already"),
        (["update-arm", "chat", "z", "--set", "model=m"], 4, "has no arm 'z'"),
        (["create", "new"], 3, "at least one arm is needed"),
        (["create"], 2, "name, or --file"),
        (
            ["create", "new", "--arm", "a", "--text", "--vector", "3"],
            2,
            "either --text or --vector",
        ),
        (["update", "chat"], 2, "--set or --file"),
        (["update", "chat", "--set", "floor"], 3, "must be like objective.quality_per_usd=20"),
        (["update", "chat", "--set", "floor=much"], 3, "floor: expected float, got str"),
        (["update", "chat", "--set", "arms=[]"], 3, "arms: have commands of their own"),
        (["update-arm", "chat", "a", "--set", "state=retired"], 3, "state: has commands"),
        (["update-arm", "chat", "a", "--set", "version_position=3"], 3, "is set by the service"),
        (["get", "chat", "--tls-ca", "/nowhere.pem"], 3, "/nowhere.pem: cannot be read"),
    ],
)
def test_each_error_is_one_line_and_has_its_code(run, chat, words, code, message):
    done = run("policy", *words)

    assert done.exit_code == code
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert done.stdout == ""
    if code != 2:  # typer draws a box
        assert done.stderr.count("\n") == 1


def test_the_default_arm_cannot_be_retired(run, chat, policies):
    policies.policies["chat"].default_arm = "a"

    assert run("policy", "retire-arm", "chat", "a").exit_code == 7


def test_a_server_that_is_not_there_is_unavailable(run):
    done = run("policy", "list", "--server", "127.0.0.1:1")

    assert done.exit_code == 6
    assert done.stderr.count("\n") == 1


def test_an_update_says_who_makes_it(run, chat, policies, monkeypatch):
    monkeypatch.setenv("LOGNAME", "ada")
    assert run("policy", "update", "chat", "--set", "floor=0.1").exit_code == 0
    assert run("policy", "update", "chat", "--set", "floor=0.2", "--author", "ci").exit_code == 0

    assert policies.authors == ["ada", "ci"]


def test_history_shows_a_line_a_change(run, chat):
    shown = run("policy", "history", "chat").stdout

    assert "ada" in shown
    assert "0.05" in shown
    assert "(created)" in shown
    made = json.loads(run("policy", "history", "chat", "--limit", "1", "--json").stdout)
    assert [one["revision"] for one in made["revisions"]] == ["2"]


def test_a_preview_changes_nothing_and_says_what_it_rests_on(run, chat, policies):
    before = policies.policies["chat"].SerializeToString()

    shown = run("policy", "preview", "chat", "--set", "objective.quality_per_usd=9")
    alone = run("policy", "preview", "chat", "--set", "floor=0.1", "--decisions", "1")
    made = run("policy", "preview", "chat", "--set", "objective.quality_per_usd=9", "--json")

    assert shown.exit_code == 0, shown.output
    assert "2000 recent decisions" in shown.stdout
    assert "0.3333 [0.25, 0.5]" in shown.stdout
    assert "unknown: too little" in shown.stdout
    assert "no traffic yet" in alone.stdout
    assert json.loads(made.stdout)["objective"]["quality_per_usd"] == 9.0
    assert policies.masks == [["objective"], ["floor"], ["objective"]]
    assert policies.policies["chat"].SerializeToString() == before
    assert run("policy", "preview", "chat").exit_code == 2


PRICED = "{name: a, input_usd_per_million_tokens: 1, output_usd_per_million_tokens: 1}"


@pytest.mark.parametrize(
    ("spans", "given"),
    [
        ("window: 3600, rate: true", "window and rate are set"),
        ("requests: 1000, rate: true", "requests and rate are set"),
        ("window: 3600, requests: 1000", "window and requests are set"),
        ("window: 3600, requests: 9, rate: true", "window and requests and rate are set"),
        ("rate: false", "none is set"),
    ],
)
def test_a_budget_has_one_span_and_none_is_dropped_on_the_way(
    run, chat, policies, tmp_path, spans, given
):
    """The wire could not say two: whoever gives them is told, before anything is sent."""
    good, bad = "{resource: usd, amount: 9, rate: true}", f"{{resource: usd, amount: 1, {spans}}}"
    before = policies.policies["chat"].SerializeToString()
    path = tmp_path / "two.yaml"
    path.write_text(f"name: two\narms: [{PRICED}]\nbudgets: [{good}, {bad}]")

    for done in (
        run("policy", "update", "chat", "--set", f"budgets=[{good}, {bad}]"),
        run("policy", "preview", "chat", "--set", f"budgets=[{good}, {bad}]"),
        run("policy", "create", "--file", path),
    ):
        assert done.exit_code == 3, done.output
        assert done.stderr.startswith("bandit-service: budgets[1]: exactly one of window (seconds)")
        assert done.stderr.endswith(f"; {given}\n")
    assert policies.policies["chat"].SerializeToString() == before
    assert policies.masks == []
    assert "two" not in policies.policies


@pytest.mark.parametrize(
    ("span", "field"),
    [("window: 3600", "window"), ("requests: 1000", "requests"), ("rate: true", "rate")],
)
def test_the_span_that_is_given_arrives(run, chat, policies, span, field):
    done = run(
        "policy", "update", "chat", "--set", f"budgets=[{{resource: usd, amount: 1, {span}}}]"
    )

    assert done.exit_code == 0, done.output
    (budget,) = policies.policies["chat"].budgets
    assert budget.WhichOneof("span") == field
