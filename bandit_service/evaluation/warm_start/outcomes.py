"""A warm start from outcomes that are known of the arms: one ridge regression an arm."""

import numpy as np

from bandit_service.errors import BadTable
from bandit_service.evaluation.offline_router import PENALTIES, best_penalty, groups
from bandit_service.evaluation.table import Array, OutcomeTable
from bandit_service.model import ArmWarmStart, WarmStart


def from_outcomes(
    table: OutcomeTable, contexts: Array, *, n_eff: float, penalty: float | None = None
) -> WarmStart:
    """What each arm of the table has earned, as weights and a level; contexts (n, d) of its
    queries.

    The level is the mean quality at the mean context, carried to the context of zeros. `penalty` is
    that of the weights (the mean is not penalised); without it, the one with which the queries
    would have been routed best, each predicted by the others. An arm of which fewer outcomes are
    known than n_eff counts for no more than these. Raises BadTable where no outcome is known.
    """
    known = ~np.isnan(table.quality)
    rows = np.flatnonzero(known.any(axis=1))
    if len(rows) < 2:
        raise BadTable(table.name, "needs two queries with a known quality")
    x, quality = contexts[rows], table.quality[rows]
    regressions = groups(x, quality)
    if penalty is None:
        unit = float(np.mean(np.sum((x - x.mean(axis=0)) ** 2, axis=0))) or 1.0
        penalty = best_penalty(regressions, quality, PENALTIES * unit)
    arms: dict[str, ArmWarmStart] = {}
    for group in regressions:
        weights = group.ridge.weights(penalty)  # (d, k), the constant's is 0
        levels = group.ridge.means - group.ridge.middle @ weights
        count = float(len(group.rows))
        for place, arm in enumerate(group.arms.tolist()):
            arms[table.arms[arm].name] = ArmWarmStart(
                weights=tuple(weights[:-1, place].tolist()),
                level=float(levels[place]),
                n_eff=count if count < n_eff else None,
            )
    return WarmStart(arms=in_order(arms, table), n_eff=n_eff, spread=spread_of(x))


def spread_of(contexts: Array) -> tuple[float, ...]:
    """Mean square of each feature but the constant, (d - 1,)."""
    return tuple(np.mean(contexts[:, :-1] ** 2, axis=0).tolist())


def in_order(arms: dict[str, ArmWarmStart], table: OutcomeTable) -> dict[str, ArmWarmStart]:
    """By the order of the table's arms."""
    return {name: arms[name] for name in table.arm_names if name in arms}
