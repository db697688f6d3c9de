"""Bounds that hold at every look, for policies that go on learning.

The bets of `anytime` are against one mean that every row has. Of two policies that learn, no row
has the same difference as the one before: then their lower bound speaks of the best moment and the
upper one of the worst, and they may pass each other. These here are for an average of what each
row's mean was, whatever that did.

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
MOST_CENTRE = 0.25  # of terms' running mean: the larger, the larger b has to be
# An opinion before the first row: scaled terms' squares as large as this, worth so many rows.
PRIOR_SQUARE, PRIOR_ROWS = 0.1, 10.0


class Path(NamedTuple):
    """An average so far and its bounds, after each of n rows, (n,) each."""

    value: Array
    low: Array
    high: Array


def paired_bounds(
    weights: Array, others: Array, quality: Array, most: float, level: float = 0.95
) -> Path:
    """How much better one target was than another, on average over the rows so far.

    weights, others: (n,) importance weights of the one and of the other, each 1 on average whatever
    came before; quality: (n,) in [0, 1]; `most` is what the other's weight can never pass. Earlier
    rows count more in the average, the i-th about as 1 / sqrt(i).

    (w - v) y >= -most from below, and (w - v) (1 - y) >= -most from above: w - v is 0 on average,
    so the mean of the second is minus that of the first.
    """
    ahead = weights - others
    alpha = (1.0 - level) / 2.0
    scale = most + MOST_CENTRE
    stakes = _stakes(ahead / scale, alpha)
    low = _average_bound(ahead * quality, stakes, scale, alpha)
    high = -_average_bound(ahead * (1.0 - quality), stakes, scale, alpha)
    value = np.cumsum(stakes * ahead * quality) / np.cumsum(stakes)
    return Path(np.clip(value, -1.0, 1.0), np.maximum(low, -1.0), np.minimum(high, 1.0))


def _stakes(terms: Array, alpha: float) -> Array:
    """(n,), each fixed before its row: the same for both sides, so that they bound one average."""
    rows = np.arange(1, len(terms) + 1)
    squares = _before(terms**2, PRIOR_SQUARE)
    wanted = np.sqrt(2.0 * np.log(1.0 / alpha) / (squares * rows * np.log1p(rows)))
    stakes: Array = np.minimum(MOST_STAKE, wanted)
    return stakes


def _average_bound(terms: Array, stakes: Array, scale: float, alpha: float) -> Array:
    """What the stake-weighted average of the terms' means surely exceeds, after each row (n,).

    terms: (n,) >= MOST_CENTRE - scale.
    """
    centres = np.minimum(_before(terms, 0.0), MOST_CENTRE)
    penalties = (-np.log1p(-stakes) - stakes) * ((terms - centres) / scale) ** 2
    spent = np.log(1.0 / alpha) + np.cumsum(penalties)
    bound: Array = (np.cumsum(stakes * terms) - scale * spent) / np.cumsum(stakes)
    return bound


def _before(values: Array, prior: float) -> Array:
    """The mean of the values before each row, with the prior for PRIOR_ROWS of them, (n,)."""
    sums = np.concatenate(([0.0], np.cumsum(values)[:-1]))
    means: Array = (sums + prior * PRIOR_ROWS) / (np.arange(len(values)) + PRIOR_ROWS)
    return means
