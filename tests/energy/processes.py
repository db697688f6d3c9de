"""The meter as a process, with a stand-in driver in it. Ended by its process id."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.energy.stand_in import VARIABLE, StandIn

ROOT = Path(__file__).parents[2]


class MeterProcess:
    """`bandit-service meter` on a free port. `library` None: the stand-in in Python."""

    def __init__(self, stand_in: StandIn, library: Path | None, *arguments: str) -> None:
        module = "tests.energy.stand_in" if library is None else "bandit_service.cli"
        environment = {**os.environ, VARIABLE: str(stand_in.path), "PYTHONPATH": str(ROOT)}
        if library is not None:
            environment["LD_LIBRARY_PATH"] = str(library)
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, "meter", "--listen", "127.0.0.1:0", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if "metering on " not in line:
            raise RuntimeError(f"the meter did not start: {self.end()[1]}")
        self.address = line.split("metering on ")[1].split()[0]

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
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
def a_meter(stand_in: StandIn, library: Path | None, *arguments: str) -> Iterator[MeterProcess]:
    meter = MeterProcess(stand_in, library, *arguments)
    try:
        yield meter
    finally:
        if meter.is_running:
            meter.kill()
