"""The real service as processes that tests kill, stop, wake and start again on the same port."""

import itertools
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.nursery import Nursery, is_alive
from tests.patience import wait_until


class Service:
    """One `bandit-service serve` after another on one port. `starts` counts them.

    `smaller` are values of modules that it has instead of its own; `is_traced` where it is to tell
    what its objects take.
    """

    def __init__(self, nursery: Nursery, database: str, *arguments: str, name: str = "") -> None:
        self._nursery = nursery
        self.address = f"127.0.0.1:{free_port()}"
        self._log = nursery.folder / f"service{name}-{self.address.rpartition(':')[2]}"
        self._arguments = ["serve", "--listen", self.address, "--database", database, *arguments]
        self.pid = 0
        self.starts = 0
        self.smaller: Mapping[str, float] = {}
        self.is_traced = False

    def start(self, failpoints: str = "", serving: bool = True) -> None:
        """Starts a process; with `serving`, waits until it answers calls."""
        assert not self.alive()
        environment = {"BANDIT_FAILPOINTS": failpoints}
        Path(f"{self._log}.out").write_text("")
        self.starts += 1
        traced = self._traces() if self.is_traced else None
        self.pid = self._nursery.fork(
            self._arguments,
            self._log,
            environment=environment,
            smaller=self.smaller,
            traced=traced,
        )
        if serving:
            self.wait_until_serving()

    def wait_until_serving(self) -> None:
        wait_until(lambda: self.is_serving() or not self.alive(), "the service serves")
        if not self.is_serving():
            raise RuntimeError(f"the service has died:\n{self.errors()}")

    def is_serving(self) -> bool:
        return "listening on " in Path(f"{self._log}.out").read_text()

    def alive(self) -> bool:
        return bool(self.pid) and is_alive(self.pid)

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.wait_for_the_end()

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        self.wait_for_the_end()

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def is_paused(self) -> bool:
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def wait_for_the_end(self) -> None:
        wait_until(lambda: not self.alive(), "the process ends")

    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def traced_bytes(self) -> int:
        """What its objects in Python take."""
        told = self._traces().read_text() if self._traces().exists() else ""
        os.kill(self.pid, signal.SIGUSR1)
        wait_until(lambda: self._traces().exists(), "the process has told")
        wait_until(lambda: len(self._traces().read_text()) > len(told), "the process has told")
        wait_until(lambda: self._traces().read_text().endswith("\n"), "it has told all of it")
        return int(self._traces().read_text().split()[-1])

    def _traces(self) -> Path:
        return Path(f"{self._log}.traced")

    def errors(self) -> str:
        """All that was logged, by all its processes."""
        path = Path(f"{self._log}.err")
        return path.read_text() if path.exists() else ""


LOWEST_PORT = 10_000
_numbers = itertools.count(97 * os.getpid())  # no two processes that test begin at the same


# What is answered from memory dies with the process: who kills it, asks for durable answers.
DURABLE = "--no-degraded"


@contextmanager
def services(
    nursery: Nursery, database: str, *arguments: str, count: int = 1
) -> Iterator[list[Service]]:
    """Not started yet; killed at the end."""
    made = [Service(nursery, database, *arguments, name=str(number)) for number in range(count)]
    try:
        yield made
    finally:
        for each in made:
            if each.alive():
                each.kill()


def free_port() -> int:
    """None of those that outgoing connections are given: one of them may take it while the service
    is down, even a client's that asks for the service and so connects to itself."""
    first_given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for number in _numbers:
        port = LOWEST_PORT + number % (first_given - LOWEST_PORT)
        with socket.socket() as found, suppress(OSError):
            found.bind(("127.0.0.1", port))
            return port
    raise AssertionError("numbers do not end")
