"""The chance of each of several independent Gaussians to be the largest, exactly.

    P_a = integral of f_a(g) * product over b != a of F_b(g) dg

Gauss-Hermite nodes miss a narrow Gaussian beside a wide one. What helps: the winner is
almost surely above L = max(m_b - 6.5 s_b), and a Gaussian matters only if its own upper
end m_b + 6.5 s_b is above L. So whatever varies at a distance y above L varies on a scale of
at least y / 13, and g = L + c sinh(t) with c of the order of the narrowest deviation
resolves everything with equal steps in t. On an analytic integrand that dies out at
both ends, equal steps (the trapezoidal rule) converge faster than any power: some 40 nodes
for Gaussians of like width and 100 at a ratio of 100 give 1e-9. See Trefethen and Weideman
(2014), "The Exponentially Convergent Trapezoidal Rule", SIAM Review 56(3).
"""

import math
from functools import lru_cache
from math import asinh, hypot, sqrt

import numpy as np
from scipy.special import erfc, ndtr

from policies.policy import Array, Mask

REACH = 6.5  # deviations; what lies beyond has a probability below 1e-10
STRETCH = 8.0  # c in the docstring, in narrowest deviations
STEP = 0.045  # in t, for up to 8 arms; more arms make a sharper product. See `_step`
ROOT_HALF = sqrt(0.5)
NARROWEST = 1e-9  # relative; an exactly known quality is a tie within this, not a division by 0
CHUNK = 24_000  # nodes times arms evaluated at once: they stay in the processor's cache


def chance_of_best(mean: Array, deviation: Array) -> Array:
    """The chance of each arm to draw the largest value, shape (n, K); rows sum to 1.

    `mean` (n, K) may be -inf for an arm that takes no part; `deviation` (n, K) is >= 0.
    An arm that wins with a chance below about 1e-10 gets 0.

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
    """The same for one row. For the few numbers of its arms plain Python is quicker than numpy."""
    means, deviations = mean[0].tolist(), deviation[0].tolist()
    least = NARROWEST * max(1.0, abs(max(means)))
    if min(deviations) < least:
        deviations = [max(one, least) for one in deviations]
        deviation = np.array([deviations])
    reaches = [REACH * one for one in deviations]
    low = max([m - reach for m, reach in zip(means, reaches, strict=True)])
    highs = [m + reach for m, reach in zip(means, reaches, strict=True)]
    alive = [arm for arm, high in enumerate(highs) if high >= low]
    if len(alive) <= 2:
        return _of_one_or_two(means, deviations, alive)
    scale = STRETCH * min([deviations[arm] for arm in alive])
    span = asinh((max(highs) - low) / scale)
    if len(alive) == len(means):
        return _integral_of_one_row(mean[0], deviation[0], low, scale, span)[None]
    chances = np.zeros(mean.shape)
    some = mean[0, alive], deviation[0, alive]
    chances[0, alive] = _integral_of_one_row(*some, low, scale, span)
    return chances


def _of_one_or_two(means: list[float], deviations: list[float], alive: list[int]) -> Array:
    """The same where no more than two arms can win: in closed form."""
    chances = np.zeros((1, len(means)))
    one, other = alive[0], alive[-1]
    if one == other:
        chances[0, one] = 1.0
        return chances
    lead = (means[one] - means[other]) / (sqrt(2.0) * hypot(deviations[one], deviations[other]))
    chances[0, one], chances[0, other] = 0.5 * math.erfc(-lead), 0.5 * math.erfc(lead)
    return chances


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
        nodes = int(span[order[min(first + 7, rows - 1)]] / _step(arms)) + 2
        some = order[first : first + max(8, CHUNK // (nodes * arms))]
        chances[some] = _integral(
            mean[some], deviation[some], low[some, None], scale[some, None], float(span[some[-1]])
        )
        first += len(some)
    return chances


def _step(arms: int) -> float:
    """With this, dividing the step by five changes no chance by 1e-9 (tried up to 256 arms)."""
    return STEP * float(min(1.0, 8.0 / arms) ** 0.2)


@lru_cache(maxsize=256)
def _grid(step: float, nodes: int) -> tuple[Array, Array]:
    """sinh and cosh of equal steps in t from 0 on, (nodes,) each."""
    t = step * np.arange(nodes)
    return np.sinh(t), np.cosh(t)


def _nodes(span: float, step: float) -> int:
    return 8 * (int(span / (8.0 * step)) + 1) + 1  # so that few grids serve all


def _integral_of_one_row(m: Array, s: Array, low: float, scale: float, span: float) -> Array:
    """`_integral` of means and deviations (K,), in fewer and smaller steps."""
    step = _step(len(m))
    sinh, cosh = _grid(step, _nodes(span, step))
    narrow = ROOT_HALF / s
    z = np.subtract.outer(m - low, scale * sinh)
    z *= narrow[:, None]
    below = erfc(z)
    z *= z
    np.negative(z, out=z)
    np.exp(z, out=z)
    z /= below
    chances: Array = z.dot(cosh * np.multiply.reduce(below, axis=0))
    chances *= narrow
    chances /= np.add.reduce(chances)
    return chances


def _integral(mean: Array, deviation: Array, low: Array, scale: Array, span: float) -> Array:
    """Equal steps in t from 0 to `span`, the rows' longest; low and scale are (n, 1).

    z = (m - g) / (s sqrt(2)), so 2 F = erfc(z), which is quicker than the normal distribution
    function, and f ~ exp(-z^2) / s. What is constant cancels.
    """
    step = _step(mean.shape[1])
    sinh, cosh = _grid(step, _nodes(span, step))
    narrow = ROOT_HALF / deviation
    z = (mean - low)[:, :, None] - (scale * sinh)[:, None, :]
    z *= narrow[:, :, None]
    below = erfc(z)  # never 0: above `low` F is at least Phi(-6.5)
    z *= z
    np.negative(z, out=z)
    np.exp(z, out=z)
    z /= below
    weights = cosh * np.multiply.reduce(below, axis=1)  # dg/dt = scale * cosh(t)
    chances: Array = np.matmul(z, weights[:, :, None])[:, :, 0]
    chances *= narrow
    chances /= chances.sum(axis=1, keepdims=True)
    return chances
