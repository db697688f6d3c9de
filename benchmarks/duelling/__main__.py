"""Regret of duelling policies, beside chance and double Thompson sampling.

    python -m benchmarks.duelling [--data FOLDER] [--seeds N] [--only NAME] [--resume FILE]
                                  [--write FILE]

Runs of one seed share their stream and, where two policies choose the same pair, its verdict;
means are given with their standard errors. Sets are those found under FOLDER (or $BANDIT_DATA).
With --resume results are kept in that file, and a command that was interrupted goes on; with
--only, --write leaves the other tables as they are.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from benchmarks import paired, sections
from benchmarks.duelling import made_up, tables
from benchmarks.learning.kept import Kept
from policies.policy import Array

MADE_UP = "made up"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("BANDIT_DATA"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", action="append", choices=(MADE_UP, *tables.GROUNDS))
    parser.add_argument("--resume", type=Path, help="keeps results, and starts from those there")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args(arguments)
    folder = Path(options.data) if options.data else None
    wanted = options.only or (MADE_UP, *tables.GROUNDS)
    parts, kept = [], Kept(options.resume)
    if MADE_UP in wanted:
        found = made_up.regrets(options.seeds, kept)
        parts.append(_part(MADE_UP, found, options.seeds))
    for name, ground in tables.GROUNDS.items():
        if name in wanted and folder is not None and (folder / name).is_dir():
            found = tables.regrets(ground(folder / name), options.seeds, name, kept)
            parts.append(_part(name, found, options.seeds))
    text = "\n\n".join(parts)
    print(text)
    if options.write:
        (sections.updated if options.only else sections.written)(options.write, "duelling", text)


def _part(name: str, found: dict[str, Array], seeds: int) -> str:
    return f"### Duels: {name} ({seeds} seeds)\n\n{paired.table(found, tables.RANDOM)}"


if __name__ == "__main__":
    main()
