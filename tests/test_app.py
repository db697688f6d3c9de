"""How a server is put together."""

import gc
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg

from bandit_service import app
from tests.patience import PATIENCE
from tests.servers import a_server

TABLES = ("decision", "outcome", "learned")


def test_what_is_there_at_the_start_stays_out_of_full_collections():
    before = gc.get_freeze_count()
    try:
        app.keep_out_of_collections()

        assert gc.get_freeze_count() > before + 10_000  # the modules alone
        assert len(gc.get_objects()) < 10_000
    finally:
        gc.unfreeze()


def test_a_server_makes_the_partitions_that_are_missing(
    postgres_databases: Callable[[str], str],
) -> None:
    url = postgres_databases("migrated")
    names = "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY relname"
    with psycopg.connect(url, autocommit=True) as connection:
        before = connection.execute(names).fetchall()
        last = [max(name for (name,) in before if re.match(rf"{one}_\d", name)) for one in TABLES]
        connection.execute(f"DROP TABLE {', '.join(last)}".encode())

        with a_server(url) as server:
            code, logged = server.terminate()

        assert connection.execute(names).fetchall() == before
    assert code == 0
    assert f"made partitions: {', '.join(last)}" in logged


# Told to stop before it has as much as opened its database.
STOPPED_EARLY = """
import asyncio, os, signal, sys
from bandit_service import app
from bandit_service.app import parts
from bandit_service.settings import Settings

opened = parts.open_store

def told_meanwhile(*arguments):
    os.kill(os.getpid(), signal.SIGTERM)
    return opened(*arguments)

parts.open_store = told_meanwhile
sys.exit(asyncio.run(app.serve(Settings(listen="127.0.0.1:0", database=sys.argv[1]))))
"""


def test_a_server_that_is_told_to_stop_while_it_starts_drains_like_any_other(
    tmp_path: Path,
) -> None:
    database = f"sqlite:///{tmp_path}/bandit.db"

    run = subprocess.run(
        [sys.executable, "-c", STOPPED_EARLY, database],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )

    assert run.returncode == 0, run.stderr
    assert "draining" in run.stderr
