"""The real server as a process, for end-to-end tests. Ended by its process id."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Server:
    """A process of `bandit-service serve` on a free port."""

    def __init__(self, database: str, *arguments: str) -> None:
        command = [sys.executable, "-m", "bandit_service.cli", "serve", "--listen", "127.0.0.1:0"]
        self._process = subprocess.Popen(
            [*command, "--database", database, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if "listening on " not in line:
            raise RuntimeError(f"the server did not start: {self.end()[1]}")
        self.address = line.split("listening on ")[1].split()[0]
        self.metrics = line.partition("metrics on ")[2].strip()  # empty if there is no such page

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        self._process.kill()
        self.end()

    def terminate(self) -> tuple[int, str]:
        """SIGTERM; the exit code and what was logged."""
        self._process.terminate()
        return self.end()

    def end(self) -> tuple[int, str]:
        _, errors = self._process.communicate(timeout=60)
        return self._process.returncode, errors


@contextmanager
def a_server(database: str, *arguments: str) -> Iterator[Server]:
    """A running server; killed at the end if the test has not ended it."""
    server = Server(database, *arguments)
    try:
        yield server
    finally:
        if server._process.poll() is None:
            server.kill()


def policy_file(folder: Path, text: str) -> Path:
    path = folder / "policy.yaml"
    path.write_text(text)
    return path
