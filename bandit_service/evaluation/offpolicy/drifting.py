"""Bounds that hold at every look, for policies that go on learning.

The bets of `anytime` are against one mean that every row has. Of two policies that learn, no row
has the same difference as the one before: then their lower bound speaks of the best moment and the
upper one of the worst, and they may pass each other. These here are for an average of what each
row's mean was, whatever that did. They are not intersected over time either: what the average
surely exceeded once, it may fall below later.

For x >= -1 and 0 <= l < 1, exp(l x - psi(l) x^2) <= 1 + l x with psi(l) = -ln(1 - l) - l (Fan,
Grama and Liu 2015). So with stakes l_i and centres m_i that are fixed before each row, and terms
t_i with (t_i - m_i) / b >= -1, it holds with chance 1 - alpha, at all rows at once, that

    sum l_i mean_i >= sum l_i t_i - b (ln(1 / alpha) + sum psi(l_i) ((t_i - m_i) / b)^2).

Divided by the sum of the stakes this is the predictable plug-in empirical Bernstein bound
(Waudby-Smith and Ramdas 2024). The terms need no upper end.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MOST_STAKE = 0.5
MOST_CENTRE = 0.25  # of differences' running mean: the larger, the larger b has to be
# An opinion before the first row: scaled terms' squares as large as this, worth so many rows.
PRIOR_SQUARE, PRIOR_ROWS = 0.1, 10.0


class Path(NamedTuple):
    """An average so far and its bounds, after each of n rows, (n,) each."""

    value: Array
    low: Array
    high: Array


class Averages:
    """Bounds on an average, from terms and from what mirrors them, as they come.

    The terms t are never below `least` <= 0, nor are their mirror images u, whose means are
    `mirror` minus those of t: so each side's lower bound is one of the other's upper ones.
    `ends`: between which the average lies. Earlier rows count more in it, the i-th about as
    1 / sqrt(i log i).
    """

    def __init__(
        self, least: float, centre: float, mirror: float, ends: tuple[float, float], level: float
    ) -> None:
        alpha = (1.0 - level) / 2.0
        self._scale, self._mirror, self._ends, self._alpha = centre - least, mirror, ends, alpha
        self._squares = _Before(PRIOR_SQUARE)
        self._low = _Side(self._scale, centre, alpha)
        self._high = _Side(self._scale, centre, alpha)
        self._staked, self._won = 0.0, 0.0

    def add(self, spreads: Array, terms: Array, mirrored: Array) -> Path:
        """The path over these rows, (n,) each. `spreads` say how much is at stake in each row: what
        t and u are at most, but for quality."""
        # The same stakes for both sides, so that they bound one average; each fixed before its row.
        rows = self._squares.rows + np.arange(1, len(terms) + 1)
        squares = self._squares.add((spreads / self._scale) ** 2)
        wanted = np.sqrt(2.0 * np.log(1.0 / self._alpha) / (squares * rows * np.log1p(rows)))
        stakes: Array = np.minimum(MOST_STAKE, wanted)
        staked = self._staked + np.cumsum(stakes)
        won = self._won + np.cumsum(stakes * terms)
        low = self._low.add(terms, stakes) / staked
        high = self._mirror - self._high.add(mirrored, stakes) / staked
        if len(terms):
            self._staked, self._won = float(staked[-1]), float(won[-1])
        least, most = self._ends
        value = np.clip(won / staked, least, most)
        return Path(value, np.maximum(low, least), np.minimum(high, most))


class Differences(Averages):
    """How much better one target was than another, on average over the rows so far.

    `most` is what the other's weight can never pass. With weights w and v of the one and of the
    other, (w - v) y >= -most from below, and (w - v) (1 - y) >= -most from above: w - v is 0 on
    average, so the mean of the second is minus that of the first.
    """

    def __init__(self, most: float, level: float) -> None:
        super().__init__(-most, MOST_CENTRE, 0.0, (-1.0, 1.0), level)

    def compare(self, weights: Array, others: Array, quality: Array) -> Path:
        """weights, others: (n,), each 1 on average whatever came before; quality: (n,) in [0, 1]"""
        ahead = weights - others
        return self.add(ahead, ahead * quality, ahead * (1.0 - quality))


class Values(Averages):
    """How good a target was on average over the rows so far: w y >= 0 from below, and w (1 - y)
    from above, whose mean is 1 minus that of the first."""

    def __init__(self, level: float) -> None:
        super().__init__(0.0, 1.0, 1.0, (0.0, 1.0), level)

    def judge(self, weights: Array, quality: Array) -> Path:
        """weights: (n,), 1 on average whatever came before; quality: (n,) in [0, 1]"""
        return self.add(weights, weights * quality, weights * (1.0 - quality))


def paired_bounds(
    weights: Array, others: Array, quality: Array, most: float, level: float = 0.95
) -> Path:
    """See `Differences`."""
    return Differences(most, level).compare(weights, others, quality)


class _Side:
    """What the stake-weighted sum of the terms' means surely exceeds."""

    def __init__(self, scale: float, centre: float, alpha: float) -> None:
        self._scale, self._most_centre = scale, centre
        self._means = _Before(0.0)
        self._sum, self._spent = 0.0, np.log(1.0 / alpha)

    def add(self, terms: Array, stakes: Array) -> Array:
        """After each of these rows, (n,)."""
        centres = np.minimum(self._means.add(terms), self._most_centre)
        penalties = (-np.log1p(-stakes) - stakes) * ((terms - centres) / self._scale) ** 2
        sums, spent = self._sum + np.cumsum(stakes * terms), self._spent + np.cumsum(penalties)
        if len(terms):
            self._sum, self._spent = float(sums[-1]), float(spent[-1])
        bound: Array = sums - self._scale * spent
        return bound


class _Before:
    """The mean of the values before each row, with a prior that counts for PRIOR_ROWS of them."""

    def __init__(self, prior: float) -> None:
        self._prior, self._sum, self.rows = prior, 0.0, 0

    def add(self, values: Array) -> Array:
        """Before each of these, (n,)."""
        sums = self._sum + np.concatenate(([0.0], np.cumsum(values)))
        rows = self.rows + np.arange(len(values)) + PRIOR_ROWS
        self._sum, self.rows = float(sums[-1]), self.rows + len(values)
        means: Array = (sums[:-1] + self._prior * PRIOR_ROWS) / rows
        return means
