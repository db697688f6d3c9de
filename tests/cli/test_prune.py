"""`bandit-service prune`: what is asked for goes, and is shown."""

import json
import time

import pytest

from bandit_service.draw import new_ids
from bandit_service.model import JournalEntry
from bandit_service.store import open_store
from tests.builders import a_config, a_decision, a_revision
from tests.store.records import a_policy

DAY = 86_400.0


@pytest.fixture
def url(tmp_path):
    """A file with three decisions: a hundred, fifty and five days old."""
    url = f"sqlite:///{tmp_path}/test.db"
    store = open_store(url)
    policy = a_policy(store)
    with store.write() as tx:
        tx.lock_head(policy.id)
        tx.append(policy.id, [JournalEntry(1, a_revision(a_config()))], [], [], [])
    now = time.time()
    store.log_decisions([a_decision(id=new_ids(1, now - d * DAY)[0]) for d in (100, 50, 5)])
    store.close()
    return url


def test_nothing_goes_unless_it_is_asked_for(run, url):
    done = run("prune", "--database", url)

    assert done.exit_code == 0, done.output
    assert done.output == "nothing to let go\n"


def test_a_dry_run_shows_what_the_real_one_does(run, url, monkeypatch):
    monkeypatch.setenv("BANDIT_KEEP_DECISIONS_DAYS", "90")
    words = ("prune", "--database", url, "--json")
    one = [{"table": "decision", "partition": None, "rows": 1, "bytes": None}]

    for dry in (True, True, False):
        done = run(*words, *(["--dry-run"] if dry else []))
        assert json.loads(done.stdout) == {"dry_run": dry, "pruned": one}

    assert json.loads(run(*words).stdout) == {"dry_run": False, "pruned": []}


def test_what_went_is_listed_for_people(run, url):
    done = run("prune", "--database", url, "--keep-decisions-days", 1)

    assert done.exit_code == 0, done.output
    assert [line.split() for line in done.output.splitlines() if "decision" in line] == [
        ["decision", "-", "2", "-"]  # 30 days is the horizon
    ]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            ("--keep-decisions-days", -1),
            3,
            "keep_decisions_days: must be from 0, which is for ever",
        ),
        (("--keep-journal-days", 40_000), 3, "keep_journal_days: must be from 0"),
        (("--database", "sqlite:////nowhere/test.db"), 7, "its folder does not exist"),
    ],
)
def test_what_cannot_be_is_refused(run, tmp_path, words, code, said):
    done = run("prune", "--database", f"sqlite:///{tmp_path}/test.db", *words)

    assert done.exit_code == code
    assert said in done.stderr
