"""Off-policy estimates against known truth, and how quick they are.

    python -m benchmarks.offpolicy [--quick] [--data FOLDER] [--logs N] [--json FILE]

Logs are drawn from tables of real outcomes by a frozen Thompson policy with a floor, so that what
each of ten candidates would have earned is known. The long version takes hours.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec

from benchmarks.offpolicy import exporting, speed, truth

SETS = "llmrouter", "routerbench", "paretobandit"
PARTS: dict[str, tuple[Callable[..., dict[str, Any]], tuple[int, ...], tuple[int, ...]]] = {
    "estimates": (speed.estimates, (1_000_000,), (100_000,)),
    "bootstrap": (speed.bootstrap, (1_000_000, 1000), (100_000, 100)),
    "streamed": (speed.streamed, (10_000_000,), (300_000,)),
    "exported": (exporting.exported, (100_000,), (5_000,)),
}


def main() -> int:
    options = parsed()
    if options.part:
        measure, long, short = PARTS[options.part]
        print(json.dumps(measure(*(short if options.quick else long))))
        return 0
    found: dict[str, object] = {}
    for name, world in worlds(options.data):
        lines = truth.measured(world, options.logs, options.size)
        found[name] = lines
        print(f"\n{name}: {options.logs} logs of {options.size} decisions\n{table(lines)}")
    for part in PARTS:
        found[part] = in_a_process(part, quick=options.quick)
        print(f"{part}: {found[part]}")
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    return 0


def worlds(data: Path | None) -> list[tuple[str, truth.World]]:
    made = [("bundled sample", truth.bundled_world())]
    if data is not None:
        from bandit_service.evaluation.loading import load

        made += [(name, truth.a_world(load(data / name))) for name in SETS]
    return made


def table(lines: list[truth.Line]) -> str:
    rows = [
        "| estimator | largest bias | in standard errors | mean squared error | holds the truth |",
        "|---|---|---|---|---|",
    ]
    for line in lines:
        held = ", ".join(f"{method} {share:.1%}" for method, share in line.coverage.items())
        rows.append(
            f"| {line.estimator} | {line.bias:.5f} | {line.bias_errors:.1f} "
            f"| {line.squared_error:.2e} | {held} |"
        )
    return "\n".join(rows)


def in_a_process(part: str, *, quick: bool) -> object:
    """So that its memory is its own."""
    command = [sys.executable, "-m", "benchmarks.offpolicy", "--part", part]
    done = subprocess.run(
        [*command, *(["--quick"] if quick else [])], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{part} failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    given = os.environ.get("BANDIT_DATA")
    parser.add_argument("--data", type=Path, default=Path(given) if given else None)
    parser.add_argument("--quick", action="store_true", help="few logs of the bundled sample")
    parser.add_argument("--logs", type=int, default=2000)
    parser.add_argument("--size", type=int, default=1000, help="decisions of a log")
    parser.add_argument("--json", type=Path, help="also write the numbers into this file")
    parser.add_argument("--part", choices=tuple(PARTS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.logs, options.data = min(options.logs, 40), None
    return options


if __name__ == "__main__":
    sys.exit(main())
