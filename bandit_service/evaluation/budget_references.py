"""What somebody who knows more than a policy does in time would make of the same budgets.

Each sends every query to the arm of greatest predicted quality less price times amount; the price
is the one at which the whole set takes the budget, so it is hindsight as well.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from bandit_service.evaluation.allowances import Allowance, Resource
from bandit_service.evaluation.hull import Hull
from bandit_service.evaluation.offline_router import FOLDS, predict
from bandit_service.evaluation.optimal import known_mean
from bandit_service.evaluation.results import BudgetReference
from bandit_service.evaluation.table import Array, OutcomeTable

HALVINGS = 60


def budget_references(
    table: OutcomeTable,
    contexts: Array,
    hulls: dict[Resource, Hull],
    allowances: Sequence[Allowance],
) -> tuple[BudgetReference, ...]:
    """Of every budget: the hull, a router taught offline, and an oracle. Contexts are (n, d).

    The router knows the arms' mean amounts, the oracle what each single call takes. A budget that
    even the cheapest choice exceeds has none of them.
    """
    wanted = dict.fromkeys((name, rate) for each in allowances for name, rate in each.rates.items())
    if not wanted:
        return ()
    predicted = predicted_apart(table, contexts)
    found = []
    for resource, rate in wanted:
        amounts: Array = getattr(table, resource)
        usual = np.broadcast_to(known_mean(amounts), amounts.shape)
        height = hulls[resource].quality_at(rate)
        qualities: dict[Literal["hull", "offline_router", "oracle"], float | None] = {
            "hull": height,
            "offline_router": best_within(table.quality, usual, rate, predicted),
            "oracle": best_within(table.quality, amounts, rate, table.quality),
        }
        found += [
            BudgetReference(kind=kind, resource=resource, budget=rate, quality=quality)
            for kind, quality in qualities.items()
            if quality is not None
        ]
    return tuple(found)


def predicted_apart(table: OutcomeTable, contexts: Array, seed: int = 0) -> Array:
    """Every arm's quality on every query, by ridges that have not seen the query, (n, K)."""
    usable = np.flatnonzero(table.offered.any(axis=1))
    shuffled = np.random.default_rng(seed).permutation(usable)
    predicted = np.full(table.quality.shape, np.nan)
    for held_out in np.array_split(shuffled, min(FOLDS, len(shuffled))):
        training = np.setdiff1d(usable, held_out)
        if len(training) and len(held_out):
            predicted[held_out] = predict(
                contexts[training], table.quality[training], contexts[held_out]
            )
    return predicted


def best_within(quality: Array, amounts: Array, budget: float, judged: Array) -> float | None:
    """Mean quality of choosing by `judged`, all (n, K), at a mean amount of at most `budget`.

    Arms of unknown quality or amount take no part. None: even the least amounts are too much.
    """
    open_arms = ~(np.isnan(quality) | np.isnan(amounts) | np.isnan(judged))
    rows = np.flatnonzero(open_arms.any(axis=1))
    usable, each = open_arms[rows], np.arange(len(rows))
    taken = np.where(usable, amounts[rows], np.inf)
    value = np.where(usable, judged[rows], -np.inf)

    def chosen(price: float) -> tuple[float, float]:
        arms = np.argmax(np.where(usable, value - price * np.where(usable, taken, 0.0), -np.inf), 1)
        return float(taken[each, arms].mean()), float(quality[rows][each, arms].mean())

    if not len(rows) or taken.min(axis=1).mean() > budget * (1 + 1e-9):
        return None
    low, high = 0.0, 1.0
    if (free := chosen(0.0))[0] <= budget:
        return free[1]
    while chosen(high)[0] > budget and high < 1e15:
        low, high = high, 4.0 * high
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if chosen(middle)[0] > budget else (low, middle)
    (above, dear), (below, cheap) = chosen(low), chosen(high)
    share = (budget - below) / (above - below) if above > below else 0.0
    return cheap + min(max(share, 0.0), 1.0) * (dear - cheap)
