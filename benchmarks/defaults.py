"""What the shipped defaults rest on: each of them varied, on every set of outcomes there is.

    python -m benchmarks.defaults [--data FOLDER] [--seeds N] [--jobs N] [--write FILE]

Every row is one setting away from the shipped defaults (or another algorithm), every column a set
of outcomes: those found under FOLDER (or $BANDIT_DATA), the bundled sample, and the made-up linear
set, of which the regret is shown. Quality is that of the whole stream from a cold start, the mean
over shuffled orders; `*` marks a difference to the defaults of more than two standard errors,
paired by order. With --write the table goes into a Markdown file (docs/defaults.md), in place of
the one that is there, and so only if all sets are found.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

# Before numpy is loaded; see benchmarks.learners.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation import loading, synthetic
from bandit_service.evaluation.arrivals import Arrivals
from bandit_service.evaluation.bundled import bundled_table
from bandit_service.evaluation.contestants import DEFAULT, entered, named
from bandit_service.evaluation.parallel import Job, run_all
from bandit_service.evaluation.runs import Run
from bandit_service.evaluation.table import OutcomeTable

Array = NDArray[np.float64]

# Not RouteLLM's, nor AlpacaEval's: docs/defaults.md says why.
SETS = "llmrouter", "routerbench", "paretobandit", "routerarena", "llmdrift"
LINEAR = "linear (regret)"

VARIED = {
    "width": (0.1, 0.2, 0.5, 1.0),
    "optimism": (0.0, 1.0, 4.0),
    "arm_ridge": (2.0, 4.0, 16.0, 32.0),
    "ridge": (0.5, 15.0, 60.0),
    "ridge_spread": (1.0, 4.0, 30.0),
    "shared_share": (0.1, 0.5, 1e6),
    "intercept_ridge": (1.0, 10.0),
    "price_prior": (0.0, 0.05, 0.15, 0.25),
    "noise": (0.2, 0.8),
    "floor": (0.0, 0.03, 0.1),
    "dimensions": (16, 32, 128),
}
OTHERS = "linear_thompson", "linucb", "squarecb", "epsilon_greedy", "beta_thompson", "uniform"


def rows() -> list[str]:
    """The policies that are compared, the shipped defaults first."""
    varied = [f"{DEFAULT}:{name}={value:g}" for name, values in VARIED.items() for value in values]
    return [DEFAULT, *varied, *OTHERS]


def tables(folder: Path | None) -> Iterator[OutcomeTable]:
    lacking = missing(folder)
    for name in SETS:
        if folder is not None and name not in lacking:
            yield loading.load(folder / name)
    yield bundled_table()


def missing(folder: Path | None) -> list[str]:
    """The sets that are not there."""
    return [name for name in SETS if folder is None or not (folder / name).is_dir()]


def outcomes(table: OutcomeTable, specs: Sequence[str], seeds: int, processes: int) -> list[Array]:
    """The mean quality of each seed, for each policy. Policies that this set cannot feed: NaN."""
    fed = [spec for spec in specs if table.contexts is None or "dimensions" not in spec]
    entries = entered([named(spec) for spec in fed], table)
    jobs = [Job(place, seed) for place in range(len(fed)) for seed in range(seeds)]
    runs = run_all(table, entries, Arrivals(), jobs, processes=processes)
    earned = dict(
        zip(fed, np.array([_quality(table, run) for run in runs]).reshape(-1, seeds), strict=True)
    )
    unknown = np.full(seeds, np.nan)
    return [earned.get(spec, unknown) for spec in specs]


def _quality(table: OutcomeTable, run: Run) -> float:
    return float(table.quality[run.order, run.arms].mean())


def regrets(specs: Sequence[str], seeds: int, processes: int) -> list[Array]:
    """Each seed is a world of its own."""
    fed = [spec for spec in specs if "dimensions" not in spec]
    found: dict[str, list[float]] = {spec: [] for spec in fed}
    for seed in range(seeds):
        table = synthetic.linear(seed=seed)
        assert table.expected is not None
        entries = entered([named(spec) for spec in fed], table)
        jobs = [Job(place, seed) for place in range(len(fed))]
        for spec, run in zip(
            fed, run_all(table, entries, Arrivals(), jobs, processes=1), strict=True
        ):
            best, got = table.expected.max(axis=1), table.expected[run.order, run.arms]
            found[spec].append(float((best[run.order] - got).sum()))
    unknown = np.full(seeds, np.nan)
    return [np.array(found.get(spec, unknown)) for spec in specs]


def cell(earned: Array, default: Array, digits: int) -> str:
    if np.isnan(earned).all():
        return "-"
    difference = earned - default
    error = difference.std(ddof=1) / len(difference) ** 0.5 if len(difference) > 1 else np.inf
    mark = "*" if abs(difference.mean()) > 2.0 * error else ""
    return f"{earned.mean():.{digits}f}{mark}"


def markdown(specs: Sequence[str], columns: dict[str, list[Array]], seeds: int) -> str:
    lines = [
        f"Mean over {seeds} shuffled orders; `*`: more than two paired standard errors from the "
        "defaults.",
        "",
        "| policy | " + " | ".join(columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for at, spec in enumerate(specs):
        cells = [
            cell(column[at], column[0], 1 if name == LINEAR else 4)
            for name, column in columns.items()
        ]
        lines.append(f"| `{spec}` | " + " | ".join(cells) + " |")
    errors = [
        f"{column[0].std(ddof=1) / seeds**0.5:.{1 if name == LINEAR else 4}f}"
        for name, column in columns.items()
    ]
    lines.append("| standard error of the defaults | " + " | ".join(errors) + " |")
    return "\n".join(lines) + "\n"


def written(file: Path, table: str) -> None:
    """Puts the table in place of what stands below the file's marker."""
    marker = "<!-- below: made by `make defaults` -->\n"
    kept = file.read_text(encoding="utf-8").partition(marker)[0] if file.exists() else ""
    file.write_text(kept + marker + "\n" + table, encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("BANDIT_DATA"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args(arguments)
    folder = Path(options.data) if options.data else None
    if options.write and (lacking := missing(folder)):
        parser.error(
            f"--write would make a table without {', '.join(lacking)}: name the folder that has "
            "them with --data or BANDIT_DATA, or leave --write out"
        )
    specs, columns = rows(), {}
    for table in tables(folder):
        columns[table.name] = outcomes(table, specs, options.seeds, options.jobs)
        print(f"{table.name}: {len(table):,} queries, {len(table.arms)} arms", flush=True)
    columns[LINEAR] = regrets(specs, options.seeds, options.jobs)
    made = markdown(specs, columns, options.seeds)
    print(made)
    if options.write:
        written(options.write, made)


if __name__ == "__main__":
    main()
