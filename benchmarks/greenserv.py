"""GreenServ's protocol on RouterBench's open models: accuracy against joules, dial by dial.

    python -m benchmarks.greenserv [--data FOLDER] [--seeds N] [--queries N] [--resume FILE]
                                   [--json FILE] [--png FILE] [--write FILE]

The arms are those of known energy. Their joules are ESTIMATED: output tokens times the joules a
token of the measured model that is nearest, no call was metered. The dial is lambda, the weight of
energy, from 0 to 1 in steps of .1: as published, in the reward that is learned; and in the product,
where quality is learned alone and joules a call are weighed when deciding, a tenth of a point times
lambda / (1 - lambda) for the joules of a usual call. Beside them, at .5, the study's alternatives,
and the 12 features described in place of the 11 coded. Streams are shuffled, from nothing, and
whole unless --queries says how many of each. --write draws the fronts as well, beside the file.
"""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

# Before numpy is loaded; see benchmarks.learners.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from msgspec.structs import replace as configured_with

from bandit_service.evaluation import loading
from bandit_service.evaluation.contestants import Contestant, entry, named
from bandit_service.evaluation.contexts import Contexts, contexts_of
from bandit_service.evaluation.simulation import Simulation
from bandit_service.evaluation.table import OutcomeTable
from bandit_service.evaluation.validation import with_arms
from bandit_service.model import Features, TextFeatures
from bandit_service.weighing import MOST
from benchmarks import paired, sections
from benchmarks.learning.ground import IN_ORDER
from benchmarks.learning.kept import Kept
from policies.policy import Array

DIALS = tuple(round(0.1 * step, 1) for step in range(11))
PUBLISHED, WEIGHED = "greenserv", "greenserv_weighed"
STUDY = {
    "greenserv, 12 features": "greenserv:coded=0",
    "Thompson sampling": "greenserv_thompson:coded=1",
    "linear epsilon-greedy": "greenserv_epsilon:coded=1",
    "no context, epsilon-greedy": "greenserv_epsilon:clusters=0,decay=0.98",
}
MIDDLE = 0.5
WORTH = 0.1  # points, of the energy of a usual call at the middle
PICTURE = "greenserv.png"  # beside the document that it is written into
BLIND = "no context, epsilon-greedy"


def quality_per_joule(weight: float, usual_joules: float) -> float:
    """What a joule is worth where energy has this weight in [0, 1], and quality the rest.

    >>> [round(quality_per_joule(weight, 50.0), 5) for weight in (0.0, 0.5, 0.9)]
    [0.0, 0.002, 0.018]
    """
    return WORTH * weight / (1.0 - weight) / usual_joules if weight < 1.0 else MOST


def open_models(folder: Path) -> OutcomeTable:
    """The set with the arms of known energy, and the queries that all of them answered."""
    table = loading.load(folder)
    known = np.flatnonzero(~np.isnan(table.energy_joules).all(axis=0))
    table = with_arms(table, known)
    complete = (table.offered & ~np.isnan(table.energy_joules)).all(axis=1)
    return table.rows(np.flatnonzero(complete))


def features(table: OutcomeTable, label: str) -> Features:
    """The embedding of a new policy, readability, and the set's tasks as labels; of who looks at
    nothing, the embedding alone, which it does not look at either."""
    if label == BLIND:
        return Features(text=TextFeatures())
    tasks = tuple(sorted(set(table.tasks)))
    return Features(text=TextFeatures(readability=True, labels=tasks))


def contestant(label: str, dial: float, table: OutcomeTable) -> Contestant:
    made = named(STUDY.get(label, label))
    config = configured_with(made.config, features=features(table, label))
    if label == WEIGHED:
        worth = quality_per_joule(dial, float(table.energy_joules.mean()))
        objective = configured_with(config.objective, quality_per_joule=worth)
        return replace(made, config=configured_with(config, objective=objective))
    settings = config.algorithm.settings | {"energy_weight": dial}
    algorithm = configured_with(config.algorithm, settings=settings)
    return replace(made, config=configured_with(config, algorithm=algorithm))


class Protocol:
    """Accuracy and joules a query of whole streams."""

    def __init__(self, table: OutcomeTable, seeds: int, queries: int, kept: Kept) -> None:
        self.table, self._seeds, self._kept = table, seeds, kept
        self._queries = min(queries, len(table)) if queries else len(table)
        self._contexts: dict[Features, Contexts] = {}

    def run_all(self, wanted: Sequence[tuple[str, float]]) -> None:
        """Seed by seed, so that what an interruption leaves is fewer seeds of everything."""
        for seed in range(self._seeds):
            for label, dial in wanted:
                self._numbers(label, dial, seed)
            print(f"seed {seed} of {self._seeds} is done", flush=True)

    def measured(self, label: str, dial: float) -> Array:
        """Of each seed, (seeds, 2)."""
        return np.array([self._numbers(label, dial, seed) for seed in range(self._seeds)])

    def _numbers(self, label: str, dial: float, seed: int) -> list[float]:
        work = partial(self._run, label, dial, seed)
        name = f"greenserv {label} {dial} {seed} {self._queries}"
        return self._kept.numbers(name, work)

    def _run(self, label: str, dial: float, seed: int) -> list[float]:
        wanted = features(self.table, label)
        if wanted not in self._contexts:
            self._contexts[wanted] = contexts_of(self.table, wanted)
        rows = np.random.default_rng((seed, 6)).permutation(len(self.table))[: self._queries]
        made = self._contexts[wanted]
        live, contexts = self.table.rows(rows), replace(made, matrix=made.matrix[rows])
        taking_part = entry(contestant(label, dial, self.table), live, contexts)
        run = Simulation(live, taking_part).run(IN_ORDER, seed)
        served = run.order, run.arms
        return [float(live.quality[served].mean()), float(live.energy_joules[served].mean())]


def references(table: OutcomeTable) -> dict[str, tuple[float, float]]:
    """Accuracy and joules a query of who does not look: at random, and always the same."""
    quality, joules = table.quality.mean(axis=0), table.energy_joules.mean(axis=0)
    declared = [arm.declared_joules_per_output_token or 0.0 for arm in table.arms]
    single = {
        "smallest": int(np.argmin(declared)),
        "largest": int(np.argmax(declared)),
        "most accurate": int(np.argmax(quality)),
    }
    named_arms = {
        f"{kind}, {table.arm_names[arm]}": (float(quality[arm]), float(joules[arm]))
        for kind, arm in single.items()
    }
    return {"random": (float(quality.mean()), float(joules.mean())), **named_arms}


def markdown(
    fixed: Mapping[str, tuple[float, float]],
    fronts: Mapping[str, Array],
    study: Mapping[str, Array],
) -> str:
    """fronts: name -> (dials, seeds, 2); study: name -> (seeds, 2)."""
    lines = ["| | accuracy | joules a query (estimated) |", "|---|---|---|"]
    lines += [
        f"| {name} | {accuracy:.4f} | {joules:.1f} |" for name, (accuracy, joules) in fixed.items()
    ]
    for name, front in fronts.items():
        lines += [
            f"| {name}, dial {dial:g} | {_mean(one[:, 0], 4)} | {_mean(one[:, 1], 1)} |"
            for dial, one in zip(DIALS, front, strict=True)
        ]
    lines += [
        f"| {name}, dial {MIDDLE:g} | {_mean(one[:, 0], 4)} | {_mean(one[:, 1], 1)} |"
        for name, one in study.items()
    ]
    return "\n".join(lines)


def _mean(values: Array, digits: int) -> str:
    return f"{values.mean():.{digits}f} ± {paired.error(values):.{digits}f}"


def picture(
    file: Path, fixed: Mapping[str, tuple[float, float]], fronts: Mapping[str, Array]
) -> None:
    from bandit_service.evaluation.pictures.styling import (
        house_style,
        line_style,
        new_axes,
        settle,
    )

    with house_style():
        figure, axes = new_axes("RouterBench's open models: accuracy and estimated joules")
        for place, (name, front) in enumerate(fronts.items()):
            mean = front.mean(axis=1)
            axes.plot(mean[:, 1], mean[:, 0], marker="o", label=name, **line_style(place))  # type: ignore[arg-type]
        for name, (accuracy, joules) in fixed.items():
            axes.plot(joules, accuracy, "k+")
            kind = name.partition(",")[0]
            axes.annotate(kind, (joules, accuracy), xytext=(4, 4), textcoords="offset points")
        axes.set_xlabel("joules a query (estimated)")
        axes.set_ylabel("accuracy")
        axes.legend()
        settle(figure)
        figure.savefig(file)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("BANDIT_DATA"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--queries", type=int, default=0, help="of each stream; 0: all")
    parser.add_argument("--resume", type=Path, help="keeps results, and starts from those there")
    parser.add_argument("--json", type=Path, help="write the numbers of every seed to this file")
    parser.add_argument("--png", type=Path, help="draw the fronts into this file")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args(arguments)
    if options.data is None:
        parser.error("needs --data FOLDER, or BANDIT_DATA: the folder of the data sets")
    table = open_models(Path(options.data) / "routerbench")
    protocol = Protocol(table, options.seeds, options.queries, Kept(options.resume))
    dialled = [(name, dial) for name in (PUBLISHED, WEIGHED) for dial in DIALS]
    protocol.run_all([*dialled, *((name, MIDDLE) for name in STUDY)])
    fixed = references(table)
    fronts = {
        name: np.stack([protocol.measured(name, dial) for dial in DIALS])
        for name in (PUBLISHED, WEIGHED)
    }
    study = {name: protocol.measured(name, MIDDLE) for name in STUDY}
    size = f"{options.queries:,}" if options.queries else f"all {len(table):,}"
    text = f"### GreenServ: routerbench's open models ({options.seeds} seeds, {size} queries)\n\n"
    text += markdown(fixed, fronts, study)
    print(text)
    if options.json:
        everything = {
            "fixed": fixed,
            "fronts": {name: front.tolist() for name, front in fronts.items()},
            "study": {name: one.tolist() for name, one in study.items()},
            "dials": DIALS,
        }
        options.json.write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")
    if options.png:
        picture(options.png, fixed, fronts)
    if options.write:
        picture(options.write.with_name(PICTURE), fixed, fronts)
        text += f"\n\n![Accuracy against joules, dial by dial]({PICTURE})"
        sections.written(options.write, "greenserv", text)


if __name__ == "__main__":
    main()
