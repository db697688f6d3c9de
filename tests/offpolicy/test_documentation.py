"""docs/evaluation.md: its example is run as it stands there."""

import re
import shlex
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from bandit_service.cli import app
from bandit_service.evaluation.logs.rows import Row
from bandit_service.evaluation.offpolicy.estimators import PLAIN
from bandit_service.evaluation.offpolicy.tuning import FAMILIES
from tests.offpolicy.worlds import a_world, rows_of

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


def test_the_notebooks_example_runs_on_a_table_of_calls(tmp_path, monkeypatch, capsys):
    world = a_world(count=900, arms=2, seed=2, floor=0.5)
    lines = [
        ["small", "large"][int(row.arm[-1])] + f",{row.propensity},{row.context[0]},"
        f"{row.context[1]},{row.quality:.0f}"
        for row in rows_of(world, 4)
    ]
    (tmp_path / "calls.csv").write_text("\n".join(["model,p,f0,f1,thumb", *lines]))
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    told: dict[str, Any] = {}
    exec(block, told)  # noqa: S102  # ours, and it is what a reader runs

    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == ["arm:large", "linucb"]
    # By hand: the mean over rows of v + w (y - q) is near the truth that the world knows.
    always, own = world.means[:, 1].mean(), (world.logger * world.means).sum(axis=1).mean()
    interval = told["result"].candidates[0].differences[0].intervals[0]
    assert interval.low <= always - own <= interval.high
    assert told["result"].judged == 450


def test_pictures_are_there_and_can_be_read_aloud():
    shown = re.findall(r"!\[(.*?)\]\((.*?)\)", TEXT)
    assert len(shown) == 2
    for description, file in shown:
        assert len(description) > 40
        assert (FILE.parent / file).read_bytes().startswith(b"\x89PNG")


def test_every_column_and_every_estimator_is_told_of():
    for name in (*Row.__struct_fields__, *PLAIN, *FAMILIES, "mrdr"):
        assert f"`{name}`" in TEXT, name
