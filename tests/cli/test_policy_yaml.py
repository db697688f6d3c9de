"""Mistakes in a policy's file: one line says which file, where in it, and what is expected."""

import pytest

from bandit_service.cli.policy_yaml import read_policy
from bandit_service.errors import InvalidField
from bandit_service.model import Mode


def test_a_file_is_read_as_it_is_meant(tmp_path):
    path = tmp_path / "chat.yaml"
    path.write_text("{name: chat, mode: observe, default_arm: a, arms: [{name: a}]}")

    config = read_policy(path)

    assert (config.name, config.mode, config.arms[0].name) == ("chat", Mode.OBSERVE, "a")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1e-4", 1e-4), ("1e-12", 1e-12), ("2E3", 2e3), ("1.5e3", 1.5e3), ("+3e+2", 3e2),
        (".5e-1", 0.05), ("1.e2", 1e2), ("1.0e-4", 1e-4), ("0.25", 0.25), ("7", 7.0),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(tmp_path, written, meant):
    path = tmp_path / "chat.yaml"
    budget = f"{{resource: usd, amount: {written}, rate: true}}"
    path.write_text(f"{{name: chat, arms: [{{name: a}}], budgets: [{budget}]}}")

    config = read_policy(path)

    assert config.budgets[0].amount == meant


def test_what_only_looks_like_a_number_stays_text(tmp_path):
    path = tmp_path / "chat.yaml"
    arms = "[{name: e5}, {name: 1e5-mini}, {name: v1e}, {name: '1e5'}, {name: 3e4e5}]"
    path.write_text(f"{{name: chat, arms: {arms}}}")

    assert [arm.name for arm in read_policy(path).arms] == ["e5", "1e5-mini", "v1e", "1e5", "3e4e5"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("arms: [{name: a}]", "object missing required field name; there are name, arms, alg"),
        ("name: c\narms: [{nam: a}]", "arms[0].nam: no such field; there are name, model, "),
        ("name: c\narms: []\nflor: 0.1", "flor: no such field; there are name, arms, "),
        ("name: c\narms: []\nfloor: '0.1'", "floor: expected float, got str"),
        ("name: c\narms: []\nsticky_sessions: 1", "sticky_sessions: expected bool, got int"),
        ("name: c\narms: a", "arms: expected array, got str"),
        (
            "name: c\narms: []\nobjective: {quality_per_dollar: 1}",
            "objective.quality_per_dollar: no such field; there are quality_per_usd, ",
        ),
        (
            "name: c\narms: []\nmode: watch",
            "mode: invalid enum value 'watch', where one of act, observe is expected",
        ),
        (
            "name: c\narms: [{name: a, modalities: [smell]}]",
            "arms[0].modalities[0]: invalid enum value 'smell', where one of text, image",
        ),
        (
            "name: c\narms: []\nalgorithm: {settings: {width: wide}}",
            "algorithm.settings[...]: expected float, got str",
        ),
        ("name: c\narms: []\nforgetting: {clock: time}", "forgetting: object missing required"),
        ("name: c\narms: [{name: a, state: retired}]", "state: leave it out"),
        ("name: c\narms: [{name: a, version_position: 50}]", "version_position: leave it out"),
        ("name: c\nname: d", "is not YAML: name twice, line 2"),
        ("name: [", "is not YAML: "),
        ("- chat", "must be a mapping"),
        ("", "must be a mapping"),
        ("!!python/object/apply:os.getcwd []", "is not YAML: could not determine a constructor"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, run, text, message):
    path = tmp_path / "chat.yaml"
    path.write_text(text)

    with pytest.raises(InvalidField) as caught:
        read_policy(path)
    assert str(caught.value).startswith(f"{path}: {message}")

    done = run("serve", "--policy", path)
    assert done.exit_code == 3
    assert done.stderr.count("\n") == 1


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidField, match=r"nowhere\.yaml: cannot be read: No such file"):
        read_policy(tmp_path / "nowhere.yaml")


def test_what_json_cannot_hold_is_refused_before_anything_is_sent(tmp_path, run):
    path = tmp_path / "chat.yaml"
    path.write_text("{name: chat, arms: [{name: a, parameters: {since: 2024-01-01}}]}")

    done = run("policy", "create", "-f", path, "--server", "127.0.0.1:1")

    assert done.exit_code == 3
    assert "parameters: what JSON cannot hold" in done.stderr
