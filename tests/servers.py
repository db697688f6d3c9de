"""The real server as a process, for end-to-end tests. Ended by its process id."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from tests.nursery import is_alive, the_nursery
from tests.patience import wait_until

_numbers = count()


class Server:
    """A process of `bandit-service serve` on a free port."""

    def __init__(self, database: str, *arguments: str) -> None:
        nursery = the_nursery()
        self._log = nursery.folder / f"server-{next(_numbers)}"
        command = ["serve", "--listen", "127.0.0.1:0", "--database", database]
        self.pid = nursery.fork([*command, *arguments], self._log)
        wait_until(
            lambda: "\n" in self._said("out") or not self.is_running,
            "the server listens",
            seconds=60,
        )
        line = self._said("out")
        if "listening on " not in line:
            raise RuntimeError(f"the server did not start: {self.end()[1]}")
        self.address = line.split("listening on ")[1].split()[0]
        self.metrics = line.partition("metrics on ")[2].strip()  # empty if there is no such page

    @property
    def is_running(self) -> bool:
        return is_alive(self.pid)

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        self.signal(signal.SIGKILL)
        self.end()

    def terminate(self) -> tuple[int, str]:
        """SIGTERM; the exit code and what was logged."""
        self.signal(signal.SIGTERM)
        return self.end()

    def end(self) -> tuple[int, str]:
        """The exit code, once it has ended, and what was logged; killed, it had no time for one."""
        wait_until(lambda: not self.is_running, "the server ends", seconds=60)
        return int(self._said("code") or -signal.SIGKILL), self._said("err")

    def _said(self, where: str) -> str:
        path = Path(f"{self._log}.{where}")
        return path.read_text() if path.exists() else ""


@contextmanager
def a_server(database: str, *arguments: str) -> Iterator[Server]:
    """A running server; killed at the end if the test has not ended it."""
    server = Server(database, *arguments)
    try:
        yield server
    finally:
        if server.is_running:
            server.kill()


def policy_file(folder: Path, text: str) -> Path:
    path = folder / "policy.yaml"
    path.write_text(text)
    return path
