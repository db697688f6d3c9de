"""Bounds that hold at every look: stop when you like, promote when you like.

Bet against each value m that the mean might have: wealth begins at 1 and is multiplied by
1 + l (x - m) for every row, with a stake l in [0, 1/m) fixed before the row is seen. If m is the
mean, wealth is a martingale that stays positive, and passes 1/alpha at any time with chance at
most alpha (Ville). So the values whose wealth has ever passed it are ruled out: a lower bound
that needs x >= 0 and no upper end at all, which is why large weights do not empty it
(Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting";
Waudby-Smith et al. 2024 and Karampatziakis, Mineiro and Ramdas 2021 for off-policy use).

It also holds for logs of a policy that learned: all it asks is that each row's mean is the same,
given the rows before it. It is for one target fixed before the log began.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

POINTS = 400  # values of the mean that are bet against
MOST_STAKE = 0.5  # of what could be lost in one row
_AT_ONCE = 4096
# An opinion before the first row: a mean in the middle, spread as wide as it can be.
_PRIOR_ROWS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Two-sided bounds after each of the rows `at` (L,); they never widen."""

    at: NDArray[np.intp]
    low: Array
    high: Array


def lower_bounds(
    terms: Array, at: NDArray[np.intp], alpha: float, most: float = 1.0, points: int = POINTS
) -> Array:
    """What the mean of terms (n,) >= 0 surely exceeds, after each of the rows `at` (L,).

    The mean is known to lie in [0, most]; the terms themselves have no upper end. All L bounds hold
    at once with chance 1 - alpha.
    """
    if len(terms) and terms.min() < 0.0:
        raise ValueError(f"terms must be >= 0, got {terms.min():g}")
    means = most * np.arange(1, points + 1) / points
    wealth, peak = np.zeros(points), np.zeros(points)
    bounds = np.zeros(len(at))
    total, square, seen, look = 0.0, 0.0, 0, 0
    for start in range(0, len(terms), _AT_ONCE):
        part = terms[start : start + _AT_ONCE]
        # Mean and variance before each row, nothing of the row itself.
        before = np.arange(seen, seen + len(part)) + _PRIOR_ROWS
        sums = total + np.concatenate(([0.0], np.cumsum(part)[:-1]))
        squares = square + np.concatenate(([0.0], np.cumsum(part * part)[:-1]))
        mean = (sums + _PRIOR_ROWS * most / 2.0) / before
        variance = (squares + _PRIOR_ROWS * most * most / 2.0) / before - mean * mean
        edge = mean[:, None] - means
        stakes = edge / (np.maximum(variance, 1e-12)[:, None] + edge * edge)
        np.clip(stakes, 0.0, MOST_STAKE / means, out=stakes)
        path = wealth + np.cumsum(np.log1p(stakes * (part[:, None] - means)), axis=0)
        peaks = np.maximum(np.maximum.accumulate(path, axis=0), peak)
        while look < len(at) and at[look] <= start + len(part):
            reached = peaks[at[look] - start - 1] if at[look] > start else peak
            bounds[look] = _ruled_out(reached, means, alpha)
            look += 1
        wealth, peak = path[-1], peaks[-1]
        total, square = total + float(part.sum()), square + float(part @ part)
        seen += len(part)
    return bounds


def _ruled_out(peak: Array, means: Array, alpha: float) -> float:
    """The largest value up to which every point is ruled out.

    It passes the mean only if the first point above the mean is ruled out, whose wealth can only
    shrink on average: that the points are apart costs precision, never validity.
    """
    standing = np.flatnonzero(peak < np.log(1.0 / alpha))
    first = int(standing[0]) if len(standing) else len(means)
    return float(means[first - 1]) if first else 0.0


def value_bounds(
    weights: Array, quality: Array, at: NDArray[np.intp], level: float = 0.95
) -> Looks:
    """Bounds on a target's quality in [0, 1] from w y and w (1 - y), (n,) each."""
    alpha = (1.0 - level) / 2.0
    low = lower_bounds(weights * quality, at, alpha)
    high = 1.0 - lower_bounds(weights * (1.0 - quality), at, alpha)
    return Looks(at, low, high)


def difference_bounds(
    weights: Array, quality: Array, at: NDArray[np.intp], level: float = 0.95
) -> Looks:
    """Bounds on a target's quality minus that of the policy that logged, in [-1, 1].

    Per row (w - 1) y >= -1 from below, and (w - 1)(1 - y) >= -1 from above: both are shifted by 1,
    so that they are at least 0, and the difference lies in [0, 2] after the shift.
    """
    alpha = (1.0 - level) / 2.0
    low = lower_bounds((weights - 1.0) * quality + 1.0, at, alpha, most=2.0) - 1.0
    high = 1.0 - lower_bounds((weights - 1.0) * (1.0 - quality) + 1.0, at, alpha, most=2.0)
    return Looks(at, low, high)


def looks(count: int, number: int = 60) -> NDArray[np.intp]:
    """About `number` rows out of `count` to look after, the last among them."""
    return np.unique(np.linspace(0, count, min(number, count) + 1)[1:].round().astype(np.intp))
