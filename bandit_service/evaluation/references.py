"""What every run is held against: arms alone, luck, hindsight, and a router taught offline.

Each is a way to choose, written as the chance of every arm on every query; all are then valued
by the one formula.
"""

import numpy as np

from bandit_service.evaluation.amounts import (
    RESOURCES,
    Resource,
    expectation,
    is_told,
    untold,
)
from bandit_service.evaluation.offline_router import FOLDS, route_offline
from bandit_service.evaluation.optimal import (
    ArmMeans,
    Mask,
    known_mean,
    optimal_arms,
    worth,
)
from bandit_service.evaluation.results import Reference
from bandit_service.evaluation.table import Array, OutcomeTable, Rows


def references_of(
    table: OutcomeTable, contexts: Array, means: ArmMeans, seen_by: str
) -> tuple[Reference, ...]:
    """All that can be had from this table. contexts (n, d), as the policy `seen_by` saw them."""
    found = [_single(table, slot, means) for slot in range(len(table.arms)) if means.queries[slot]]
    found.append(_best_single(table, means))
    cheapest = means.cheapest()
    if cheapest is not None:
        every = not np.isnan(means.cost_usd[means.queries > 0]).any()
        found.append(_cheapest(table, cheapest, every))
    found += [_random(table), _oracle(table)]
    if any(table.tasks):
        found.append(_best_per_task(table))
    if table.offered.any(axis=1).sum() > 1:
        found.append(_offline_router(table, contexts, seen_by))
    return tuple(found)


def _single(table: OutcomeTable, slot: int, means: ArmMeans) -> Reference:
    known = int(means.queries[slot])
    note = "" if known == len(table) else f"over the {known:,} of {len(table):,} queries it has"
    return _valued(table, _always(table, slot), table.arm_names[slot], "arm", note=note)


def _best_single(table: OutcomeTable, means: ArmMeans) -> Reference:
    slot = means.best_single()
    return _valued(
        table,
        _always(table, slot),
        f"best single ({table.arm_names[slot]})",
        "best_single",
        hindsight=True,
        note="best mean quality on the whole set, known only afterwards",
    )


def _cheapest(table: OutcomeTable, slot: int, every_cost_known: bool) -> Reference:
    return _valued(
        table,
        _always(table, slot),
        f"cheapest ({table.arm_names[slot]})",
        "cheapest",
        note="least mean cost" + " of those that are known" * (not every_cost_known),
    )


def _random(table: OutcomeTable) -> Reference:
    offered = table.offered
    shares = offered / np.maximum(offered.sum(axis=1, keepdims=True), 1)
    return _valued(
        table, shares, "random", "random", note="every offered arm alike, in expectation"
    )


def _oracle(table: OutcomeTable) -> Reference:
    optimal = optimal_arms(worth(table), table.cost_usd)
    by = "quality" if table.expected is None else "expected quality"
    return _valued(
        table,
        _chosen(table, _first(optimal)),
        "oracle",
        "oracle",
        hindsight=True,
        note=f"best {by} of each query, and the cheapest of those",
    )


def _best_per_task(table: OutcomeTable) -> Reference:
    return _valued(
        table,
        _chosen(table, route_by_task(table)),
        "best per task",
        "best_per_task",
        hindsight=True,
        note="best mean quality of each task on the same queries, known only afterwards",
    )


def _offline_router(table: OutcomeTable, contexts: Array, seen_by: str) -> Reference:
    return _valued(
        table,
        _chosen(table, route_offline(table, contexts)),
        "offline router",
        "offline_router",
        hindsight=True,
        note=(
            f"ridge on every arm's outcomes, {FOLDS} folds, routes only queries it has not seen, "
            f"by what {seen_by} sees of them"
        ),
    )


def route_by_task(table: OutcomeTable) -> Rows:
    """The offered arm with the best mean quality on the query's task, (n,); -1 where none is."""
    names, task_of = np.unique(np.array(table.tasks), return_inverse=True)
    known_cost = np.where(table.offered, table.cost_usd, np.nan)
    members = [task_of == number for number in range(len(names))]
    quality = np.array([known_mean(table.quality[member]) for member in members])
    cost = np.array([known_mean(known_cost[member]) for member in members])
    offered_quality = np.where(table.offered, quality[task_of], np.nan)
    return _first(optimal_arms(offered_quality, cost[task_of]))


def _first(optimal: Mask) -> Rows:
    """The first slot of each row that is set, -1 where none is."""
    return np.where(optimal.any(axis=1), np.argmax(optimal, axis=1), -1)


def _always(table: OutcomeTable, slot: int) -> Array:
    return _chosen(table, np.full(len(table), slot, dtype=np.intp))


def _chosen(table: OutcomeTable, slots: Rows) -> Array:
    """The chances of a sure choice, (n, K); all 0 where it is not offered, or -1."""
    chances: Array = (slots[:, None] == np.arange(len(table.arms))) & table.offered
    return chances.astype(np.float64)


def _valued(
    table: OutcomeTable,
    chances: Array,
    name: str,
    kind: str,
    *,
    hindsight: bool = False,
    note: str = "",
) -> Reference:
    """What choosing by these chances, (n, K), earns and takes in expectation."""
    can = chances > 0  # only what is offered, so its quality is known
    amounts: dict[Resource, float | None] = {}
    remarks = [note] * bool(note)
    for resource in RESOURCES:
        amounts[resource], known = expectation(table, resource, chances)
        # An arm of which nothing is known is named once for all, in the notes on the set.
        if amounts[resource] is None and is_told(table, resource) and (known or kind != "arm"):
            remarks.append(untold(resource, known, "its calls"))
    return Reference(
        name=name,
        kind=kind,
        hindsight=hindsight,
        quality=float(np.sum(table.quality * chances, where=can))
        / float(np.sum(chances, where=can)),
        cost_usd=amounts["cost_usd"],
        latency_seconds=amounts["latency_seconds"],
        energy_joules=amounts["energy_joules"],
        note="; ".join(remarks),
    )
