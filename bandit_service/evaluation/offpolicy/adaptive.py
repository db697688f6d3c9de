"""Estimates from logs whose policy learned while it logged.

The terms of `dr` are unbiased given all rows before them, but late rows of an arm that fell out of
favour have a variance many times that of early ones, and their plain mean need not be normal. Rows
are weighted by h = 1 / sqrt(expected variance), known before the row, which makes the studentised
mean normal again (Hadad et al. 2021; Bibaut et al. 2021; Zhan et al. 2021, "StableVar").
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Array = NDArray[np.float64]


def spread_of(target: Array, chances: Array) -> float:
    """mean over rows of sum_a pi(a|x)^2 / p(a|x): how much the weights of these rows vary.

    target, chances  (n, K); arms without a chance are left out
    """
    possible = chances > 0.0
    ratio = np.where(possible, target**2 / np.where(possible, chances, 1.0), 0.0)
    return float(ratio.sum(axis=1).mean())


def stabilised(spreads: Array) -> Array:
    """The weight of each block's rows, (B,), from each block's spread (B,).

    A block is weighted by the spread of the block before it, so that no weight depends on its own
    rows; the first two have the first one's.
    """
    before = np.concatenate((spreads[:1], spreads[:-1]))
    weights: Array = 1.0 / np.sqrt(np.maximum(before, 1e-12))
    return weights


class WeightedMean:
    """The mean of terms, each weighted by h > 0, as they come.

    sum h t / sum h, with variance sum h^2 (t - estimate)^2 / (sum h)^2.
    """

    def __init__(self) -> None:
        self._sums = np.zeros(5)  # of h, h t, h^2, h^2 t, h^2 t^2

    def add(self, terms: Array, weights: Array) -> None:
        """(n,) each"""
        squares = weights**2
        self._sums += np.array(
            [weights.sum(), weights @ terms, squares.sum(), squares @ terms, squares @ terms**2]
        )

    def interval(self, level: float = 0.95) -> tuple[float, float, float]:
        """Estimate and both ends."""
        total, sum_, squares, first, second = self._sums.tolist()
        value = sum_ / total
        spread = second - 2.0 * value * first + value**2 * squares
        error = float(np.sqrt(max(spread, 0.0))) / total
        reach = float(ndtri((1.0 + level) / 2.0)) * error
        return value, value - reach, value + reach


def weighted_mean(terms: Array, weights: Array, level: float = 0.95) -> tuple[float, float, float]:
    """See `WeightedMean`; terms and weights (n,)."""
    mean = WeightedMean()
    mean.add(terms, weights)
    return mean.interval(level)
