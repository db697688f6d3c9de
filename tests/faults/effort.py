"""How long the fault tests run, from which seed, and where they write what they counted.

FAULTS_SOAK=1      the long version (`make soak`)
FAULTS_SEED=n      another seed than the one of the day's code; a failure prints the one it had
FAULTS_RESULTS=dir where the counts go (build/faults); `python -m tests.faults.report` reads them
"""

import json
import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

SOAK = os.environ.get("FAULTS_SOAK", "") not in ("", "0")
SEED = int(os.environ.get("FAULTS_SEED", "1"))
ROOT = Path(__file__).parents[2]
RESULTS = Path(os.environ.get("FAULTS_RESULTS", str(ROOT / "build" / "faults")))


def effort(short: T, long: T) -> T:
    """`short` in `make check`, `long` in `make soak`."""
    return long if SOAK else short


@contextmanager
def seeded(name: str) -> Iterator[random.Random]:
    """Luck for one test; its seed is told if the test fails."""
    try:
        yield random.Random(f"{SEED} {name}")
    except BaseException:
        print(f"{name}: again with FAULTS_SEED={SEED} {'FAULTS_SOAK=1' if SOAK else ''}")
        raise


def write_counts(name: str, **counts: float | str) -> None:
    """What the table of docs/guarantees.md shows of one test; written when it has passed."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    written = {"test": name, "soak": SOAK, "seed": SEED, "commit": _commit()}
    written |= {"day": time.strftime("%Y-%m-%d", time.gmtime()), "counts": counts}
    path = RESULTS / f"{name.replace('/', '.').replace('::', '.')}.json"
    path.write_text(json.dumps(written, indent=1) + "\n")


def _commit() -> str:
    told = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    return told.stdout.strip() or "unknown"
