"""What `simulate` leaves behind and shows: the report, the pictures, the progress on a terminal."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from matplotlib.image import imread
from typer.testing import CliRunner

from bandit_service.cli import app
from tests.patience import PATIENCE

LOADING = {"src", "href", "xlink:href", "srcset", "action", "data", "poster"}


@pytest.fixture
def folder(tmp_path):
    """Two arms, of which the better answers worth .75, 1 and .25 make an oracle of 2/3."""
    made = tmp_path / "mine"
    made.mkdir()
    (made / "queries.csv").write_text("query_id,task\n1,x\n2,y\n3,x\n")
    (made / "outcomes.csv").write_text(
        "query_id,model,quality,cost_usd\n"
        "1,small,0.5,0.001\n1,large,0.75,0.01\n2,small,0.5,0.001\n2,large,1,0.01\n"
        "3,small,0.25,0.001\n3,large,0.125,0.01\n"
    )
    return made


class Page(HTMLParser):
    """Its text, and what it would load or run."""

    def __init__(self, html):
        super().__init__()
        self.words, self.outside, self.tags = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag in ("script", "iframe", "object", "embed"):
            self.outside.append(tag)
        self.outside += [
            f"{name}={value}"
            for name, value in attributes
            if (name in LOADING and not (value or "").startswith("#")) or name.startswith("on")
        ]

    def handle_data(self, data):
        self.words.append(data.strip())


def test_the_report_and_the_pictures_are_written(folder, tmp_path):
    html, pictures = tmp_path / "report.html", tmp_path / "pictures"

    done = CliRunner().invoke(
        app, ["simulate", str(folder), "--seeds", "2", "--jobs", "1", "--policy", "uniform",
              "--html", str(html), "--pictures", str(pictures)],
    )  # fmt: skip
    assert done.exit_code == 0, done.output

    text = html.read_text(encoding="utf-8")
    page = Page(text)
    assert {"uniform", "small", "large", "oracle", "0.6667"} <= set(page.words)
    assert page.tags.count("svg") >= 4
    assert page.outside == []
    assert "@import" not in text
    assert "http:" not in text
    assert "https:" not in text
    assert not re.search(r"url\((?!#)", text)

    files = {path.name: path for path in pictures.iterdir()}
    assert set(files) == {
        "learning.png", "regret.png", "quality-cost.png", "shares-uniform.png",
        "confusion-uniform.png",
    }  # fmt: skip
    for path in files.values():
        assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        assert imread(path)[..., :3].std() > 0.01  # something is drawn


def test_progress_is_shown_on_a_terminal(folder):
    ours, theirs = os.openpty()
    try:
        running = started(folder, theirs)
    finally:
        os.close(theirs)
    shown = b"".join(iter(lambda: _read(ours), b"")).decode()
    os.close(ours)
    printed, _ = running.communicate(timeout=PATIENCE)

    assert running.returncode == 0
    assert "2/2" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert "decisions/s" in printed
    assert "2/2" not in printed


def test_nothing_is_shown_where_nobody_watches(folder):
    running = started(folder, subprocess.PIPE)
    printed, shown = running.communicate(timeout=PATIENCE)

    assert (running.returncode, shown) == (0, "")
    assert "decisions/s" in printed


def started(folder, stderr):
    return subprocess.Popen(
        [sys.executable, "-m", "bandit_service.cli", "simulate", str(folder), "--seeds", "2",
         "--jobs", "1", "--policy", "uniform"],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env=os.environ | {"TERM": "xterm"},
    )  # fmt: skip


def _read(terminal):
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux's word for the end of a terminal that nobody holds any longer
        return b""
