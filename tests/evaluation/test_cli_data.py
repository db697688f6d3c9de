"""data import, data synth and data describe."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from bandit_service.cli import data
from bandit_service.cli.exits import Commands
from bandit_service.evaluation import synthetic
from bandit_service.evaluation.loading import load, load_pairs
from tests.evaluation.old_pickles import OLD_PICKLES


@pytest.fixture
def run():
    app = typer.Typer(cls=Commands)
    app.add_typer(data.app, name="data")
    return lambda *words: CliRunner().invoke(app, ["data", *(str(word) for word in words)])


@pytest.fixture
def wide(tmp_path):
    """A wide table with its map."""
    (tmp_path / "wide.csv").write_text("id,kind,good,usd\nq1,x,1,0.5\nq2,y,0,0.1\n")
    (tmp_path / "map.yaml").write_text(
        "query_id: id\ntask: kind\narms:\n  only: {quality: good, cost_usd: usd}\n"
    )
    return tmp_path / "wide.csv", tmp_path / "map.yaml"


@pytest.mark.parametrize("flags", [[], ["--parquet"]])
def test_a_wide_table_is_imported(run, wide, tmp_path, flags):
    source, map_ = wide

    done = run("import", "wide", source, tmp_path / "out", "--map", map_, *flags)

    assert done.exit_code == 0, done.output
    assert f"written to {tmp_path / 'out'}" in done.stdout
    table = load(tmp_path / "out")
    assert table.quality.tolist() == [[1.0], [0.0]]
    assert table.cost_usd.tolist() == [[0.5], [0.1]]


def test_a_pickle_of_routerbench_is_imported_and_told_of_in_json(run, tmp_path):
    (tmp_path / "rb.pkl").write_bytes(OLD_PICKLES["pandas 2.2.3, protocol 4"])

    done = run("import", "routerbench", tmp_path / "rb.pkl", tmp_path / "out", "--json")

    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["queries"] == 2
    assert told["tasks"] == [{"task": "math", "queries": 2}]
    assert [arm["mean_quality"] for arm in told["arms"]] == [0.625, 0.75]
    assert len(load(tmp_path / "out")) == 2


def test_nothing_is_overwritten_without_force(run, wide, tmp_path):
    source, map_ = wide
    words = ("import", "wide", source, tmp_path / "out", "--map", map_)
    run(*words)
    source.write_text("id,kind,good,usd\nq1,x,0.5,0.5\n")

    refused = run(*words)
    assert refused.exit_code == 3
    assert "out: is there already; choose another, or --force" in refused.stderr
    assert len(load(tmp_path / "out")) == 2
    assert run(*words, "--force").exit_code == 0
    assert len(load(tmp_path / "out")) == 1


@pytest.mark.parametrize(
    ("map_", "line"),
    [
        (
            "query_id: id\narms: {only: {quality: good}}\nmodel: x\n",
            "map.yaml: no such key 'model'; there are query_id, arms, task, prompt",
        ),
        ("- id\n", "map.yaml: must be a mapping"),
        ("query_id: [", "map.yaml: is not YAML"),
        ("query_id: id\narms: {only: {quality: usd2}}\n", "wide.csv: needs a column 'usd2'"),
    ],
)
def test_a_bad_map_is_one_line_and_bad_input(run, wide, tmp_path, map_, line):
    wide[1].write_text(map_)

    done = run("import", "wide", wide[0], tmp_path / "out", "--map", wide[1])

    assert done.exit_code == 3
    assert line in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("import", "wide", "x.csv", "out"),
        ("import", "routerbench", "x.csv", "out", "--map", "m.yaml"),
        ("import", "excel", "x.csv", "out"),
        ("synth", "linear", "out", "--shifts", "2"),
        ("synth", "linear", "out", "--queries", "0"),
        ("synth", "circular", "out"),
    ],
)
def test_wrong_usage_is_told_from_bad_input(run, words):
    assert run(*words).exit_code == 2


def test_a_missing_source_is_bad_input(run, tmp_path):
    done = run("import", "paretobandit", tmp_path / "none.whl", tmp_path / "out")

    assert done.exit_code == 3
    assert done.stderr.startswith(f"bandit-service: {tmp_path / 'none.whl'}: ")


@pytest.mark.parametrize(
    ("kind", "flags"),
    [
        ("linear", {"noise": 0.2}),
        ("clustered", {"clusters": 3}),
        ("drifting", {"shifts": 2}),
        ("rising", {}),
        ("duels", {"sharpness": 3.0}),
    ],
)
def test_sets_are_made_up_as_asked(run, tmp_path, kind, flags):
    size = {"queries": 30, "arms": 3, "dim": 4, "seed": 7} | flags
    words = [word for name, value in size.items() for word in (f"--{name}", value)]

    done = run("synth", kind, tmp_path / "out", *words)

    assert done.exit_code == 0, done.output
    table, pairs = synthetic.make(kind, **size)
    read = load(tmp_path / "out")
    np.testing.assert_array_equal(read.quality, table.quality)
    np.testing.assert_array_equal(read.expected, table.expected)
    np.testing.assert_array_equal(read.contexts, table.contexts)
    if pairs:
        assert load_pairs(tmp_path / "out") == pairs


def test_the_bundled_sample_is_described_if_nothing_is_named(run):
    done = run("describe")

    assert done.exit_code == 0, done.output
    assert re.search(r"^queries +1000$", done.stdout, re.MULTILINE)
    assert re.search(r"gemini-2.5-pro +0\.93", done.stdout)


def test_a_folder_is_described_in_json(run, tmp_path):
    (tmp_path / "queries.csv").write_text("query_id,task\nq1,x\nq2,\nq3,x\nq4,x\n")
    (tmp_path / "outcomes.csv").write_text(
        "query_id,model,quality,latency_s\nq1,a,1,\nq2,a,0.5,3\nq3,b,0,1\nq1,b,1,2\n"
    )

    told = json.loads(run("describe", tmp_path, "--json").stdout)

    assert told == {
        "name": tmp_path.name,
        "queries": 3,
        "prompts": False,
        "context_dimension": None,
        "known_truth": False,
        "tasks": [{"task": "x", "queries": 2}],
        "arms": [
            _arm("a", known_share=2 / 3, mean_quality=0.75, mean_latency_seconds=3.0),
            _arm("b", known_share=2 / 3, mean_quality=0.5, mean_latency_seconds=1.5),
        ],
        "notes": ["1 of 4 queries are left out: no quality is known"],
    }


def _arm(name, **known):
    unknown = dict.fromkeys(
        ("mean_cost_usd", "mean_energy_joules", "mean_input_tokens", "mean_output_tokens")
    )
    return {"arm": name} | unknown | known


def test_a_folder_that_is_not_there_is_bad_input(run, tmp_path):
    done = run("describe", tmp_path / "none")

    assert done.exit_code == 3
    assert done.stderr == f"bandit-service: {tmp_path / 'none'}: there is no such folder\n"


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from bandit_service.cli import data; "
        "print([name for name in ('numpy', 'pandas', 'pyarrow', 'yaml') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
