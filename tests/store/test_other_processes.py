"""An SQLite file belongs to several processes: none takes anything away from another."""

import subprocess
import sys
from pathlib import Path

import pytest

from bandit_service.store import open_store
from tests.store.records import a_policy

NAMES = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(*sorted(name for (name,) in connection.execute("SELECT name FROM policy")))
connection.close()
"""


def names_seen_by_another_process(path: Path) -> list[str]:
    command = [sys.executable, "-c", NAMES, str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return ran.stdout.split()


@pytest.mark.parametrize("is_new", [True, False])
def test_one_that_comes_and_goes_takes_no_commit_along(tmp_path: Path, is_new: bool) -> None:
    """The last to close a file deletes its log; whether it is the last, locks tell it."""
    path = tmp_path / "test.db"
    if not is_new:
        open_store(f"sqlite:///{path}").close()
    store = open_store(f"sqlite:///{path}")
    a_policy(store, "before")
    assert names_seen_by_another_process(path) == ["before"]

    a_policy(store, "after")

    assert names_seen_by_another_process(path) == ["after", "before"]
    store.close()


def test_nor_does_another_store_of_the_same_process(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    store = open_store(f"sqlite:///{path}")
    open_store(f"sqlite:///{path}").close()
    a_policy(store, "before")
    assert names_seen_by_another_process(path) == ["before"]

    a_policy(store, "after")

    assert names_seen_by_another_process(path) == ["after", "before"]
    store.close()
