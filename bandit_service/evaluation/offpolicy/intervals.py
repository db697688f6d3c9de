"""How sure an estimate is: ends of resampled values, and empirical Bernstein bounds."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from bandit_service.evaluation.offpolicy.estimators import Terms
from bandit_service.evaluation.offpolicy.moments import Moments

Array = NDArray[np.float64]
Bounds = tuple[float, float]

_LEAST_SHARE = 1e-3  # below it, z0 is only luck
_MOST_ACCELERATION = 0.15  # beyond it, 1 - acceleration * z could vanish


def bias_corrected(values: Array, estimate: float, level: float = 0.95) -> Bounds:
    """Two-sided interval from resampled values (resamples,), corrected for their bias and skewness
    (BCa, Efron 1987). See `quantile_at`."""
    return (
        quantile_at(values, estimate, (1.0 - level) / 2.0),
        quantile_at(values, estimate, (1.0 + level) / 2.0),
    )


def quantile_at(values: Array, estimate: float, share: float) -> float:
    """The end below which BCa puts `share` of what the estimate may be.

    Large weights make estimates skewed, and plain percentiles of the resampled values then miss on
    one side. z0 is how far the estimate lies from their median; the acceleration is a sixth of
    their skewness, which for means is what the jackknife gives.
    """
    below = float((values < estimate).mean()) + 0.5 * float((values == estimate).mean())
    z0 = float(ndtri(np.clip(below, _LEAST_SHARE, 1.0 - _LEAST_SHARE)))
    apart = values - values.mean()
    spread = float((apart**2).mean())
    skewness = float((apart**3).mean()) / spread**1.5 if spread > 0.0 else 0.0
    acceleration = float(np.clip(skewness / 6.0, -_MOST_ACCELERATION, _MOST_ACCELERATION))
    z = z0 + float(ndtri(share))
    return float(np.quantile(values, ndtr(z0 + z / (1.0 - acceleration * z))))


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
    return lower_by_moments(Moments().add(terms), low, high, delta)


def lower_by_moments(terms: Moments, low: float, high: float, delta: float) -> float:
    """The same of terms that are no longer there."""
    if terms.count < 2:
        return low
    if terms.least < low - 1e-9 or terms.most > high + 1e-9:
        raise ValueError(
            f"terms from {terms.least:g} to {terms.most:g} are not in [{low:g}, {high:g}]"
        )
    log = np.log(2.0 / delta)
    reach = np.sqrt(2.0 * terms.variance * log / terms.count)
    reach += 7.0 * (high - low) * log / (3.0 * (terms.count - 1))
    return max(low, float(terms.mean - reach))


@dataclass(slots=True)
class Ends:
    """Terms that bound a mean from below, and from above: `value` has w y and w (1 - y), in
    [0, most]; `difference` has (w - 1) y and (w - 1)(1 - y), in [-1, most - 1]."""

    below: Moments = field(default_factory=Moments)
    above: Moments = field(default_factory=Moments)

    def add(self, weights: Array, quality: Array) -> "Ends":
        self.below.add(weights * quality)
        self.above.add(weights * (1.0 - quality))
        return self

    def bounds(self, low: float, high: float, whole: float, level: float) -> Bounds:
        """Of a mean y where the mean of weights is `whole`."""
        delta = (1.0 - level) / 2.0
        below = lower_by_moments(self.below, low, high, delta)
        return below, whole - lower_by_moments(self.above, low, high, delta)


def bernstein_value(weights: Array, quality: Array, most: float, level: float = 0.95) -> Bounds:
    """Bounds on a target's quality in [0, 1], from w y and w (1 - y), both in [0, most].

    most   the largest weight that was possible, drawn or not
    """
    return Ends().add(weights, quality).bounds(0.0, most, 1.0, level)


def bernstein_difference(
    weights: Array, quality: Array, most: float, level: float = 0.95
) -> Bounds:
    """Bounds on a target's quality minus that of the policy that logged, on paired rows.

    By (w - 1) y from below and (w - 1) (1 - y) from above, both in [-1, most - 1].
    """
    high = max(most - 1.0, 0.0)
    return Ends().add(weights - 1.0, quality).bounds(-1.0, high, 0.0, level)
