"""Our policies and other people's, on the same streams with the same features.

    python -m benchmarks.peers [--data FOLDER] [--only SET ...] [--seeds N] [--quick]
                               [--json FILE] [--write FILE] [--resume FOLDER]

Everybody sees the same queries in the same order: chooses an arm from the context, is told that
arm's quality, learns. A peer runs with its defaults, and with the value of its main parameter of
exploration that did best on that set under other seeds. Decisions a second are of
processor time, choosing and learning.
"""

import argparse
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Inherited by nobody: programs get it from `running`. For the features that are made here.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec

from bandit_service.errors import BanditError
from benchmarks import sections
from benchmarks.peers import environments, report, streams
from benchmarks.peers.contest import Contest, compete
from benchmarks.peers.contestants import TUNING_SEEDS
from benchmarks.peers.running import ROOT, Workshop
from benchmarks.peers.streams import SETS

QUICK_SEEDS = 3


def main() -> int:
    options = parsed()
    seeds = range(QUICK_SEEDS if options.quick else options.seeds)
    try:
        every = [*seeds, *TUNING_SEEDS]
        found = streams.found(options.data, every, options.only, quick=options.quick)
    except BanditError as error:
        raise SystemExit(str(error)) from error
    pythons, failures = installed(options.environments)
    with tempfile.TemporaryDirectory() as folder:
        by_name = {stream.name: stream for stream in found}
        workshop = Workshop(Path(folder), by_name, options.jobs, options.resume)
        for stream in found:
            streams.write(stream, workshop.stream_file(stream.name))
        contest = Contest(workshop, seeds)
        compete(contest, pythons, tune=not options.quick)
    sets, parts = {}, []
    for stream in found:
        sets[stream.name] = report.rows(stream, contest.ranked(stream.name), seeds=seeds)
        print(f"\n{report.table(stream, sets[stream.name])}")
        parts.append(report.section(stream, sets[stream.name]))
    failures += contest.failures
    for heading, lines in (("Tuned", contest.notes), ("Not everybody could run", failures)):
        if lines:
            print(f"\n{heading}:", *lines, sep="\n  ")
    if options.json:
        written = {"sets": sets, "notes": contest.notes, "failures": failures}
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(written)) + b"\n")
    if options.write:
        tuned = "\n".join(f"- {note}" for note in contest.notes)
        text = "\n\n".join([*parts, f"### What was tuned\n\n{tuned}"])
        sections.updated(options.write, "peers", text, "make bench-peers")
    return 1 if failures else 0


def installed(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """The interpreter of each peer's environment, and why the others have none."""
    pythons, failures = {}, []
    with ThreadPoolExecutor() as pool:
        making = {
            name: pool.submit(environments.ready, recipe, folder)
            for name, recipe in environments.RECIPES.items()
        }
    for name, made in making.items():
        try:
            pythons[name] = made.result()
            print(f"{name} {environments.RECIPES[name].version} is ready", file=sys.stderr)
        except environments.NotInstalled as reason:
            failures.append(f"{name} could not be installed: {reason}")
            print(failures[-1], file=sys.stderr)
    return pythons, failures


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    given = os.environ.get("BANDIT_DATA")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(given) if given else None,
        help="a folder whose folders are data sets in the normal form; default: BANDIT_DATA",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=SETS,
        metavar="SET",
        help=f"which of these folders, where they are there; default: {' '.join(SETS)}",
    )
    parser.add_argument("--seeds", type=int, default=20, help="fewer for slow peers; default: 20")
    parser.add_argument(
        "--quick", action="store_true", help="three seeds of the bundled sample, nothing tuned"
    )
    parser.add_argument("--json", type=Path, help="also write the numbers into this file")
    parser.add_argument("--write", type=Path, help="put the tables into this Markdown file")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="programs at a time")
    parser.add_argument(
        "--environments",
        type=Path,
        default=ROOT / ".peers",
        help="where peers are installed, each in a folder of its own; default: .peers",
    )
    parser.add_argument(
        "--resume",
        type=Path,
        help="keep what ended in this folder, and take from it what ended before; empty it when "
        "a learner has changed",
    )
    options = parser.parse_args()
    if options.resume:
        options.resume.mkdir(parents=True, exist_ok=True)
    if options.write and not options.data:
        parser.error("--write needs --data FOLDER, or BANDIT_DATA: the page has real sets")
    if not 1 <= options.seeds <= TUNING_SEEDS[0]:
        parser.error(f"--seeds must be from 1 to {TUNING_SEEDS[0]}: others are for tuning")
    return options


if __name__ == "__main__":
    sys.exit(main())
