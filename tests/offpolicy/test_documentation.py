"""docs/evaluation.md: its example is run as it stands there."""

import re
import shlex
from pathlib import Path

from typer.testing import CliRunner

from bandit_service.cli import app
from bandit_service.evaluation.logs.rows import Row
from bandit_service.evaluation.offpolicy.estimators import PLAIN
from bandit_service.evaluation.offpolicy.tuning import FAMILIES

FILE = Path(__file__).parents[2] / "docs" / "evaluation.md"
TEXT = FILE.read_text(encoding="utf-8")


def test_the_worked_example_prints_what_it_shows():
    (block,) = re.findall(r"```console\n\$ (bandit-service replay .*?)```", TEXT, re.DOTALL)
    command, _, shown = re.sub(r" \\\n *", " ", block).partition("\n")
    done = CliRunner().invoke(app, shlex.split(command)[1:])
    printed = [" ".join(line.split()) for line in done.stdout.splitlines()]

    assert done.exit_code == 0, done.output
    lines = [
        " ".join(line.split()) for line in shown.splitlines() if line.strip() not in ("", "...")
    ]
    assert len(lines) >= 8
    for line in lines:
        assert line in printed, line


def test_pictures_are_there_and_can_be_read_aloud():
    shown = re.findall(r"!\[(.*?)\]\((.*?)\)", TEXT)
    assert len(shown) == 2
    for description, file in shown:
        assert len(description) > 40
        assert (FILE.parent / file).read_bytes().startswith(b"\x89PNG")


def test_every_column_and_every_estimator_is_told_of():
    for name in (*Row.__struct_fields__, *PLAIN, *FAMILIES, "mrdr"):
        assert f"`{name}`" in TEXT, name
