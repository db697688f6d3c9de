"""Arms with embeddings, from a table's own tasks."""

import json

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from bandit_service.cli.commands import app
from bandit_service.errors import BadInput
from bandit_service.evaluation.contestants import configured, entered
from bandit_service.evaluation.embedding_arms import embedded_arms, labelled_rows
from bandit_service.evaluation.simulation import simulate
from bandit_service.evaluation.synthetic import clustered
from bandit_service.evaluation.writing import write
from bandit_service.model import Algorithm, PolicyConfig, PreferenceLearning
from tests.evaluation.small_tables import a_random_table

TABLE = clustered(queries=300, arms=4, dim=10, seed=1)


def test_the_arms_keep_what_they_are_and_lean_to_what_they_are_good_at():
    arms = embedded_arms(TABLE, top=1, labelled=20, cost_weight=0.0)

    assert [arm.name for arm in arms] == list(TABLE.arm_names)
    assert arms[0].input_usd_per_million_tokens == TABLE.arms[0].input_usd_per_million_tokens
    made = np.array([arm.embedding for arm in arms])
    assert made.shape == (4, 10)  # nine of the vectors, and the constant
    assert TABLE.contexts is not None
    likeness = TABLE.contexts @ made[:3, :-1].T
    own = np.array([int(task.removeprefix("cluster-")) % 3 for task in TABLE.tasks])
    for slot in range(3):
        assert likeness[own == slot, slot].mean() > likeness[own != slot, slot].mean() + 0.5


def test_only_the_labelled_queries_are_looked_at():
    _, rows = labelled_rows(TABLE, 5, seed=3)
    looked_at = np.concatenate(rows)
    quality = np.where(np.isin(np.arange(len(TABLE)), looked_at)[:, None], TABLE.quality, 0.123)
    other = TABLE.rows(np.arange(len(TABLE)))
    other.quality[:] = quality

    arms = embedded_arms(other, labelled=5, seed=3)

    assert [len(some) for some in rows] == [5] * 4
    assert arms == embedded_arms(TABLE, labelled=5, seed=3)
    assert arms != embedded_arms(TABLE, labelled=5, seed=4)


def test_a_policy_takes_them_in_a_simulation():
    config = PolicyConfig(
        name="duels",
        arms=embedded_arms(TABLE),
        algorithm=Algorithm(name="fgts_cdb", settings={"draws": 4, "moved": 2, "steps": 2}),
        preference_learning=PreferenceLearning.AS_PAIRS,
    )
    (entry,) = entered([configured(config)], TABLE)

    run = simulate(TABLE, entry.contexts, config, seed=0)

    late = slice(150, None)
    got = TABLE.quality[run.order, run.arms][late].mean()
    assert got > TABLE.quality.mean() + 0.1


@pytest.mark.parametrize(
    ("table", "settings", "what"),
    [
        (a_random_table(), {}, "has 0 tasks with two queries that all arms answered"),
        (TABLE, {"way": "best"}, "way must be one of"),
        (TABLE, {"top": 9}, "top must be from 1 to 4 arms"),
        (TABLE, {"labelled": 1}, "labelled: must be at least 2"),
        (TABLE, {"cost_weight": -1.0}, "cost_weight: must be from 0"),
    ],
)
def test_what_is_missing_is_told(table, settings, what):
    with pytest.raises(BadInput, match=what):
        embedded_arms(table, **settings)


def test_the_command_writes_arms_that_policies_can_be_made_of(tmp_path):
    write(TABLE, tmp_path / "set")
    out = tmp_path / "arms.yaml"
    runner, asked = CliRunner(), ["data", "embed-arms", str(tmp_path / "set"), str(out)]

    made = runner.invoke(app, [*asked, "--way", "perf", "--labelled", "8"])
    again = runner.invoke(app, asked)
    shown = runner.invoke(app, ["data", "embed-arms", str(tmp_path / "set"), "--json"])

    assert made.exit_code == 0, made.output
    arms = yaml.safe_load(out.read_text())["arms"]
    expected = embedded_arms(TABLE, way="perf", labelled=8)
    assert [tuple(arm["embedding"]) for arm in arms] == [arm.embedding for arm in expected]
    assert again.exit_code == 3
    assert "is there already; choose another" in again.output
    assert [arm["name"] for arm in json.loads(shown.output)["arms"]] == list(TABLE.arm_names)
