"""Tables with holes and ties, and runs over them, for what judges runs."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bandit_service.evaluation.arrivals import Arrivals
from bandit_service.evaluation.metrics import judge
from bandit_service.evaluation.results import Result
from bandit_service.evaluation.runs import Run
from bandit_service.evaluation.table import Array, OutcomeTable
from tests.evaluation.small_tables import a_table


def a_table_with_holes(seed: int = 0, count: int = 40, arms: int = 4) -> OutcomeTable:
    """Few distinct values, so that arms tie; a quarter unknown, yet an arm for every query.

    Of costs and latencies single cells are missing, of energies a half.
    """
    rng = np.random.default_rng(seed)

    def some_of(values: list[float], unknown: float) -> Array:
        drawn = rng.choice(values, (count, arms))
        return np.where(rng.random((count, arms)) < unknown, np.nan, drawn)

    quality = some_of([0.0, 0.5, 1.0], 0.25)
    quality[np.arange(count), rng.integers(arms, size=count)] = rng.choice([0.0, 1.0], count)
    return a_table(
        quality,
        tasks=tuple(str(task) for task in rng.choice(["code", "law", "chat"], count)),
        cost_usd=some_of([0.001, 0.002, 0.004], 0.02) * np.arange(1, arms + 1),
        latency_seconds=some_of([0.5, 1.5], 0.02),
        energy_joules=some_of([10.0, 30.0, 70.0], 0.5),
    )


def mean_if_told(
    table: OutcomeTable, resource: str, calls: Sequence[tuple[int, int]]
) -> float | None:
    """A plain count of calls (row, arm): the mean over those whose amount is known, if at most one
    in twenty is not, and at most one in a hundred is of an arm that misses more than that.
    """
    values = getattr(table, resource)
    sparse = []
    for arm in range(len(table.arms)):
        own = [values[row, arm] for row in range(len(table)) if table.offered[row, arm]]
        sparse.append(20 * sum(math.isnan(value) for value in own) > len(own))
    known = [float(values[call]) for call in calls if not math.isnan(values[call])]
    strange = sum(math.isnan(values[row, arm]) and sparse[arm] for row, arm in calls)
    if 20 * (len(calls) - len(known)) > len(calls) or 100 * strange > len(calls):
        return None
    return sum(known) / len(known)


def some_runs(
    table: OutcomeTable,
    policy: str,
    seeds: Iterable[int] = (3, 1, 2),
    *,
    leaning: float = 0.0,
    dial: float | None = None,
) -> list[Run]:
    """Shuffled by the seed, offered arms at random; `leaning` favours the later slots."""
    runs = []
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(table))
        rng = np.random.default_rng([seed, *policy.encode()])
        wish = rng.random(table.quality.shape) + leaning * np.arange(len(table.arms))
        arms = np.argmax(np.where(table.offered[order], wish, -1.0), axis=1)
        chances = np.full(len(order), 0.5)
        runs.append(Run(policy, seed, dial, order, arms, chances, seconds=0.5))
    return runs


def always(table: OutcomeTable, arm: int, seed: int = 0, **changes: Any) -> Run:
    """One arm for every query, in the order of the file."""
    count = len(table)
    given: dict[str, Any] = {
        "policy": "always",
        "seed": seed,
        "quality_per_usd": None,
        "order": np.arange(count),
        "arms": np.full(count, arm),
        "propensities": np.ones(count),
        "seconds": 0.25,
    }
    return Run(**(given | changes))


def judged(table: OutcomeTable, runs: list[Run], **changes: Any) -> Result:
    """The judgement of these runs, policies in the order of the runs."""
    given: dict[str, Any] = {
        "policies": [(label, "") for label in dict.fromkeys(run.policy for run in runs)],
        "contexts": np.ones((len(table), 1)),
        "warmup": 0.0,
        "compared_with": None,
        "arrivals": Arrivals(),
    }
    return judge(table, runs, **(given | changes))
