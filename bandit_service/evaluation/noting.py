"""What a reader of a result should know before believing it."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bandit_service.evaluation.amounts import RESOURCES, is_told, known_shares, untold
from bandit_service.evaluation.hull import Hull
from bandit_service.evaluation.optimal import LEAST_KNOWN, ArmMeans, nearly_known
from bandit_service.evaluation.results import PolicyResult
from bandit_service.evaluation.streams import Streams
from bandit_service.evaluation.table import Array, OutcomeTable
from bandit_service.evaluation.wording import percent

# Fewer seeds than this cannot tell good policies apart.
ENOUGH_SEEDS = 20


def notes_of(
    table: OutcomeTable,
    means: ArmMeans,
    rival: int,
    found: Sequence[PolicyResult],
    streams: Mapping[str, Streams],
    hull: Hull,
) -> tuple[str, ...]:
    """One sentence each: the table's own, then on its outcomes, then on the policies."""
    return (
        *table.notes,
        *_of_outcomes(table, means, rival),
        *_of_resource("costs", table.cost_usd, table),
        *_of_resource("latencies", table.latency_seconds, table),
        *_of_resource("energies", table.energy_joules, table),
        *_of_the_untold(table, found, streams),
        *_of_policies(found, hull, means),
    )


def _of_outcomes(table: OutcomeTable, means: ArmMeans, rival: int) -> Iterator[str]:
    unknown = int((~table.offered.any(axis=1)).sum())
    if unknown:
        yield f"{_count(unknown, 'query', 'queries')} had no known quality"
    known = int(means.queries.min())
    if known < len(table) - unknown:
        worst = table.arm_names[int(means.queries.argmin())]
        complete = _count(int(table.offered.all(axis=1).sum()), "query has", "queries have")
        yield (
            f"not every arm is known on every query ({complete} all of them, {worst} is known on "
            f"{known:,} of {len(table):,}): arms' means are over different queries, and so is the "
            "hull"
        )
    if means.queries[rival] < len(table) - unknown:
        yield (
            f"wins and losses against {table.arm_names[rival]} are over the "
            f"{_count(int(means.queries[rival]), 'query', 'queries')} where it is known"
        )
    if means.quality[means.best_single()] < np.nanmax(means.quality):
        yield "an arm known on less than half as many queries as others is never the best single"


def _of_resource(name: str, values: Array, table: OutcomeTable) -> Iterator[str]:
    known = ~np.isnan(values) & table.offered
    if not known.any():
        yield f"{name} are unknown in this set"
        return
    without = [table.arm_names[slot] for slot in np.flatnonzero(~known.any(axis=0))]
    if without:
        yield f"{name} are unknown for {', '.join(without)}: left out of means and hulls"
    partly = known.any(axis=0) & ~nearly_known(values, table.offered)
    if partly.any():
        few = ", ".join(table.arm_names[slot] for slot in np.flatnonzero(partly))
        yield (
            f"{name} are known for less than {percent(LEAST_KNOWN)} of the outcomes of {few}: "
            "left out of hulls"
        )
    missing = int((table.offered & known.any(axis=0) & ~known).sum())
    if missing:
        yield f"{name} are unknown for {_count(missing, 'outcome', 'outcomes')} more, left out"


def _of_the_untold(
    table: OutcomeTable, found: Sequence[PolicyResult], streams: Mapping[str, Streams]
) -> Iterator[str]:
    for result in found:
        for resource in RESOURCES:
            if getattr(result.whole, resource) is None and is_told(table, resource):
                known = float(known_shares(table, streams[result.policy], resource).min())
                yield untold(resource, known, f"{result.policy}'s calls" + _in_one(result.seeds))
        blind = sum(point.cost_usd is None for point in result.dials)
        if blind and is_told(table, "cost_usd"):
            yield (
                f"cost is not known at {blind} of {result.policy}'s {len(result.dials)} dials: "
                "no area under them"
            )


def _in_one(seeds: int) -> str:
    return " in one of the seeds" if seeds > 1 else ""


def _of_policies(found: Sequence[PolicyResult], hull: Hull, means: ArmMeans) -> Iterator[str]:
    seeds = found[0].seeds
    if seeds < ENOUGH_SEEDS:
        counted = _count(seeds, "seed", "seeds")
        yield f"{counted}, fewer than {ENOUGH_SEEDS}: differences may be luck"
    for result in found:
        cost = result.whole.cost_usd
        if len(hull.amounts) and cost is not None and hull.quality_at(cost.mean) is None:
            yield f"{result.policy} spent less than any single arm: no static mixture is that cheap"
    if any(_begins_late(result, means) for result in found):
        yield (
            "area: where the cheapest point of a sweep costs more than the cheapest arm, the curve "
            "begins at that arm"
        )


def _begins_late(result: PolicyResult, means: ArmMeans) -> bool:
    costs = [point.cost_usd for point in result.dials if point.cost_usd is not None]
    return result.area is not None and min(costs) > float(np.nanmin(means.cost_usd))


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
