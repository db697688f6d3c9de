"""Off-policy estimates against known truth, and how quick they are.

    python -m benchmarks.offpolicy [--quick] [--data FOLDER] [--repetitions N] [--truth-only]
                                   [--sets NAMES] [--write] [--json FILE]
    python -m benchmarks.offpolicy --part estimates|bootstrap|streamed|exported [--quick] [--rows N]
    python -m benchmarks.offpolicy --pictures docs/pictures

Logs are drawn from tables of real outcomes by a frozen Thompson policy with a floor, so that what
each of ten candidates would have earned is known. 2,000 logs of the bundled sample take about
ten minutes of one core; --write puts each set's table into docs/evaluation.md. An interrupted set
is told of with the logs it has.
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

from benchmarks import sections
from benchmarks.offpolicy import exporting, speed, truth

DOCUMENT = Path(__file__).parents[2] / "docs" / "evaluation.md"
COMMAND = "python -m benchmarks.offpolicy --write"
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
        size = short if options.quick else long
        if options.rows:
            size = (options.rows, *size[1:])
        print(json.dumps(measure(*size), indent=1))
        return 0
    if options.pictures:
        from benchmarks.offpolicy import drawing

        for file in drawing.draw(options.pictures):
            print(file)
        return 0
    found: dict[str, object] = {}
    for name, world in worlds(options.data, options.sets):
        lines = truth.measured(world, options.repetitions, options.size)
        found[name] = lines
        heading = f"The {name}, {lines[0].logs:,} logs of {options.size:,} decisions each:"
        told = f"{heading}\n\n{table(lines)}\n\n{verdict(lines)}"
        print(f"\n{told}", flush=True)
        if options.write:  # at once: a set takes minutes, and may be the last there is time for
            sections.written(DOCUMENT, f"coverage of the {name}", told, COMMAND)
    for part in () if options.truth_only else PARTS:
        found[part] = in_a_process(part, options)
        print(f"{part}: {found[part]}", flush=True)
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    return 0


def verdict(lines: list[truth.Line]) -> str:
    """What of the promises these numbers keep, and what they do not."""
    by_name = {line.estimator: line for line in lines}
    ips = by_name["ips"]
    unbiased = max(by_name[name].bias_errors for name in ("ips", "dr"))
    held = [by_name[name].coverage["bootstrap"] for name in ("ips", "snips", "dr", "sndr", "dr_os")]
    checks = (
        (f"no bias of `ips` and `dr` beyond {unbiased:.1f} standard errors (4)", unbiased < 4.0),
        (
            f"bootstrap intervals hold {min(held):.1%} to {max(held):.1%} (95 ± 1.5 %)",
            all(abs(each - 0.95) <= 0.015 for each in held),
        ),
        *(
            (f"{method} bounds hold {ips.coverage[method]:.1%} (95 %)", ips.coverage[method] > 0.95)
            for method in ("bernstein", "anytime")
        ),
        *(
            (f"`{name}` errs less than `ips`", by_name[name].squared_error < ips.squared_error)
            for name in ("dr", "dr_os")
        ),
    )
    return "\n".join(f"- {'kept' if kept else 'NOT KEPT'}: {text}" for text, kept in checks)


def worlds(data: Path | None, sets: str) -> list[tuple[str, truth.World]]:
    """Those whose names are in `sets`, all that there are without any."""
    wanted = [name.strip() for name in sets.split(",") if name.strip()]
    made = []
    if not wanted or "bundled" in wanted:
        made.append(("bundled sample", truth.bundled_world()))
    if data is not None:
        from bandit_service.evaluation.loading import load

        chosen = [name for name in SETS if not wanted or name in wanted]
        made += [(name, truth.a_world(load(data / name))) for name in chosen]
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


def in_a_process(part: str, options: argparse.Namespace) -> object:
    """So that its memory is its own."""
    command = [sys.executable, "-m", "benchmarks.offpolicy", "--part", part]
    command += ["--quick"] if options.quick else []
    command += ["--rows", str(options.rows)] if options.rows and part == "streamed" else []
    done = subprocess.run(command, capture_output=True, text=True)
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
    parser.add_argument("--repetitions", type=int, default=2000, help="logs of each set")
    parser.add_argument("--sets", default="", help=f"of bundled, {', '.join(SETS)}; default: all")
    parser.add_argument("--rows", type=int, help="of the log that is streamed, or of the --part")
    parser.add_argument("--truth-only", action="store_true", help="measure no speed")
    parser.add_argument("--write", action="store_true", help="the tables into docs/evaluation.md")
    parser.add_argument("--size", type=int, default=2000, help="decisions of a log")
    parser.add_argument(
        "--pictures", type=Path, metavar="FOLDER", help="draw those of docs/evaluation.md, no more"
    )
    parser.add_argument("--json", type=Path, help="also write the numbers into this file")
    parser.add_argument(
        "--part",
        choices=tuple(PARTS),
        help="one measurement of speed and memory, no more: estimates of a log in memory, 1,000 "
        "resamples of a million rows, a comparison of 10 million rows streamed, exports from both "
        "databases; in rows and seconds of CPU time",
    )
    options = parser.parse_args()
    if options.quick:
        options.repetitions, options.data = min(options.repetitions, 40), None
    return options


if __name__ == "__main__":
    sys.exit(main())
