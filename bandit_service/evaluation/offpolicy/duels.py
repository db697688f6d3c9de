"""Who wins between two arms, from logged duels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Slots = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class WinRates:
    """For every ordered pair of K arms, all (K, K); NaN where the two never met.

    rate            how often the row's arm beats the column's, a tie counting half
    standard_error  of the rate
    effective_size  as many duels drawn evenly over all queries say as much
    duels           how many there were
    """

    rate: Array
    standard_error: Array
    effective_size: Array
    duels: NDArray[np.intp]


def win_rates(
    first: Slots, second: Slots, propensities: Array, preferences: Array, arms: int
) -> WinRates:
    """Pairwise win rates over all queries, not only over those that brought a pair together.

    first, second  (n,) slots of the two arms of each duel
    propensities   (n,) the chance of that pair in that order, p(first) p(second | first)
    preferences    (n,) 1 where the first is preferred, 0 where the second, 0.5 for a tie

    A duel weighs 1 / propensity, self-normalised within its pair; both orders of a pair count.
    Raises ValueError for propensities outside (0, 1], and for an arm that meets itself.
    """
    if len(first) and not ((propensities > 0.0) & (propensities <= 1.0)).all():
        raise ValueError("propensities must be in (0, 1]")
    if (first == second).any():
        raise ValueError("an arm cannot meet itself")
    weights = 1.0 / propensities
    rows = np.concatenate((first, second)) * arms + np.concatenate((second, first))
    won = np.concatenate((preferences, 1.0 - preferences))
    both = np.concatenate((weights, weights))

    def summed(values: Array) -> Array:
        return np.bincount(rows, weights=values, minlength=arms * arms).astype(np.float64)

    total = summed(both)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = summed(both * won) / total
        error = np.sqrt(summed((both * (won - rate[rows])) ** 2)) / total
        size = total**2 / summed(both**2)
    shape = arms, arms
    counts = np.bincount(rows, minlength=arms * arms)
    return WinRates(
        rate.reshape(shape), error.reshape(shape), size.reshape(shape), counts.reshape(shape)
    )
