"""What resampling cannot give: bounds at any n, at any time, for logs of learners."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.offpolicy import adaptive, anytime, drifting, estimators
from bandit_service.evaluation.offpolicy.evidence import Evidence
from bandit_service.evaluation.offpolicy.gathering import Gathered, Shared
from bandit_service.evaluation.offpolicy.intervals import Bounds, Ends
from bandit_service.evaluation.offpolicy.results import Interval, Path

Array = NDArray[np.float64]


class QualityBounds:
    """Of one candidate's quality, as its evidence comes.

    full   whether every arm's chance was logged: then the range of the weights is known, and how
           much they vary from block to block
    """

    def __init__(self, one: Gathered, shared: Shared, full: bool, level: float) -> None:
        rows = shared.known["quality"]
        self._one, self._full, self._level = one, full, level
        self._value, self._difference = Ends(), Ends()
        # What the log's own policy earned moved while it learned, so the difference did.
        self._drifting, self._ahead = drifting.Differences(1.0, level), (-1.0, 1.0)
        self._path = PathSoFar(rows, level, one.drifts)
        self._adaptive = adaptive.WeightedMean()
        self._rows = adaptive.stabilised(np.array(one.spreads)) if full else np.zeros(0)

    def add(self, quality: Evidence, block: int) -> None:
        weights, outcomes = quality.weights, quality.outcomes
        self._path.add(quality)
        if len(weights):
            path = self._drifting.compare(weights, np.ones(len(weights)), outcomes)
            self._ahead = float(path.low[-1]), float(path.high[-1])
        if self._full:
            self._value.add(weights, outcomes)
            self._difference.add(weights - 1.0, outcomes)
            terms = estimators.dr(quality).rows
            self._adaptive.add(terms, np.full(len(terms), self._rows[block]))

    def of(self, estimator: str) -> Iterator[Interval]:
        if estimator == "ips":
            if self._full:
                ends = self._value.bounds(0.0, self._one.most, 1.0, self._level)
                yield _interval("bernstein", ends)
            yield _interval("anytime", self._path.last)
        elif estimator == "dr" and self._full:
            _, low, high = self._adaptive.interval(self._level)
            yield _interval("adaptive", (low, high))

    def of_difference(self) -> Iterator[Interval]:
        if self._full:
            high = max(self._one.most - 1.0, 0.0)
            ends = self._difference.bounds(-1.0, high, 0.0, self._level)
            yield _interval("bernstein", ends)
        yield _interval("anytime", self._ahead)

    def path(self) -> Path:
        return self._path.found()


class PathSoFar:
    """The lead estimate after each of some rows, with bounds that hold at all of them at once.

    They are for one value that every row has on average; if that `drifts`, for its average so far.
    """

    def __init__(self, rows: int, level: float, drifts: bool) -> None:
        self._at = anytime.looks(rows)
        self._bets: anytime.ValueBets | _Drifting = (
            _Drifting(self._at, level) if drifts else anytime.ValueBets(self._at, level, rows)
        )
        self._seen, self._sums = 0, np.zeros(2)
        self._means: list[Array] = []

    def add(self, quality: Evidence) -> None:
        self._bets.add(quality.weights, quality.outcomes)
        told = np.stack([estimators.dr(quality).rows, quality.outcomes])
        reached = self._sums[:, None] + np.cumsum(told, axis=1)
        end = self._seen + len(quality)
        at = self._at[(self._at > self._seen) & (self._at <= end)]
        self._means.append(reached[:, at - self._seen - 1] / at)
        self._seen = end
        if len(quality):
            self._sums = reached[:, -1]

    @property
    def last(self) -> Bounds:
        looks = self._bets.looks()
        return float(looks.low[-1]), float(looks.high[-1])

    def found(self) -> Path:
        looks, (value, incumbent) = self._bets.looks(), np.concatenate(self._means, axis=1)
        return Path(
            rows=tuple(self._at.tolist()),
            value=tuple(value.tolist()),
            incumbent=tuple(incumbent.tolist()),
            low=tuple(looks.low.tolist()),
            high=tuple(looks.high.tolist()),
        )


class _Drifting:
    """`anytime.ValueBets` for a value that moves. What was sure once need not stay so."""

    def __init__(self, at: NDArray[np.intp], level: float) -> None:
        self._at, self._seen, self._values = at, 0, drifting.Values(level)
        self._bounds: list[Array] = []

    def add(self, weights: Array, quality: Array) -> None:
        path = self._values.judge(weights, quality)
        end = self._seen + len(weights)
        here = self._at[(self._at > self._seen) & (self._at <= end)] - self._seen - 1
        self._bounds.append(np.stack([path.low[here], path.high[here]]))
        self._seen = end

    def looks(self) -> anytime.Looks:
        return anytime.Looks(self._at, *np.concatenate(self._bounds, axis=1))


def _interval(method: str, ends: Bounds) -> Interval:
    return Interval(method=method, low=float(ends[0]), high=float(ends[1]))
