"""A Postgres of one test, that keeps what it has committed (fsync is on) and can be killed."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

from bandit_service.store import migrate
from tests.conftest import a_postgres_server
from tests.faults.processes import wait_until


class Postgres:
    """As a user would run it: on, with fsync, and with tables."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url: str = server.get_uri()
        self.kills = 0

    def set(self, setting: str, value: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as administrator:
            administrator.execute(f"ALTER SYSTEM SET {setting} = '{value}'".encode())
            administrator.execute("SELECT pg_reload_conf()")
        # A reload is a signal: the postmaster acts on it when it comes to it.
        wait_until(lambda: self._get(setting) == value, f"{setting} is {value}")

    def _get(self, setting: str) -> str:
        with psycopg.connect(self.url, autocommit=True) as administrator:
            row = administrator.execute(f"SHOW {setting}".encode()).fetchone()
            assert row is not None
            return str(row[0])

    def kill(self) -> None:
        """SIGKILL for every process of the server, the postmaster first: nobody tidies up."""
        postmaster = psutil.Process(self._server.get_pid())
        children = postmaster.children(recursive=True)
        for process in (postmaster, *children):
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        psutil.wait_procs([postmaster, *children], timeout=10)
        self.kills += 1

    def start(self) -> None:
        # A postmaster.pid left behind may name a process id that somebody else has by now.
        Path(self._server.pgdata / "postmaster.pid").unlink(missing_ok=True)
        self._server.ensure_postgres_running()


@contextmanager
def a_postgres(synchronous_commit: str = "on") -> Iterator[Postgres]:
    with a_postgres_server() as server:
        postgres = Postgres(server)
        postgres.set("fsync", "on")
        if synchronous_commit != "on":
            postgres.set("synchronous_commit", synchronous_commit)
        migrate(postgres.url)
        yield postgres
