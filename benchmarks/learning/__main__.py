"""Starts, unseen arms, drift and new arms, on real outcomes: one command prints every table.

    python -m benchmarks.learning [--data FOLDER] [--seeds N] [--only PART ...] [--resume FILE]
                                  [--json FILE] [--write FILE]

Runs of one seed share their stream; means come with standard errors, and ratios are of pairs. With
--resume what was worked out is kept in that file, and a command that was interrupted goes on; with
--only, --write leaves the other tables as they are.
"""

import argparse
import json
import os
from pathlib import Path

# Before numpy is loaded; see benchmarks.learners.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from benchmarks import paired, sections
from benchmarks.learning import arrivals, drift, unseen, warm
from benchmarks.learning.ground import Ground
from benchmarks.learning.kept import Kept
from policies.policy import Array

PARTS = "warm", "unseen", "drift", "arrivals"


class Tables:
    """The parts, each as Markdown; the numbers of all of them besides."""

    def __init__(self, folder: Path, seeds: int, kept: Kept) -> None:
        self.numbers: dict[str, dict[str, list[object]]] = {}
        self._folder, self._seeds, self._kept = folder, seeds, kept
        self._grounds: dict[str, Ground] = {}

    def part(self, name: str) -> list[str]:
        return list(getattr(self, f"_{name}")())

    def _ground(self, name: str) -> Ground:
        if name not in self._grounds:
            self._grounds[name] = Ground.of(self._folder / name)
        return self._grounds[name]

    def _table(self, title: str, text: str, found: dict[str, Array]) -> str:
        self.numbers[title] = {label: values.tolist() for label, values in found.items()}
        made = f"### {title} ({self._seeds} seeds)\n\n{text}"
        print(made, flush=True)
        return made

    def _warm(self) -> list[str]:
        made = []
        for name in warm.SETS:
            found = warm.measured(self._ground(name), name, self._seeds, self._kept)
            for span, some in found.items():
                title = f"Warm start: {name}, regret over the first {span:,}"
                made.append(self._table(title, paired.table(some, warm.COLD), some))
        return made

    def _unseen(self) -> list[str]:
        made = []
        for name in unseen.SETS:
            folder = self._folder / name
            found = unseen.measured(self._ground(name), folder, name, self._seeds, self._kept)
            for learner in unseen.LEARNERS:
                some = {k: v for k, v in found.items() if k.startswith(f"{learner},")}
                title = f"Unseen arm: {name}, {learner}, regret over its first {unseen.LIVE}"
                text = paired.table(some, f"{learner}, {unseen.COLD}", digits=2)
                made.append(self._table(title, text, some))
        return made

    def _drift(self) -> list[str]:
        made = []
        for name, (data, _) in drift.SCENES.items():
            ground = self._ground(data)
            found = drift.measured(ground, name, self._seeds, self._kept)
            lengths = drift.phases(ground, name)
            lost = _beside({k: v[:, 0] for k, v in found.items()}, drift.PLAIN)
            waits = [
                "| | " + " | ".join(_changes(lengths)) + " |",
                "|---" * (len(lengths) + 1) + "|",
            ]
            for learner, values in found.items():
                cells = [_wait(values[:, 1 + at], length) for at, length in enumerate(lengths)]
                waits.append(f"| {learner} | {' | '.join(cells)} |")
            text = f"Lost:\n\n{lost}\n\nRequests until recovery:\n\n" + "\n".join(waits)
            made.append(self._table(f"Drift: {data}, {name}", text, found))
        return made

    def _arrivals(self) -> list[str]:
        made = []
        for one in arrivals.ARRIVALS:
            found = arrivals.measured(self._ground(one.data), one, self._seeds, self._kept)
            lines = [
                "| | share of requests 150 to 300 | adopted by then | dropped by then |",
                "|---|---|---|---|",
            ]
            for learner, share in found.items():
                lines.append(
                    f"| {learner} | {share.mean():.3f} ± {paired.error(share):.3f} | "
                    f"{int((share >= arrivals.HALF).sum())} of {len(share)} | "
                    f"{int((share <= arrivals.TENTH).sum())} of {len(share)} |"
                )
            kind = "better" if one.is_better else "worse"
            title = f"New arm: {one.data}, {one.arm}, {kind} than the others"
            made.append(self._table(title, "\n".join(lines), found))
        return made


def _beside(found: dict[str, Array], against: str) -> str:
    """Markdown: each row's mean, and how much more that is than the row `against`."""
    lines = [f"| | mean | more than {against} |", "|---|---|---|"]
    for name, values in found.items():
        more = values - found[against]
        mean = f"{values.mean():.1f} ± {paired.error(values):.1f}"
        lines.append(f"| {name} | {mean} | {more.mean():.1f} ± {paired.error(more):.1f} |")
    return "\n".join(lines)


def _changes(lengths: list[int]) -> list[str]:
    return [f"change {at}, then {length:,} requests" for at, length in enumerate(lengths, start=1)]


def _wait(values: Array, length: int) -> str:
    never = int((values >= length).sum())
    mean = f"{values.mean():.0f} ± {paired.error(values):.0f}"
    return f"{mean}, never in {never} of {len(values)}" if never else mean


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("BANDIT_DATA"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--resume", type=Path, help="keeps results, and starts from those there")
    parser.add_argument("--json", type=Path, help="write the numbers of every seed to this file")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args(arguments)
    if options.data is None:
        parser.error("needs --data FOLDER, or BANDIT_DATA: the folder of the data sets")
    tables = Tables(Path(options.data), options.seeds, Kept(options.resume))
    made = [text for name in PARTS if name in options.only for text in tables.part(name)]
    if options.json:
        options.json.write_text(json.dumps(tables.numbers, indent=1) + "\n", encoding="utf-8")
    if options.write:
        write = sections.written if set(options.only) == set(PARTS) else sections.updated
        write(options.write, "learning", "\n\n".join(made))


if __name__ == "__main__":
    main()
