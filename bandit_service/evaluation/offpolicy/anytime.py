"""Bounds that hold at every look: stop when you like, promote when you like.

Bet against each value m that the mean might have: wealth begins at 1 and is multiplied by
1 + l (x - m) for every row, with a stake l in [0, 1/m) fixed before the row is seen. If m is the
mean, wealth is a martingale that stays positive, and passes 1/alpha at any time with chance at
most alpha (Ville). So the values whose wealth has ever passed it are ruled out: a lower bound
that needs x >= 0 and no upper end at all, which is why large weights do not empty it
(Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting";
Waudby-Smith et al. 2024 and Karampatziakis, Mineiro and Ramdas 2021 for off-policy use).

It also holds for logs of a policy that learned: all it asks is that each row's mean is the same,
given the rows before it. So it is for one target fixed before the log began, and for traffic that
stays alike: bounds that never widen speak of the best moment from below and of the worst from
above, and where the mean moves they may pass each other. For targets that learned, and for the
difference to a policy that did, `drifting` has bounds on averages.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

POINTS = 400  # values of the mean that are bet against
MOST_BETS = 200_000  # of longer logs, means of some neighbours are bet on: they have the same mean
MOST_STAKE = 0.5  # of what could be lost in one row
_AT_ONCE, _FIRST = 512, 32
# An opinion before the first row: a mean in the middle, spread as wide as it can be.
_PRIOR_ROWS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Two-sided bounds after each of the rows `at` (L,); they never widen."""

    at: NDArray[np.intp]
    low: Array
    high: Array


class Bets:
    """Terms x >= 0 as they come, and what their mean surely exceeds after some of them.

    at       (L,) after how many rows to look, increasing; all L bounds hold at once
    rows     how many there will be
    most     the mean is known to lie in [0, most]; the terms themselves have no upper end
    """

    def __init__(
        self,
        at: NDArray[np.intp],
        alpha: float,
        rows: int,
        *,
        most: float = 1.0,
        points: int = POINTS,
    ) -> None:
        self._means = most * np.arange(1, points + 1) / points
        self._wealth, self._peak = np.zeros(points), np.zeros(points)
        self._most, self._alpha, self._look = most, alpha, 0
        self._total, self._square, self._seen = 0.0, 0.0, 0
        self._together = max(1, -(-rows // MOST_BETS))
        self._at = at // self._together
        self._waiting = np.zeros(0)
        self.bounds = np.zeros(len(at))

    def add(self, terms: Array) -> None:
        if len(terms) and terms.min() < 0.0:
            raise ValueError(f"terms must be >= 0, got {terms.min():g}")
        if self._together > 1:
            terms = np.concatenate((self._waiting, terms))
            whole = len(terms) // self._together * self._together
            terms, self._waiting = terms[:whole], terms[whole:]
            terms = terms.reshape(-1, self._together).mean(axis=1)
        start = 0
        while start < len(terms):
            # A few rows at first: most points are soon ruled out, and cost nothing from then on.
            end = start + min(_AT_ONCE, _FIRST + self._seen)
            self._bet(terms[start:end])
            start = end

    def _bet(self, part: Array) -> None:
        # Mean and variance before each row, nothing of the row itself.
        before = np.arange(self._seen, self._seen + len(part)) + _PRIOR_ROWS
        sums = self._total + np.concatenate(([0.0], np.cumsum(part)[:-1]))
        squares = self._square + np.concatenate(([0.0], np.cumsum(part * part)[:-1]))
        mean = (sums + _PRIOR_ROWS * self._most / 2.0) / before
        variance = (squares + _PRIOR_ROWS * self._most**2 / 2.0) / before - mean * mean
        # A point that was ruled out stays so, and nothing is bet against one above all means.
        open_ = (self._peak < np.log(1.0 / self._alpha)) & (self._means < mean.max())
        means = self._means[open_]
        edge = mean[:, None] - means
        stakes = edge / (np.maximum(variance, 1e-12)[:, None] + edge * edge)
        np.clip(stakes, 0.0, MOST_STAKE / means, out=stakes)
        path = self._wealth[open_] + np.cumsum(np.log1p(stakes * (part[:, None] - means)), axis=0)
        peaks = np.maximum(np.maximum.accumulate(path, axis=0), self._peak[open_])
        end = self._seen + len(part)
        while self._look < len(self._at) and self._at[self._look] <= end:
            place, reached = self._at[self._look] - self._seen - 1, self._peak.copy()
            if place >= 0:
                reached[open_] = peaks[place]
            self.bounds[self._look] = _ruled_out(reached, self._means, self._alpha)
            self._look += 1
        self._wealth[open_], self._peak[open_], self._seen = path[-1], peaks[-1], end
        self._total += float(part.sum())
        self._square += float(part @ part)


def lower_bounds(
    terms: Array, at: NDArray[np.intp], alpha: float, most: float = 1.0, points: int = POINTS
) -> Array:
    """What the mean of terms (n,) >= 0 surely exceeds, after each of the rows `at` (L,).

    See `Bets`. All L bounds hold at once with chance 1 - alpha.
    """
    bets = Bets(at, alpha, len(terms), most=most, points=points)
    bets.add(terms)
    return bets.bounds


def _ruled_out(peak: Array, means: Array, alpha: float) -> float:
    """The largest value up to which every point is ruled out.

    It passes the mean only if the first point above the mean is ruled out, whose wealth can only
    shrink on average: that the points are apart costs precision, never validity.
    """
    standing = np.flatnonzero(peak < np.log(1.0 / alpha))
    first = int(standing[0]) if len(standing) else len(means)
    return float(means[first - 1]) if first else 0.0


class ValueBets:
    """Bounds on a target's quality in [0, 1] from w y and w (1 - y), as they come."""

    def __init__(self, at: NDArray[np.intp], level: float, rows: int) -> None:
        alpha = (1.0 - level) / 2.0
        self._at, self._low, self._high = at, Bets(at, alpha, rows), Bets(at, alpha, rows)

    def add(self, weights: Array, quality: Array) -> None:
        self._low.add(weights * quality)
        self._high.add(weights * (1.0 - quality))

    def looks(self) -> Looks:
        return Looks(self._at, self._low.bounds, 1.0 - self._high.bounds)


def value_bounds(
    weights: Array, quality: Array, at: NDArray[np.intp], level: float = 0.95
) -> Looks:
    """See `ValueBets`; weights and quality (n,)."""
    bets = ValueBets(at, level, len(weights))
    bets.add(weights, quality)
    return bets.looks()


def looks(count: int, number: int = 60) -> NDArray[np.intp]:
    """About `number` rows out of `count` to look after, the last among them."""
    return np.unique(np.linspace(0, count, min(number, count) + 1)[1:].round().astype(np.intp))
