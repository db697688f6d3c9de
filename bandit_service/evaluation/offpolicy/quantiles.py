"""Quantiles of cost, latency and energy under a target policy."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Array = NDArray[np.float64]


def weighted_quantile(values: Array, weights: Array, share: float) -> float:
    """The least value at or below which `share` of all weight lies. values, weights (n,)."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    place = int(np.searchsorted(reached, share * reached[-1] * (1.0 - 1e-12), side="left"))
    return float(values[order[min(place, len(values) - 1)]])


def quantile_interval(
    values: Array, weights: Array, share: float, level: float = 0.95
) -> tuple[float, float, float]:
    """Estimate and interval of a quantile (Woodruff 1952).

    The share of weight below the estimate is itself an estimate, sum w 1{y <= t} / sum w, with a
    standard error by the delta method; the quantiles at its two ends are the interval's ends.
    """
    value = weighted_quantile(values, weights, share)
    pulled = weights * ((values <= value) - share)
    error = float(np.sqrt(pulled @ pulled)) / float(weights.sum())
    reach = float(ndtri((1.0 + level) / 2.0)) * error
    low = weighted_quantile(values, weights, max(0.0, share - reach))
    high = weighted_quantile(values, weights, min(1.0, share + reach))
    return value, low, high
