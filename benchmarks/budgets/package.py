"""The paretobandit package under the same budgets, on the same features and orders."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bandit_service.evaluation.table import OutcomeTable
from benchmarks.peers import environments, streams
from benchmarks.peers.judge import Score
from benchmarks.peers.running import Failed, Job, Workshop

PACKAGE = "paretobandit"
HEADER = "   package  error    spent  at most"


class Manner(NamedTuple):
    """How it is run: the width of its confidence bound, and whether it is told what calls cost.
    If not, its feedback charges what it expected them to cost, as it does by itself."""

    alpha: float
    told: bool = True

    def __str__(self) -> str:
        charging = "what calls cost" if self.told else "what it expects calls to cost"
        return f"alpha {self.alpha:g}, charging {charging}"


COLD = Manner(0.05)  # its own constants for a start without priors
MANNERS = COLD, Manner(0.01), Manner(0.2), Manner(0.5), Manner(0.05, told=False)
Found = dict[tuple[Manner, float], Score]


def scores(
    table: OutcomeTable, budgets: Sequence[float], seeds: int, jobs: int, folder: Path
) -> Found:
    """By manner and budget, USD a query.

    Installs it into `folder` first. Raises environments.NotInstalled, and Failed where it ends
    badly.
    """
    python = environments.ready(environments.RECIPES[PACKAGE], folder)
    stream = streams.of_table(table, range(seeds))
    with tempfile.TemporaryDirectory() as place:
        workshop = Workshop(Path(place), {stream.name: stream}, jobs)
        streams.write(stream, workshop.stream_file(stream.name))
        asked = {}
        for manner in MANNERS:
            for budget in budgets:
                settings = ("alpha", manner.alpha), ("told", manner.told), ("budget", budget)
                module = "benchmarks.peers.programs.paretobandit_peer"
                label = f"{PACKAGE} at {budget:g}, {manner}"
                job = Job(label, python, module, settings, stream.name, tuple(range(seeds)))
                asked[job] = manner, budget
        found: Found = {}
        for job, result in workshop.run_all(list(asked)):
            if isinstance(result, Failed):
                raise result
            found[asked[job]] = result
    return found


def cells(score: Score, budget: float) -> str:
    """Quality with its error, and the share of the budget that was spent, as `HEADER` says."""
    quality, spent = score.quality, score.cost_usd / budget
    error = quality.std(ddof=1) / len(quality) ** 0.5 if len(quality) > 1 else 0.0
    return f"   {quality.mean():.4f}   {error:.4f}  {spent.mean():7.3f}  {spent.max():7.3f}"


def others(found: Found) -> str:
    """What it made of the budgets in other manners than `COLD`."""
    lines = []
    for manner in MANNERS[1:]:
        lines.append(f"the package, {manner}\nbudget    {HEADER}")
        for (other, budget), score in found.items():
            if other == manner:
                lines.append(f"{budget:<10.4g}{cells(score, budget)}")
    return "\n".join(lines)
