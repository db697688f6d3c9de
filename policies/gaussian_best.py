"""The chance of each of several independent Gaussians to be the largest, exactly.

    P_a = integral of f_a(g) * product over b != a of F_b(g) dg

Gauss-Hermite nodes miss a narrow Gaussian beside a wide one. What helps: the winner is
almost surely above L = max(m_b - 7.7 s_b), and a Gaussian matters only if its own upper
end m_b + 7.7 s_b is above L. So whatever varies at a distance y above L varies on a scale of
at least y / 15.4, and g = L + c sinh(t) with c of the order of the narrowest deviation
resolves everything with equal steps in t. On an analytic integrand that dies out at
both ends, equal steps (the trapezoidal rule) converge faster than any power: some 40 nodes
for Gaussians of like width and 100 at a ratio of 100 give 1e-9. See Trefethen and Weideman
(2014), "The Exponentially Convergent Trapezoidal Rule", SIAM Review 56(3).
"""

from functools import lru_cache
from math import asinh

import numpy as np
from scipy.special import ndtr

from policies.policy import Array, Mask

REACH = 7.7  # deviations; what lies beyond has a probability below 1e-14
STRETCH = 8.0  # c in the docstring, in narrowest deviations
STEP = 0.045  # in t, for up to 8 arms; more arms make a sharper product. See `_step`
NARROWEST = 1e-9  # relative; an exactly known quality is a tie within this, not a division by 0
CHUNK = 24_000  # nodes times arms evaluated at once: they stay in the processor's cache


def chance_of_best(mean: Array, deviation: Array) -> Array:
    """The chance of each arm to draw the largest value, shape (n, K); rows sum to 1.

    `mean` (n, K) may be -inf for an arm that takes no part; `deviation` (n, K) is >= 0.
    An arm that wins with a chance below about 1e-14 gets 0.

    >>> chance_of_best(np.array([[0.0, 1.0]]), np.array([[3.0, 4.0]])).round(4)  # Phi(1/5)
    array([[0.4207, 0.5793]])
    """
    if len(mean) == 1:
        return _of_one_row(mean, deviation)
    top = mean.max(axis=1)
    deviation = np.maximum(deviation, NARROWEST * max(1.0, float(np.abs(top).max())))
    reach = REACH * deviation
    low = (mean - reach).max(axis=1)
    high = mean + reach
    alive: Mask = high >= low[:, None]
    keep = alive.any(axis=0)
    kept = int(np.count_nonzero(keep))
    if kept == mean.shape[1]:
        return _among(mean, deviation, low, high, alive)
    chances = np.zeros(mean.shape)
    chances[:, keep] = _among(mean[:, keep], deviation[:, keep], low, high[:, keep], alive[:, keep])
    return chances


def _of_one_row(mean: Array, deviation: Array) -> Array:
    """The same for one row with fewer calls, which are most of its price."""
    m, s = mean[0], deviation[0]
    narrowest, least = float(s[s.argmin()]), NARROWEST * max(1.0, abs(float(m[m.argmax()])))
    if narrowest < least:
        s, narrowest = np.maximum(s, least), least
    reach = s * REACH
    ends, high = m - reach, m + reach
    low = float(ends[ends.argmax()])
    alive: Mask = high >= low
    kept = np.count_nonzero(alive)
    if kept < len(m) or kept <= 2:
        chances = np.zeros(mean.shape)
        if kept > 2:
            chances[:, alive] = _of_one_row(mean[:, alive], deviation[:, alive])
        else:
            lone = m[alive][None], s[alive][None]
            chances[:, alive] = _closed_form(*lone)
        return chances
    scale = STRETCH * narrowest
    span = asinh((float(high[high.argmax()]) - low) / scale)
    return _integral(mean, s[None], low, scale, span)


def _closed_form(mean: Array, deviation: Array) -> Array:
    """For one or two arms."""
    if mean.shape[1] == 1:
        return np.ones(mean.shape)
    lead = (mean[:, 0] - mean[:, 1]) / np.hypot(deviation[:, 0], deviation[:, 1])
    return np.stack((ndtr(lead), ndtr(-lead)), axis=1)


def _among(mean: Array, deviation: Array, low: Array, high: Array, alive: Mask) -> Array:
    """The chances among arms of which each is alive in some row."""
    rows, arms = mean.shape
    if arms <= 2:
        return _closed_form(mean, deviation)
    scale = STRETCH * np.where(alive, deviation, np.inf).min(axis=1)
    span = np.arcsinh((high.max(axis=1) - low) / scale)
    # Rows of like span go together, so that one cold arm does not make every row expensive.
    order = np.argsort(span)
    chances = np.empty(mean.shape)
    first = 0
    while first < rows:
        nodes = int(span[order[min(first + 7, rows - 1)]] / _step(arms)) + 8
        some = order[first : first + max(8, CHUNK // (nodes * arms))]
        chances[some] = _integral(
            mean[some], deviation[some], low[some, None], scale[some, None], span[some, None]
        )
        first += len(some)
    return chances


def _step(arms: int) -> float:
    """With this, dividing the step by five changes no chance by 1e-9 (tried up to 256 arms)."""
    return STEP * float(min(1.0, 8.0 / arms) ** 0.2)


@lru_cache(maxsize=256)
def _fractions(steps: int) -> Array:
    return np.linspace(0.0, 1.0, steps + 1)[None]


def _integral(
    mean: Array, deviation: Array, low: Array | float, scale: Array | float, span: Array | float
) -> Array:
    """Equal steps in t from 0 to each row's span, (n, 1) or one for all. Constants cancel."""
    longest = span if isinstance(span, float) else float(span.max())
    steps = 4 * (int(longest / (4 * _step(mean.shape[1]))) + 1)
    sinh = np.sinh(span * _fractions(steps))
    at = scale * sinh
    at += low
    slope = np.sqrt(sinh * sinh + 1.0)  # dg/dt
    narrow = 1.0 / deviation
    z = at[:, None, :] - mean[:, :, None]
    z *= narrow[:, :, None]
    below = ndtr(z)  # never 0: above `low` it is at least Phi(-7.7)
    z *= z
    z *= -0.5
    np.exp(z, out=z)
    z /= below
    slope *= np.multiply.reduce(below, axis=1)
    chances: Array = np.matmul(z, slope[:, :, None])[:, :, 0]
    chances *= narrow
    chances /= chances.sum(axis=1, keepdims=True)
    return chances
