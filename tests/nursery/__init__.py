"""Processes of the service that start in a moment; `__main__` tells how.

All tests that run in one process share one nursery. It ends with that process, and its children
end with it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]


class Nursery:
    """Forks services; what they write is in files of `folder`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bandit-services-"))
        # Whatever is set for the tests is none of a service's business.
        kept = {k: v for k, v in os.environ.items() if not k.startswith("BANDIT_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=kept,
        )
        assert self._tell() == "ready"

    def fork(
        self,
        arguments: list[str],
        log: Path,
        *,
        environment: dict[str, str] | None = None,
        smaller: Mapping[str, float] | None = None,
        traced: Path | None = None,
    ) -> int:
        """Its process id. It writes to `log` with .out and .err, and its exit code to .code."""
        order: dict[str, object] = {"arguments": arguments, "environment": environment or {}}
        order |= {"out": f"{log}.out", "err": f"{log}.err", "code": f"{log}.code"}
        order |= {"smaller": dict(smaller or {}), "traced": "" if traced is None else str(traced)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._tell())

    def _tell(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()
        shutil.rmtree(self.folder)


_shared: list[Nursery] = []


def the_nursery() -> Nursery:
    """Started when it is first asked for."""
    if not _shared:
        _shared.append(Nursery())
    return _shared[0]


def close_the_nursery() -> None:
    """If anybody has asked for it."""
    while _shared:
        _shared.pop().close()


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
