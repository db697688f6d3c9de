"""`bandit-service policy presets`, `policy create --preset`, and `simulate --policy NAME`."""

import json

import pytest

from bandit_service import presets
from bandit_service.evaluation.writing import write
from bandit_service.rpc.pb import policy_pb2 as pb
from tests.evaluation.small_tables import a_random_table

ARMS = """
arms:
  - {name: small, input_usd_per_million_tokens: 1, output_usd_per_million_tokens: 2}
  - {name: large, input_usd_per_million_tokens: 5, output_usd_per_million_tokens: 9}
"""


@pytest.fixture
def arms(tmp_path):
    path = tmp_path / "arms.yaml"
    path.write_text(ARMS)
    return path


def test_presets_are_listed_and_described(run):
    listed, one = run("policy", "presets", "--json"), run("policy", "presets", "ti_ucb", "--json")
    for_people, read = run("policy", "presets"), run("policy", "presets", "ccft")

    assert [each["name"] for each in json.loads(listed.output)] == list(presets.names())
    assert json.loads(one.output)["decides"] == "before_the_call"
    assert all(name in for_people.output for name in presets.names())
    assert "arXiv:2510.00841" in read.output
    assert '"name": "fgts_cdb"' in read.output


def test_a_policy_is_made_of_a_preset_and_a_file_of_arms(run, server, policies, arms):
    done = run("policy", "create", "chat", "--preset", "metallm_weighed", "--arms", arms,
               "--set", "objective.quality_per_usd=2", "--vector", 8)  # fmt: skip

    assert done.exit_code == 0, done.output
    made = policies.policies["chat"]
    assert (made.algorithm.name, made.algorithm.settings["ridge"]) == ("linucb", 12.94)
    assert made.objective.quality_per_usd == 2
    assert made.features.vector.dimension == 8
    assert [arm.name for arm in made.arms] == ["small", "large"]


def test_a_duelling_preset_says_how_preferences_teach(run, server, policies, arms):
    done = run("policy", "create", "chat", "--preset", "fgts_cdb", "--arms", arms)

    assert done.exit_code == 0, done.output
    made = policies.policies["chat"]
    assert made.preference_learning == pb.PREFERENCE_LEARNING_AS_PAIRS


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--preset", "unicorn"], "preset: there is no 'unicorn'; known: ccft"),
        (["--preset", "ccft"], "arms[0].embedding: preset ccft needs it of every arm"),
        (["--preset", "ti_ucb", "--arm", "alone"], "arms: preset ti_ucb needs at least 2, not 1"),
    ],
)
def test_what_a_preset_cannot_work_with_is_refused(run, server, policies, arms, arguments, what):
    more = [] if "--arm" in arguments else ["--arms", arms]

    done = run("policy", "create", "chat", *arguments, *more)

    assert done.exit_code != 0
    assert what in done.output
    assert not policies.policies


def test_a_file_that_is_more_than_arms_is_refused(run, server, tmp_path):
    path = tmp_path / "arms.yaml"
    path.write_text("arms: []\nname: x\n")

    done = run("policy", "create", "chat", "--preset", "ti_ucb", "--arms", path)

    assert "must be a list under `arms:`, and nothing else" in done.output


def test_presets_take_part_in_simulations_by_name(run, tmp_path):
    write(a_random_table(count=30), tmp_path / "set")

    done = run("simulate", tmp_path / "set", "--policy", "ti_ucb_thumbs", "--policy",
               "fgts_cdb_published:draws=2,moved=1", "--seeds", 1, "--json", "-")  # fmt: skip

    assert done.exit_code == 0, done.output
    found = {each["policy"]: each["description"] for each in json.loads(done.output)["policies"]}
    assert list(found) == ["ti_ucb_thumbs", "fgts_cdb_published:draws=2,moved=1"]
    assert "block 20" in found["ti_ucb_thumbs"]
    assert "eta 0.25" in found["fgts_cdb_published:draws=2,moved=1"]
