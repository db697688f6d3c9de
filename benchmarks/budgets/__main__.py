"""Policies under budgets, on real outcomes: one command prints every table.

    python -m benchmarks.budgets [--data FOLDER] [--seeds N] [--jobs N] [--only PART ...]
                                 [--environments FOLDER]

Whole streams from a cold start, shuffled, costs learned from what calls cost. Beside the default
controller: the static hull in hindsight, a router taught offline on every outcome, the oracle, the
paretobandit package on the same features and orders, and the other controllers. Then the other
sets, joules, the dial, and streams on which things go wrong. Without any data: controllers against
the offline optimum, what a decision costs, and how well joules are divided among requests.
"""

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

# Before numpy is loaded; see benchmarks.learners.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import multiprocessing

import numpy as np

from bandit_service.evaluation import loading
from bandit_service.evaluation.allowances import Allowance, allowances
from bandit_service.evaluation.contestants import DEFAULT, named
from bandit_service.evaluation.results import BudgetResult, Result
from bandit_service.evaluation.study import study
from bandit_service.evaluation.table import OutcomeTable
from benchmarks import energy
from benchmarks.budgets import decision, front, optimum
from benchmarks.budgets import package as beside
from benchmarks.budgets.weather import CASES, under_weather
from benchmarks.peers import environments
from benchmarks.peers.running import ROOT, Failed
from policies.budget import CONTROLLERS

USD = {
    "paretobandit": (3.25e-5, 7.32e-5, 1.87e-4, 6.51e-4, 1.66e-3, 4.24e-3, 1.48e-2),
    "routerbench": (1e-4, 2e-4, 4e-4, 1e-3, 2e-3, 4e-3),
    "routellm": (1e-4, 2e-4, 4e-4, 8e-4),
}
JOULES = (6.0, 10.0, 15.0, 25.0)
UNDER_WEATHER = (1.87e-4, 6.51e-4, 4.24e-3)
WARMUP = 1 / 3
WITHOUT_DATA = "optimum", "decision", "attribution"
PARTS = (
    "paretobandit", "controllers", "routerbench", "routellm", "joules", "dial", "weather",
    *WITHOUT_DATA,
)  # fmt: skip
HEADER = (
    "budget      spent   at most  quality  error   hull@spent hull@budget offline  oracle   counted"
    "  its hull"
)


def table_of(result: Result, package: dict[float, str] | None = None) -> str:
    """A row a budget of the first policy, with what the package made of it where that is known."""
    known = {(r.kind, r.resource, r.budget): r.quality for r in result.budget_references}
    lines = [HEADER + (beside.HEADER if package else "")]
    for each in result.policies[0].budgets:
        at = each.resource, each.budget
        offline, oracle = known.get(("offline_router", *at)), known.get(("oracle", *at))
        lines.append(
            f"{each.budget:<10.4g} {each.utilisation.mean:7.4f}  {each.utilisation.max:7.4f}  "
            f"{each.quality.mean:.4f}  {each.quality.standard_error or 0:.4f}  "
            f"{_cell(each.hull_quality)}     {_cell(each.hull_at_budget)}      {_cell(offline)}   "
            f"{_cell(oracle)}   {each.counted.mean:.4f}   {_cell(each.counted_hull_quality)}"
            + (package[each.budget] if package else "")
        )
    return "\n".join(lines)


def _cell(quality: float | None) -> str:
    return "   -  " if quality is None else f"{quality:.4f}"


def sweep(
    table: OutcomeTable, given: Sequence[Allowance], seeds: int, jobs: int
) -> tuple[Result, Sequence[BudgetResult]]:
    result = study(
        table, [named(DEFAULT)], seeds=seeds, warmup=WARMUP, jobs=jobs, budgets=given
    )  # fmt: skip
    return result, result.policies[0].budgets


def with_package(table: OutcomeTable, options: argparse.Namespace) -> None:
    """The sweep on its own set, with the package beside it, run with its own constants for a cold
    start; then the package in other manners."""
    seeds, jobs, budgets = options.seeds, options.jobs, USD["paretobandit"]
    result, _ = sweep(table, allowances(budgets, ()), seeds, jobs)
    try:
        found = beside.scores(table, budgets, seeds, jobs, options.environments)
    except (environments.NotInstalled, Failed) as reason:
        print(table_of(result), f"the package could not run: {reason}", sep="\n", flush=True)
        return
    cold = {budget: beside.cells(found[beside.COLD, budget], budget) for budget in budgets}
    print(table_of(result, cold), beside.others(found), sep="\n", flush=True)


def controllers(table: OutcomeTable, budgets: Sequence[float], seeds: int, jobs: int) -> None:
    """Quality of each controller at each budget, and the most that a seed spent."""
    print("controller            " + "".join(f"{budget:<17.3g}" for budget in budgets))
    for name in CONTROLLERS:
        _, kept = sweep(table, allowances(budgets, (), name), seeds, jobs)
        cells = (f"{each.quality.mean:.4f} ({each.utilisation.max:.3f})  " for each in kept)
        print(f"{name:<22}" + "".join(cells), flush=True)


def weather(folder: Path, seeds: int, jobs: int) -> None:
    print(
        "budget     spent   at most  quality of quarters       spent in quarters      case"
        "\n(quality as the arms had it at the time; changes come half way, nobody is told)"
    )
    tasks = [
        (str(folder), case, budget, seed)
        for case in CASES
        for budget in UNDER_WEATHER
        for seed in range(seeds)
    ]
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(under_weather, tasks))
    for place in range(0, len(tasks), seeds):
        _, case, budget, _ = tasks[place]
        some = found[place : place + seeds]
        spent = np.array([np.mean(costs) for _, costs in some]) / budget
        quality = np.mean([qualities for qualities, _ in some], axis=0)
        pace = np.mean([costs for _, costs in some], axis=0) / budget
        print(
            f"{budget:<10.3g} {spent.mean():6.3f}  {spent.max():7.3f}  "
            + " ".join(f"{q:.3f}" for q in quality)
            + "   "
            + " ".join(f"{p:5.2f}" for p in pace)
            + f"   {case.name}",
            flush=True,
        )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("BANDIT_DATA"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument(
        "--environments",
        type=Path,
        default=ROOT / ".peers",
        help="where the paretobandit package is installed, to be run beside; default: .peers",
    )
    options = parser.parse_args(arguments)
    if options.data is not None:
        on_data(Path(options.data), options)
    elif not set(options.only) <= set(WITHOUT_DATA):
        parser.error("needs --data FOLDER, or BANDIT_DATA: the folder of the data sets")
    without_data(options)


def on_data(data: Path, options: argparse.Namespace) -> None:
    seeds, jobs = options.seeds, options.jobs
    for name in USD:
        if name in options.only:
            print(f"\n{name}: USD a query, {seeds} seeds, whole streams; counted: last two thirds")
            if name == "paretobandit":
                with_package(loading.load(data / name), options)
                continue
            given = allowances(USD[name], ())
            print(table_of(sweep(loading.load(data / name), given, seeds, jobs)[0]), flush=True)
    if "joules" in options.only:
        print(f"\nrouterbench: joules a query (derived), arms of known energy only, {seeds} seeds")
        given = allowances((), JOULES)
        print(table_of(sweep(loading.load(data / "routerbench"), given, seeds, jobs)[0]))
    if "dial" in options.only:
        print(f"\nrouterbench: the dial from accuracy to energy, open models only, {seeds} seeds")
        print(front.report(loading.load(data / "routerbench"), seeds), flush=True)
    for name in ("paretobandit", "routerbench") if "controllers" in options.only else ():
        print(f"\n{name}: controllers, quality (most spent by a seed), {seeds} seeds")
        controllers(loading.load(data / name), USD[name], seeds, jobs)
    if "weather" in options.only:
        print(f"\nparetobandit: when things go wrong, {seeds} seeds")
        weather(data / "paretobandit", seeds, jobs)


def without_data(options: argparse.Namespace) -> None:
    if "optimum" in options.only:
        print(f"\ncontrollers against the offline optimum, {options.seeds} seeds")
        print(optimum.report(options.seeds, options.jobs), flush=True)
    if "decision" in options.only:
        print(flush=True)
        decision.main([])
    if "attribution" in options.only:
        print(flush=True)
        energy.main(["--seeds", str(options.seeds)])


if __name__ == "__main__":
    main()
