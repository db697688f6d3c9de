"""The bootstrap, with nothing kept but sums: how often a row counts in a resample is a function of
the seed, the resample and the row (or its cluster), so rows may come in any blocks.

Each row, or each cluster as a whole, counts Poisson(1) times (Hanley and MacGibbon 2006): the
bootstrap's multinomial without its fixed total.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.offpolicy import intervals
from bandit_service.evaluation.offpolicy.estimators import Terms
from bandit_service.evaluation.offpolicy.results import Interval

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Keys = NDArray[np.uint64]

RESAMPLES = 1000
MOST_UNITS = 1_000_000
OWN = "mean"  # the policy that logged, judged on its own log
Key = tuple[str, str]  # measure and estimator

_TABLE = 2**16
_UNITS_AT_ONCE, _RESAMPLES_AT_ONCE = 4096, 64
_DRAWS = 4  # of 16 bits, in each number of 64
_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def _counts_table() -> Array:
    """Values of a Poisson(1) variable, as often as it takes them, (65536,)."""
    chances = np.exp(-1.0) / np.cumprod(np.maximum(np.arange(12.0), 1.0))
    steps = np.round(np.cumsum(chances) * _TABLE).astype(np.intp)
    return np.searchsorted(steps, np.arange(_TABLE), side="right").astype(np.float64)


def _mixed(values: Keys) -> Keys:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014), in place."""
    values ^= values >> np.uint64(30)
    values *= np.uint64(_FIRST)
    values ^= values >> np.uint64(27)
    values *= np.uint64(_SECOND)
    values ^= values >> np.uint64(31)
    return values


class Resampler:
    """The same resampled rows for any number of estimates, so that differences are paired.

    rows   how many there will be, for none to count apart from its neighbours beyond `most` units,
           which changes an interval by less than its own luck and bounds the time
    """

    def __init__(self, seed: int, resamples: int, rows: int, most: int = MOST_UNITS) -> None:
        self.resamples = resamples
        self._rows, self._most, self._table = rows, most, _counts_table()
        streams = np.arange(1, -(-resamples // _DRAWS) + 1, dtype=np.uint64)
        mixed = _mixed(np.array([(seed * 2 + 1) % 2**64], dtype=np.uint64))
        self._streams: Keys = mixed + streams * np.uint64(_GOLDEN)

    def units(self, clusters: NDArray[np.int64], start: int) -> Keys:
        """What each row (n,) is resampled as; the first is row `start` of all. Clusters (n,) are -1
        for rows on their own."""
        places = np.arange(start, start + len(clusters), dtype=np.int64)
        keys = clusters
        if self._rows > self._most:
            places, keys = places * self._most // self._rows, clusters % self._most
        # Odd for clusters and even for rows, so that they never meet.
        made: NDArray[np.int64] = np.where(clusters >= 0, 2 * keys + 1, 2 * places)
        return made.astype(np.uint64)

    def sums(self, clusters: NDArray[np.int64], start: int, columns: Array) -> Array:
        """Sums of columns (n, m): as they are, then over each resample, (1 + resamples, m)."""
        made = np.zeros((1 + self.resamples, columns.shape[1]))
        made[0] = columns.sum(axis=0)
        keys, summed = _by_unit(self.units(clusters, start), columns)
        for first in range(0, len(keys), _UNITS_AT_ONCE):
            some = slice(first, first + _UNITS_AT_ONCE)
            self._add(made[1:], _mixed(keys[some] * np.uint64(_GOLDEN)), summed[some])
        return made

    def _add(self, made: Array, keys: Keys, columns: Array) -> None:
        for at in range(0, self.resamples, _RESAMPLES_AT_ONCE):
            streams = self._streams[at // _DRAWS : (at + _RESAMPLES_AT_ONCE) // _DRAWS]
            luck = _mixed(streams[:, None] ^ keys)
            draws = luck.view(np.uint16).reshape(len(streams), len(keys), _DRAWS)
            counts = self._table[draws.transpose(0, 2, 1)].reshape(-1, len(keys))
            into = made[at : at + _RESAMPLES_AT_ONCE]
            into += counts[: len(into)] @ columns


def _by_unit(keys: Keys, columns: Array) -> tuple[Keys, Array]:
    """Each unit once, with the sums of its rows."""
    if (keys[1:] > keys[:-1]).all():
        return keys, columns
    kept, places = np.unique(keys, return_inverse=True)
    order = np.argsort(places, kind="stable")
    starts = np.searchsorted(places[order], np.arange(len(kept)))
    return kept, np.add.reduceat(columns[order], starts, axis=0)


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """Estimates, and the values that they have over resampled rows (resamples,), all paired."""

    values: Mapping[Key, float]
    paths: Mapping[Key, Array]
    level: float

    def interval(self, key: Key, minus: Key | None = None) -> Interval:
        """Of an estimate, or of its difference from another."""
        values, estimate = self.paths[key], self.values[key]
        if minus is not None:
            values, estimate = values - self.paths[minus], estimate - self.values[minus]
        low, high = intervals.bias_corrected(values, estimate, self.level)
        return Interval(method="bootstrap", low=low, high=high)


class Resampling:
    """Gathers the sums of estimates' terms, block after block."""

    def __init__(self, resampler: Resampler) -> None:
        self._resampler = resampler
        self._places: dict[Key, tuple[int | None, int, int, int]] = {}
        self._sums: Array | None = None

    def add(
        self,
        start: int,
        clusters: NDArray[np.int64],
        terms: Mapping[Key, tuple[Terms, Mask]],
    ) -> None:
        """Terms of those of the block's n rows where the mask (n,) is set. Every block has the same
        estimates; arrays that some of them share are summed once."""
        columns: list[Array] = []
        known: dict[tuple[int, int], int] = {}

        def place(values: Array | None, mask: Mask) -> int:
            key = id(values), id(mask)
            if key not in known:
                known[key] = len(columns)
                wide = np.zeros(len(mask))
                wide[mask] = 1.0 if values is None else values
                columns.append(wide)
            return known[key]

        for key, (each, mask) in terms.items():
            self._places[key] = (
                None if each.base is None else place(each.base, mask),
                place(each.part, mask),
                place(each.share, mask),
                place(None, mask),
            )
        if columns:
            sums = self._resampler.sums(clusters, start, np.column_stack(columns))
            self._sums = sums if self._sums is None else self._sums + sums

    def found(self, level: float) -> Resampled:
        values, paths = {}, {}
        for key, (base, part, share, count) in self._places.items():
            assert self._sums is not None
            sums = self._sums.T
            with np.errstate(divide="ignore", invalid="ignore"):
                path = sums[part] / sums[share]
                if base is not None:
                    path = path + sums[base] / sums[count]
            values[key] = float(path[0])
            # A resample that lost all the weight says nothing: it repeats the whole sample.
            paths[key] = np.where(np.isfinite(path[1:]), path[1:], path[0])
        return Resampled(values, paths, level)


def resampled(
    terms: Sequence[Terms],
    seed: int,
    *,
    clusters: NDArray[np.int64] | None = None,
    resamples: int = RESAMPLES,
    most: int = MOST_UNITS,
) -> Array:
    """Values of each of m estimates of n rows over the same resampled rows, (resamples, m).

    Without `clusters` every row is on its own.
    """
    count = len(terms[0].part)
    if clusters is None:
        clusters = np.full(count, -1, dtype=np.int64)
    all_rows = np.ones(count, dtype=np.bool_)
    made = Resampling(Resampler(seed, resamples, count, most))
    made.add(0, clusters, {("", str(at)): (each, all_rows) for at, each in enumerate(terms)})
    return np.column_stack(list(made.found(0.95).paths.values()))
