"""How tables look, and how a command ends that nobody listens to."""

import json
import os
import subprocess
import sys

import pytest

from bandit_service.cli import output
from tests.client.fake_service import served

WHEN = "2026-11-22T14:09:31Z"


def printed(capsys, columns, rows, width=80):
    output.table(columns, rows, width)
    return capsys.readouterr().out


def test_what_is_short_is_not_broken_and_what_is_long_is_not_cut(capsys):
    why = "what it takes is not known, and a budget limits that; " * 3

    shown = printed(capsys, ("arm", "number", "when", "why"), [("small", 139685, WHEN, why)])

    assert WHEN in shown
    assert "139685" in shown
    assert max(map(len, shown.splitlines())) <= 80
    folded = "".join(line[line.index(WHEN) + len(WHEN) :] if WHEN in line else line
                     for line in shown.splitlines()[3:])  # fmt: skip
    assert "".join(folded.split()) == "".join(why.split())


def test_where_there_is_no_room_the_narrowest_columns_stay_whole(capsys):
    columns = ("name", "a", "b", "c")

    shown = printed(capsys, columns, [("n" * 20, "a" * 8, "b" * 24, "c" * 300)], width=64)

    assert "n" * 20 in shown
    assert "a" * 8 in shown
    assert "b" * 24 not in shown
    assert (shown.count("b") - 1, shown.count("c") - 1) == (24, 300)  # and the headings


def test_columns_that_hold_nothing_are_left_out():
    columns, rows = output.without_empty(
        ("arm", "shadow", "why"), [("a", None, 0), ("b", None, "")]
    )

    assert (columns, rows) == (["arm", "why"], [["a", 0], ["b", ""]])


def test_where_no_server_is_the_line_says_so_and_what_to_do(run):
    with served(lambda to: None) as address:
        pass

    done = run("policy", "list", "--server", address)

    assert done.exit_code == 6
    assert f"no server answers at {address}" in done.stderr
    assert "start one with `bandit-service serve`, or name it with --server" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_revision_of_a_database_comes_as_json_too(run, tmp_path):
    done = run("migrate", "--database", f"sqlite:///{tmp_path}/a.db", "--json")

    assert json.loads(done.stdout).keys() == {"revision"}
    assert (
        json.loads(done.stdout)["revision"]
        in run("migrate", "--database", f"sqlite:///{tmp_path}/a.db").stdout
    )


@pytest.mark.parametrize("words", [["migrate"], ["budget"], ["energy", "report"]])
def test_a_misspelt_setting_is_refused_before_a_database_is_made(run, monkeypatch, tmp_path, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BANDIT_DATABSE", f"sqlite:///{tmp_path}/mine.db")

    done = run(*words)

    assert done.exit_code == 3
    assert "BANDIT_DATABSE: no such setting" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_reader_that_has_seen_enough_is_no_error():
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bandit_service.cli", "policy", "presets", "--json"],
            stdout=theirs,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(theirs)

    assert done.stderr == ""
