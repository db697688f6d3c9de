"""Judges the runs of policies over one table: references, measures, curves and differences."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Literal

import numpy as np

from bandit_service.errors import InvalidField
from bandit_service.evaluation import hull as hulls
from bandit_service.evaluation.allowances import Allowance, Resource
from bandit_service.evaluation.amounts import taken
from bandit_service.evaluation.arrivals import Arrivals
from bandit_service.evaluation.budget_references import budget_references
from bandit_service.evaluation.budgets import budget_results
from bandit_service.evaluation.curves import area, dial_points, learning_curve
from bandit_service.evaluation.intervals import paired_difference
from bandit_service.evaluation.measuring import Yardstick
from bandit_service.evaluation.noting import notes_of
from bandit_service.evaluation.optimal import ArmMeans
from bandit_service.evaluation.references import references_of
from bandit_service.evaluation.results import Difference, PolicyResult, Result
from bandit_service.evaluation.runs import Run
from bandit_service.evaluation.streams import Streams, budget_runs, main_streams, swept_streams
from bandit_service.evaluation.table import Array, OutcomeTable

# What differences call the best single arm, whichever it is.
BEST_SINGLE = "best single"


def judge(
    table: OutcomeTable,
    runs: Sequence[Run],
    policies: Sequence[tuple[str, str]],
    *,
    contexts: Array,
    warmup: float,
    compared_with: str | None,
    arrivals: Arrivals,
) -> Result:
    """Everything that is known of these runs.

    policies       label and description, in the order of the report
    contexts       (n, d) what the policies saw of each of the table's rows, with the constant
    warmup         share of each stream that the counted part leaves out, in [0, 1)
    compared_with  name of the arm for wins and losses; None: the best single arm
    arrivals       how the queries of the runs came, for who reads the result

    Runs with a `quality_per_usd` or an allowance are their policy's sweeps, the others are the
    policy as it is configured. Raises InvalidField for an arm or a warm-up that cannot be,
    ValueError for runs that cannot be judged together.
    """
    _check(table, contexts)
    means = ArmMeans.of(table)
    best = means.best_single()
    rival = best if compared_with is None else slot_of(table, compared_with)
    yardstick = Yardstick.of(table, best, rival)
    streams = main_streams(table, runs, [label for label, _ in policies])
    both: dict[Resource, hulls.Hull] = {
        "cost_usd": hulls.static_hull(means, "cost_usd"),
        "energy_joules": hulls.static_hull(means, "energy_joules"),
    }
    cost_hull, energy_hull = both.values()
    found = tuple(
        _policy_result(yardstick, means, both, name, streams[name[0]], runs, warmup)
        for name in policies
    )
    return Result(
        data=table.name,
        queries=len(table),
        arms=table.arm_names,
        tasks=len(set(table.tasks) - {""}),
        order=arrivals.order,
        warmup=warmup,
        feedback_fraction=arrivals.feedback_fraction,
        feedback_delay=arrivals.feedback_delay,
        compared_with=table.arm_names[rival],
        policies=found,
        references=references_of(table, contexts, means, seen_by=policies[0][0]),
        hull=hulls.corners(cost_hull, table, means),
        energy_hull=hulls.corners(energy_hull, table, means),
        hull_quality=_hull_quality(cost_hull, found),
        differences=differences(yardstick, streams),
        counted_differences=_counted_differences(yardstick, streams, warmup),
        budget_references=budget_references(table, contexts, both, _allowances(runs)),
        notes=notes_of(table, means, rival, found, streams, cost_hull),
    )


def slot_of(table: OutcomeTable, compared_with: str) -> int:
    """Of an arm that can be compared with. Raises InvalidField."""
    tried = [table.arm_names[slot] for slot in np.flatnonzero(table.offered.any(axis=0))]
    if compared_with not in tried:
        raise InvalidField(
            "compared_with", f"no outcome of an arm {compared_with!r}; known: {', '.join(tried)}"
        )
    return table.arm_names.index(compared_with)


def skipped_steps(warmup: float, steps: int) -> int:
    """How many steps are not counted: the share of them, rounded up, unless by mere rounding.

    Raises InvalidField where none would be left.
    """
    skipped = math.ceil(round(warmup * steps, 6)) if 0 <= warmup < 1 else steps
    if skipped == steps:
        raise InvalidField(
            "warmup", f"must be in [0, 1) and leave some of {steps:,} queries, not {warmup:g}"
        )
    return skipped


def _check(table: OutcomeTable, contexts: Array) -> None:
    if len(contexts) != len(table):
        raise ValueError(f"need a context for each of {len(table)} rows, got {len(contexts)}")
    if not table.offered.any():
        raise InvalidField("quality", f"{table.name} knows no outcome at all")


def _policy_result(
    yardstick: Yardstick,
    means: ArmMeans,
    both: Mapping[Resource, hulls.Hull],
    name: tuple[str, str],
    streams: Streams,
    runs: Sequence[Run],
    warmup: float,
) -> PolicyResult:
    """Of the policy of this label and description; `runs` are those of all policies."""
    label, description = name
    decisions = streams.rows.size
    skipped = skipped_steps(warmup, streams.steps)
    points = dial_points(yardstick, swept_streams(yardstick.table, runs, label))
    shares = zip(yardstick.table.arm_names, yardstick.arm_shares(streams), strict=True)
    return PolicyResult(
        policy=label,
        description=description,
        seeds=len(streams.seeds),
        whole=yardstick.measures(streams),
        counted=yardstick.measures(streams.since(skipped)),
        arm_shares=dict(shares),
        confusion=tuple(tuple(row) for row in yardstick.confusion(streams).tolist()),
        curve=learning_curve(yardstick, streams),
        decisions_per_second=decisions / streams.seconds if streams.seconds else None,
        dials=points,
        area=area(points, means),
        budgets=budget_results(yardstick, both, budget_runs(runs, label), skipped),
    )


def _allowances(runs: Sequence[Run]) -> tuple[Allowance, ...]:
    """Those of any run, once each, in the order of the runs."""
    given = (run.allowance for run in runs if run.allowance is not None)
    return tuple(dict.fromkeys(given))


def _hull_quality(hull: hulls.Hull, found: Sequence[PolicyResult]) -> dict[str, float]:
    """Of the policies whose cost is known and within reach of the hull."""
    heights: dict[str, float] = {}
    for result in found:
        cost = result.whole.cost_usd
        height = None if cost is None else hull.quality_at(cost.mean)
        if height is not None:
            heights[result.policy] = height
    return heights


def _counted_differences(
    yardstick: Yardstick, streams: Mapping[str, Streams], warmup: float
) -> tuple[Difference, ...]:
    """Of the counted part; none without a warm-up, for then they are those of whole streams."""
    if not warmup:
        return ()
    parts = {label: own.since(skipped_steps(warmup, own.steps)) for label, own in streams.items()}
    return differences(yardstick, parts)


def differences(yardstick: Yardstick, streams: Mapping[str, Streams]) -> tuple[Difference, ...]:
    """Each policy minus each one listed after it, then each minus the best single arm (quality).

    Seed by seed. Costs where both know them for every seed.
    """
    table = yardstick.table
    found: list[Difference] = []
    per_seed: dict[str, dict[Literal["quality", "cost_usd", "regret"], Array]] = {}
    for label, own in streams.items():
        per_seed[label] = {
            "quality": own.average(table.quality).mean(axis=1),
            "cost_usd": taken(table, own, "cost_usd"),
            "regret": own.average(yardstick.regret).sum(axis=1),
        }
    for first, second in combinations(streams, 2):
        for measure, values in per_seed[first].items():
            apart = values - per_seed[second][measure]
            if not np.isnan(apart).any():
                found.append(paired_difference(first, second, measure, apart))
    for label, own in streams.items():
        of_best = yardstick.best_quality[own.rows].mean(axis=1)
        apart = per_seed[label]["quality"] - of_best
        found.append(paired_difference(label, BEST_SINGLE, "quality", apart))
    return tuple(found)
