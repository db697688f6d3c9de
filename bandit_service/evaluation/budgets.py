"""What policies made of their budgets: how much of them they spent, and on what quality."""

from collections.abc import Mapping, Sequence

import numpy as np

from bandit_service.evaluation.allowances import Allowance, Resource
from bandit_service.evaluation.amounts import taken, with_means
from bandit_service.evaluation.hull import Hull
from bandit_service.evaluation.intervals import known_over_seeds, over_seeds, standard_error
from bandit_service.evaluation.measuring import Yardstick
from bandit_service.evaluation.optimal import known_mean
from bandit_service.evaluation.results import BudgetResult, Mean, Pace, Spread
from bandit_service.evaluation.runs import Run
from bandit_service.evaluation.streams import Streams, together
from bandit_service.evaluation.table import Array, OutcomeTable

MOST_POINTS = 120


def budget_results(
    yardstick: Yardstick,
    hulls: Mapping[Resource, Hull],
    kept: Mapping[Allowance, Sequence[Run]],
    skipped: int,
) -> tuple[BudgetResult, ...]:
    """One a budget; of an allowance of both resources, one for each of the two."""
    return tuple(
        _result(yardstick, hulls[resource], allowance, resource, runs, skipped)
        for allowance, runs in kept.items()
        for resource in allowance.rates
    )


def _result(
    yardstick: Yardstick,
    hull: Hull,
    allowance: Allowance,
    resource: Resource,
    runs: Sequence[Run],
    skipped: int,
) -> BudgetResult:
    table, rates = yardstick.table, allowance.rates
    streams = together(table, runs)
    counted = streams.since(skipped)
    spent, later = _spent(table, streams, resource), _spent(table, counted, resource)
    budget = rates[resource]
    shares = zip(table.arm_names, yardstick.arm_shares(streams), strict=True)
    return BudgetResult(
        resource=resource,
        budget=budget,
        other_budgets={name: rate for name, rate in rates.items() if name != resource},
        controller=allowance.controller,
        seeds=len(runs),
        utilisation=_spread(spent / budget),
        quality=_quality(table, streams),
        cost_usd=known_over_seeds(taken(table, streams, "cost_usd")),
        energy_joules=known_over_seeds(taken(table, streams, "energy_joules")),
        hull_quality=_height(hull, taken(table, streams, resource)),
        hull_at_budget=hull.quality_at(budget),
        counted=_quality(table, counted),
        counted_utilisation=_spread(later / budget),
        counted_hull_quality=_height(hull, taken(table, counted, resource)),
        arm_shares=dict(shares),
        pace=_pace(table, min(runs, key=lambda run: run.seed), resource, budget),
    )


def _quality(table: OutcomeTable, streams: Streams) -> Mean:
    return over_seeds(streams.average(table.quality).mean(axis=1))


def _spent(table: OutcomeTable, streams: Streams, resource: Resource) -> Array:
    """A query, (S,). A call without a bill counts at its arm's mean, as with who keeps budgets."""
    return known_mean(streams.total(with_means(table, resource)), axis=1)


def _height(hull: Hull, amounts: Array) -> float | None:
    """At what the seeds took on average, (S,); None where one does not know it, or too little."""
    return None if np.isnan(amounts).any() else hull.quality_at(float(amounts.mean()))


def _spread(values: Array) -> Spread:
    return Spread(float(values.mean()), standard_error(values), float(values.max()))


def _pace(table: OutcomeTable, run: Run, resource: Resource, budget: float) -> Pace:
    assert run.allowance is not None
    assert run.prices is not None
    steps = len(run.order)
    ends = np.arange(1, min(MOST_POINTS, steps) + 1) * steps // min(MOST_POINTS, steps)
    spent = together(table, [run]).total(with_means(table, resource))[0]
    column = list(run.allowance.rates).index(resource)
    return Pace(
        seed=run.seed,
        queries=tuple(ends.tolist()),
        spent=tuple((np.cumsum(spent)[ends - 1] / (budget * ends)).tolist()),
        price=tuple(run.prices[ends - 1, column].tolist()),
    )
