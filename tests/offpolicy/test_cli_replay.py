"""The command `replay`: what it prints, what it writes, how it ends."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from bandit_service.cli import app
from bandit_service.evaluation.logs.exporting import in_batches, write
from tests.offpolicy.worlds import a_world, rows_of

QUICK = "--resamples", "100"


def replay(*words):
    return CliRunner().invoke(app, ["replay", *(str(word) for word in words), *QUICK])


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    file = tmp_path_factory.mktemp("logs") / "log.jsonl"
    rows = rows_of(a_world(count=600, floor=0.4), 1, cost_usd=0.5, policy="chat")
    write(in_batches(rows), file)
    return file


def test_candidates_are_printed_beside_what_was_logged(log):
    done = replay(log, "--policy", "arm:arm-1", "--policy", "uniform")

    assert done.exit_code == 0, done.output
    for said in (
        "600 decisions among 4 arms",
        "logged by     chat",
        "as logged",
        "arm:arm-1 (dr)",
        "uniform: estimators of quality",
        "effective size",
        "(anytime)",
    ):
        assert said in done.stdout, said


def test_json_and_html_hold_the_same_log(log, tmp_path):
    page, numbers = tmp_path / "report.html", tmp_path / "numbers.json"
    done = replay(log, "--policy", "arm:arm-1", "--json", numbers, "--html", page)
    said = json.loads(numbers.read_text())

    assert done.exit_code == 0, done.output
    assert said["candidates"][0]["label"] == "arm:arm-1"
    assert said["digest"] in page.read_text()
    printed = replay(log, "--policy", "arm:arm-1", "--json", "-")
    assert json.loads(printed.stdout) == said


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        ("cost_usd <= 1.1 * incumbent and quality >= 0.1", 0),
        ("quality >= incumbent + 0.4", 8),
        ("quality >= incumbent", 8),  # perhaps, but not surely
    ],
)
def test_the_gate_decides_how_it_ends(log, gate, code):
    done = replay(log, "--gate", gate, "--least-effective-size", "100")

    assert done.exit_code == code, done.output
    assert f"gate: {'closed' if code else 'open'}" in done.stdout


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--gate", "quality >> 1"), "gate: expected a number, a measure or `incumbent`"),
        (("--policy", "arm:gpt"), "there is no arm 'gpt'; known: arm-0"),
        (("--policy", "magic"), "there is no 'magic'"),
        (("--policy", "uniform", "--policy", "uniform"), "'uniform' is there twice"),
        (("--log-policy", "other"), "of other policies than 'other'"),
        (("--format", "xml"), "format: must be one of auto, rows, vw"),
        (("--training", "2"), "training: must be between 0 and 1"),
        (("--database", "sqlite:///x.db"), "is one log, LOG another"),
        (("--html", "/nowhere/at/all.html"), "there is no folder"),
    ],
)
def test_what_makes_no_sense_ends_with_a_line(log, words, complaint):
    done = replay(log, *words)

    assert done.exit_code == 3, done.output
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_bad_rows_end_it_unless_lenient(log, tmp_path):
    broken = tmp_path / "broken.jsonl"
    lines = log.read_text().splitlines()
    broken.write_text("\n".join([*lines[:300], "{", *lines[300:]]))
    refused, lenient = replay(broken), replay(broken, "--lenient")

    assert refused.exit_code == 3
    assert "broken.jsonl, line 301: cannot be read" in refused.stderr
    assert lenient.exit_code == 0, lenient.output
    assert "1 rows refused (that could not be read), the first in line 301" in lenient.stdout


def test_a_yaml_policy_and_a_foreign_log(tmp_path):
    (tmp_path / "log.csv").write_text(
        "model,p,stars\n" + "small,0.5,1\nlarge,0.5,0\nlarge,0.5,1\n" * 40
    )
    (tmp_path / "map.yaml").write_text(
        yaml.safe_dump({"arm": "model", "propensity": "p", "quality": "stars"})
    )
    (tmp_path / "mine.yaml").write_text(
        yaml.safe_dump({"name": "mine", "algorithm": {"name": "beta_thompson"}, "floor": 0.2})
    )
    done = replay(tmp_path / "log.csv", "--mapping", tmp_path / "map.yaml",
                  "--policy", tmp_path / "mine.yaml", "--live")  # fmt: skip

    assert done.exit_code == 0, done.output
    assert "mine (dr)" in done.stdout
    assert "the first 60 taught" in done.stdout
    assert "mine, learning as it went: accepted" in done.stdout
    assert "chosen arm's chance only" in done.stdout
