"""Bootstrap intervals of means over decisions. Pure: equal numbers give equal intervals."""

import numpy as np
from numpy.typing import NDArray

from bandit_service.model import Interval

Array = NDArray[np.float64]

TIMES = 1_000
LEVEL = 0.95
_SEED = 0


class Resamples:
    """How often each of n rows is drawn in each of many resamples, for paired intervals."""

    def __init__(self, rows: int) -> None:
        self._counts: Array | None = None
        if rows > 1:
            luck = np.random.default_rng(_SEED)
            chances = np.full(rows, 1.0 / rows)
            self._counts = luck.multinomial(rows, chances, size=TIMES).astype(np.float64)

    def mean(self, values: Array) -> Interval:
        """Of values (n,)."""
        return self.weighted_mean(values, np.ones(len(values)))

    def weighted_mean(self, values: Array, weights: Array) -> Interval:
        """The self-normalised mean of values (n,) under weights (n,), which are not all 0."""
        value = float(weights @ values / weights.sum())
        if self._counts is None:
            return Interval(value)
        totals = self._counts @ weights
        with np.errstate(invalid="ignore"):  # a resample may have drawn no weight at all
            means = self._counts @ (weights * values) / totals
        tail = 50.0 * (1.0 - LEVEL)
        low, high = np.nanpercentile(means, [tail, 100.0 - tail])
        return Interval(value, float(low), float(high))
