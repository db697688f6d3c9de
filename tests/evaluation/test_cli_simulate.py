"""The command `simulate`, on the bundled sample and on small folders."""

import os
import subprocess
import sys

import msgspec
import pytest
from typer.testing import CliRunner

from bandit_service.cli import app
from bandit_service.evaluation.results import Result

QUICK = "--seeds", "1", "--jobs", "1", "--policy", "uniform"


def simulate(*words):
    return CliRunner().invoke(app, ["simulate", *(str(word) for word in words)])


@pytest.fixture
def folder(tmp_path):
    """Two arms, three queries, of which one lacks an answer."""
    made = tmp_path / "mine"
    made.mkdir()
    (made / "queries.csv").write_text("query_id,task,prompt\n1,x,hello\n2,x,you\n3,x,there\n")
    (made / "outcomes.csv").write_text(
        "query_id,model,quality,cost_usd\n"
        "1,small,0.5,0.001\n1,large,0.75,0.01\n2,small,0.5,0.001\n2,large,1,0.01\n3,small,0.25,0.001\n"
    )
    return made


@pytest.fixture
def yaml(tmp_path):
    def write(text):
        file = tmp_path / "mine.yaml"
        file.write_text(text)
        return file

    return write


def test_the_bundled_sample_is_the_default_data():
    done = simulate(*QUICK)

    assert done.exit_code == 0, done.output
    for said in ("1,000 queries", "uniform", "oracle *", "best single", "* hindsight", "note: "):
        assert said in done.stdout


def test_a_folder_is_simulated_and_its_numbers_are_printed(folder):
    done = simulate(folder, *QUICK, "--policy", "default", "--warmup", "0.4", "--dials", "1",
                    "--feedback-fraction", "0.5", "--feedback-delay", "1")  # fmt: skip

    assert done.exit_code == 0, done.output
    for said in (
        "mine: 3 queries, 2 arms",
        "on 50% of queries, after 1 further",
        "after the first 0.4 of each stream",
        "uniform - default",
        "quality/USD",
        "static hull *:",
        "decisions/s",
    ):
        assert said in done.stdout


def test_json_goes_to_standard_output_alone_or_to_a_file(folder, tmp_path):
    file = tmp_path / "numbers.json"

    printed = simulate(folder, *QUICK, "--json", "-", "--order", "file")
    written = simulate(folder, *QUICK, "--json", file, "--order", "file")
    assert written.exit_code == 0, written.output
    assert "oracle" in written.stdout
    shown = msgspec.json.decode(printed.stdout, type=Result)
    kept = msgspec.json.decode(file.read_bytes(), type=Result)
    assert shown.policies[0].whole == kept.policies[0].whole
    assert (kept.order, kept.queries, kept.arms) == ("file", 3, ("small", "large"))


def test_a_policy_in_yaml_takes_part_with_all_arms_or_its_own(folder, yaml):
    file = yaml("name: mine\nalgorithm: {name: linucb, settings: {width: 0.5}}\nfloor: 0\n")
    own = yaml("name: one\narms: [{name: small}]\n").rename(folder / "one.yaml")
    file = yaml("name: mine\nalgorithm: {name: linucb, settings: {width: 0.5}}\nfloor: 0\n")

    done = simulate(folder, "--seeds", "1", "--jobs", "1", "--policy", file, "--policy", own,
                    "--json", "-")  # fmt: skip
    assert done.exit_code == 0, done.output
    first, second = msgspec.json.decode(done.stdout, type=Result).policies
    assert (first.policy, first.description) == ("mine", "linucb, width 0.5, floor 0")
    assert second.arm_shares["small"].mean == 1.0


def test_compare_with_names_the_rival(folder):
    done = simulate(folder, *QUICK, "--compare-with", "small", "--json", "-")

    assert msgspec.json.decode(done.stdout, type=Result).compared_with == "small"


def test_an_unknown_arm_of_a_policy_names_both(folder, yaml):
    done = simulate(folder, "--policy", yaml("name: mine\narms: [{name: huge}]\n"))

    assert done.exit_code == 3
    assert done.stderr == (
        "bandit-service: policy 'mine': arms: there is no 'huge'; known: small, large\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seeds", "0"], "seeds"),
        (["--warmup", "1"], "warmup"),
        (["--warmup", "-0.1"], "warmup"),
        (["--feedback-fraction", "1.1"], "feedback_fraction"),
        (["--feedback-delay", "-1"], "feedback_delay"),
        (["--order", "random"], "shuffled or file"),
        (["--jobs", "0"], "jobs"),
        (["--dials", "-1"], "dials"),
        (["--compare-with", "nobody"], "nobody"),
        (["--policy", "nobody"], "default, ccft, "),
        (["--policy", "nothing.yaml"], "nothing.yaml: cannot be read"),
        (["--json", "nowhere/numbers.json"], "--json: there is no folder"),
        (["--html", "nowhere/report.html"], "--html: there is no folder"),
        (["--pictures", "nowhere/at/all"], "--pictures: there is no folder"),
        (["--json", "."], "is a folder"),
        (["--pictures", "queries.csv"], "is not a folder"),
    ],
)
def test_bad_input_is_one_line_before_any_work(folder, words, said, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr("bandit_service.evaluation.study.run_all", None)

    done = simulate(folder, *words)
    assert done.exit_code == 3, done.output
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_file_that_cannot_be_written_is_found_before_any_work(folder, tmp_path, monkeypatch):
    # Root, whom tests may run as, may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)

    done = simulate(folder, "--json", tmp_path / "numbers.json")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "cannot be written" in done.stderr


def test_a_folder_that_is_not_there_is_one_line():
    done = simulate("nowhere")

    assert (done.exit_code, done.stderr.count("\n")) == (3, 1)


@pytest.mark.parametrize(
    ("option", "package"), [("--html", "jinja2"), ("--pictures", "matplotlib")]
)
def test_what_is_missing_for_reports_is_named_before_any_work(
    option, package, tmp_path, monkeypatch
):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == package else name)

    done = simulate(option, tmp_path / "made")
    assert done.exit_code == 3
    assert "pip install 'bandit-service[evaluation]'" in done.stderr


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from bandit_service.cli import app\n"
        "try: app(['simulate', '--help'])\n"
        "except SystemExit: print(sorted({'numpy', 'scipy', 'pandas', 'grpc'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


def test_a_best_arm_without_a_cost_is_told_of_without_one(tmp_path):
    """It is played nearly always; the hull of the other arms says nothing against it."""
    rows = [
        f"{query},{arm},{quality},{cost}\n"
        for query in range(200)
        for arm, quality, cost in (("cheap", 0.3, 0.001), ("mid", 0.5, 0.01), ("secret", 0.9, ""))
    ]
    ids = "".join(f"{query}\n" for query in range(200))
    (tmp_path / "queries.csv").write_text("query_id\n" + ids)
    (tmp_path / "outcomes.csv").write_text("query_id,model,quality,cost_usd\n" + "".join(rows))
    file = tmp_path / "numbers.json"

    done = simulate(tmp_path, "--seeds", "1", "--jobs", "1", "--policy", "default", "--json", file)

    assert done.exit_code == 0, done.output
    assert "static hull *:" not in done.stdout
    assert "note: costs are unknown for secret" in done.stdout
    assert "of default's calls: not shown" in done.stdout
    (found,) = msgspec.json.decode(file.read_bytes(), type=Result).policies
    assert found.arm_shares["secret"].mean > 0.5
    assert found.whole.cost_usd is None


def test_a_controller_without_a_budget_is_refused_before_anything_is_run(folder):
    done = simulate(folder, *QUICK, "--controller", "pacing")

    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert "--controller: 'pacing' has no budget to keep; give --budget-usd" in done.stderr
    kept = simulate(folder, *QUICK, "--controller", "pacing", "--budget-usd-per-query", "0.02")
    assert kept.exit_code == 0, kept.output
