"""Clips and shrinkages chosen by the log: the one with the least estimated squared error.

The error of a lowered weight w' in place of w has two parts: the variance of its terms, and a bias
of mean((w' - w)(y - q)), of which only an estimate is at hand. The bias is taken at the upper end
of a Bernstein bound on that estimate, so that a few lucky rows do not hide it (Su et al. 2020,
"Doubly robust off-policy evaluation with shrinkage"; Su, Srinath and Krishnamurthy 2020, SLOPE).

Choosing by the same rows that are then averaged costs a little bias of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.offpolicy import estimators
from bandit_service.evaluation.offpolicy.estimators import Terms
from bandit_service.evaluation.offpolicy.evidence import Evidence

Array = NDArray[np.float64]

DELTA = 0.05  # how often the bound on the bias may fail
GRID = 12  # values tried


@dataclass(frozen=True, slots=True)
class Family:
    """Estimators that differ in one parameter.

    estimate  from evidence and parameter
    lowered   weights (n,) and parameter -> the weights that it really uses
    baseline  whether what it lowers is the residual (y - q) rather than y
    grid      weights (n,) -> parameters worth trying, the unbiased end among them
    """

    estimate: Callable[[Evidence, float], Terms]
    lowered: Callable[[Array, float], Array]
    baseline: bool
    grid: Callable[[Array], Array]


def error_bound(evidence: Evidence, family: Family, parameter: float) -> float:
    """Estimated variance plus the square of an upper bound on the bias."""
    terms = family.estimate(evidence, parameter)
    count = len(evidence)
    variance = terms.standard_error**2
    lost = evidence.weights - family.lowered(evidence.weights, parameter)
    missed = lost * (evidence.residuals if family.baseline else evidence.outcomes)
    log = np.log(2.0 / DELTA)
    bias = abs(float(missed.mean())) + np.sqrt(2.0 * float((missed**2).mean()) * log / count)
    bias += 2.0 * float(np.abs(missed).max(initial=0.0)) * log / (3.0 * count)
    if not missed.any():
        bias = 0.0
    return float(variance + bias * bias)


def tuned(evidence: Evidence, family: Family) -> tuple[float, Terms]:
    """The parameter with the least error bound, and its terms."""
    candidates = family.grid(evidence.weights)
    bounds = [error_bound(evidence, family, float(each)) for each in candidates]
    best = float(candidates[int(np.argmin(bounds))])
    return best, family.estimate(evidence, best)


def _by_weight(weights: Array) -> Array:
    """From a typical weight to the largest, which clips nothing."""
    largest = float(weights.max(initial=1.0))
    low = max(1.0, float(np.quantile(weights, 0.5)))
    return np.geomspace(low, max(low, largest), GRID)


def _by_square(weights: Array) -> Array:
    """Shrinkages act on squared weights; infinity shrinks nothing."""
    return np.append(_by_weight(weights) ** 2, np.inf)


def _by_strength(weights: Array) -> Array:
    return np.append(0.0, np.geomspace(1e-4, 0.5, GRID))


FAMILIES = {
    "clipped_ips": Family(
        estimators.clipped_ips, lambda w, clip: np.minimum(w, clip), False, _by_weight
    ),
    "switch_dr": Family(
        estimators.switch_dr, lambda w, most: np.where(w <= most, w, 0.0), True, _by_weight
    ),
    "dr_os": Family(estimators.dr_os, estimators.shrunk, True, _by_square),
    "sub_gaussian": Family(estimators.sub_gaussian, estimators.subdued, False, _by_strength),
}
