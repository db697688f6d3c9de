"""How sure an estimate is: bootstrap over rows or clusters, and empirical Bernstein bounds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bandit_service.evaluation.offpolicy.estimators import Terms

Array = NDArray[np.float64]
Bounds = tuple[float, float]

RESAMPLES = 1000
_TABLE = 2**16
MOST_UNITS = 1_000_000
_UNITS_AT_ONCE = 2**15


def _counts_table() -> Array:
    """Values of a Poisson(1) variable, as often as it takes them, (65536,)."""
    chances = np.exp(-1.0) / np.cumprod(np.maximum(np.arange(12.0), 1.0))
    steps = np.round(np.cumsum(chances) * _TABLE).astype(np.intp)
    return np.searchsorted(steps, np.arange(_TABLE), side="right").astype(np.float64)


class Resampler:
    """The same resampled rows for any number of estimates, so that differences are paired.

    Each row, or each cluster as a whole, counts Poisson(1) times (Hanley and MacGibbon 2006): the
    bootstrap's multinomial without its fixed total, so that rows may come in any blocks.

    clusters   (n,), -1 for a row on its own
    most       units that are resampled; beyond that, neighbours count together, which changes an
               interval by less than its own luck and bounds time and memory
    """

    def __init__(
        self,
        clusters: NDArray[np.int64],
        seed: int,
        resamples: int = RESAMPLES,
        most: int = MOST_UNITS,
    ) -> None:
        self._seed, self._resamples, self._rows = seed, resamples, len(clusters)
        self._groups: NDArray[np.intp] | None = None
        self.units = len(clusters)
        if (clusters >= 0).any():
            keys = clusters.copy()
            alone = np.flatnonzero(keys < 0)
            keys[alone] = -1 - alone
            kept, self._groups = np.unique(keys, return_inverse=True)
            self.units = len(kept)
        if self.units > most:
            places = np.arange(self._rows) if self._groups is None else self._groups
            self._groups = places * most // self.units
            self.units = most

    def reduced(self, terms: Terms) -> Array:
        """Sums of base, part and share of each unit, and its rows: (units, 4)."""
        if len(terms.base) != self._rows:
            raise ValueError(f"terms of {len(terms.base)} rows, expected {self._rows}")
        ones = np.ones(self._rows)
        columns = terms.base, terms.part, ones if terms.share is None else terms.share, ones
        if self._groups is None:
            return np.column_stack(columns)
        groups = self._groups
        return np.column_stack(
            [np.bincount(groups, weights=column, minlength=self.units) for column in columns]
        )

    def values(self, reduced: Sequence[Array]) -> Array:
        """Values of m estimates over the same resampled units, (resamples, m)."""
        columns = np.column_stack([*(each[:, :3] for each in reduced), reduced[0][:, 3]])
        rng, table = np.random.default_rng(self._seed), _counts_table()
        sums = np.zeros((self._resamples, columns.shape[1]))
        for start in range(0, len(columns), _UNITS_AT_ONCE):
            part = np.ascontiguousarray(columns[start : start + _UNITS_AT_ONCE])
            for at in range(self._resamples):
                luck = rng.integers(0, _TABLE, len(part), dtype=np.uint16)
                sums[at] += table[luck] @ part
        # A resample that lost all the weight says nothing: it repeats the whole sample.
        with np.errstate(divide="ignore", invalid="ignore"):
            values = _estimates(sums)
        whole = _estimates(columns.sum(axis=0)[None])
        kept: Array = np.where(np.isfinite(values), values, whole)
        return kept


def _estimates(sums: Array) -> Array:
    """(b, m) from sums (b, 3 m + 1)."""
    made: Array = sums[:, 0:-1:3] / sums[:, -1:] + sums[:, 1:-1:3] / sums[:, 2:-1:3]
    return made


def resampled(
    terms: Sequence[Terms],
    seed: int,
    *,
    clusters: NDArray[np.int64] | None = None,
    resamples: int = RESAMPLES,
) -> Array:
    """Values of each of m estimates of n rows over the same resampled rows, (resamples, m).

    See `Resampler`; without `clusters` every row is on its own.
    """
    if clusters is None:
        clusters = np.full(len(terms[0].base), -1)
    resampler = Resampler(clusters, seed, resamples)
    return resampler.values([resampler.reduced(each) for each in terms])


def percentile(values: Array, level: float = 0.95) -> Bounds:
    """Two-sided interval from resampled values (resamples,)."""
    low, high = np.quantile(values, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)


def normal(terms: Terms, level: float = 0.95) -> Bounds:
    """The central limit theorem's. For rows on their own, and n large beside the weights."""
    reach = float(ndtri((1.0 + level) / 2.0)) * terms.standard_error
    return terms.value - reach, terms.value + reach


def bernstein_lower(terms: Array, low: float, high: float, delta: float) -> float:
    """What the mean of n independent terms in [low, high] surely exceeds, but for chance delta.

    mean - sqrt(2 Var ln(2/delta) / n) - 7 (high - low) ln(2/delta) / (3 (n - 1)), at any n and for
    any distribution (Maurer and Pontil 2009, theorem 4). The range must be known beforehand: the
    largest term that happened to be seen is not a bound.
    """
    count = len(terms)
    if count < 2:
        return low
    if terms.min() < low - 1e-9 or terms.max() > high + 1e-9:
        raise ValueError(
            f"terms from {terms.min():g} to {terms.max():g} are not in [{low:g}, {high:g}]"
        )
    log = np.log(2.0 / delta)
    reach = np.sqrt(2.0 * float(terms.var(ddof=1)) * log / count)
    reach += 7.0 * (high - low) * log / (3.0 * (count - 1))
    return max(low, float(terms.mean() - reach))


def bernstein_value(weights: Array, quality: Array, most: float, level: float = 0.95) -> Bounds:
    """Bounds on a target's quality in [0, 1], from w y and w (1 - y), both in [0, most].

    most   the largest weight that was possible, drawn or not
    """
    delta = (1.0 - level) / 2.0
    low = bernstein_lower(weights * quality, 0.0, most, delta)
    return low, 1.0 - bernstein_lower(weights * (1.0 - quality), 0.0, most, delta)


def bernstein_difference(
    weights: Array, quality: Array, most: float, level: float = 0.95
) -> Bounds:
    """Bounds on a target's quality minus that of the policy that logged, on paired rows.

    By (w - 1) y from below and (w - 1) (1 - y) from above, both in [-1, most - 1].
    """
    delta, high = (1.0 - level) / 2.0, max(most - 1.0, 0.0)
    low = bernstein_lower((weights - 1.0) * quality, -1.0, high, delta)
    return low, -bernstein_lower((weights - 1.0) * (1.0 - quality), -1.0, high, delta)
