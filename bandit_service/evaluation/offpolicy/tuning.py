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
from bandit_service.evaluation.offpolicy.moments import Moments

Array = NDArray[np.float64]

DELTA = 0.05  # how often the bound on the bias may fail
GRID = 12  # values tried


@dataclass(frozen=True, slots=True)
class Family:
    """Estimators that differ in one parameter.

    estimate  from evidence and parameter
    lowered   weights (n,) and parameter -> the weights that it really uses
    baseline  whether what it lowers is the residual (y - q) rather than y
    grid      largest weight -> parameters worth trying, the unbiased end among them
    """

    estimate: Callable[[Evidence, float], Terms]
    lowered: Callable[[Array, float], Array]
    baseline: bool
    grid: Callable[[float], Array]


class Tuner:
    """Which parameter of a family, as evidence comes block after block."""

    def __init__(self, family: Family, parameters: Array) -> None:
        self._family, self._parameters = family, parameters
        self._terms = [Moments() for _ in parameters]
        self._missed = [Moments() for _ in parameters]

    def add(self, evidence: Evidence) -> None:
        family = self._family
        told = evidence.residuals if family.baseline else evidence.outcomes
        for parameter, terms, missed in zip(
            self._parameters.tolist(), self._terms, self._missed, strict=True
        ):
            terms.add(family.estimate(evidence, parameter).rows)
            missed.add((evidence.weights - family.lowered(evidence.weights, parameter)) * told)

    def bounds(self) -> Array:
        """Of each parameter, estimated variance plus the square of an upper bound on the bias."""
        return np.array(list(map(_bound, self._terms, self._missed)))

    def best(self) -> float:
        """The parameter with the least error bound."""
        return float(self._parameters[int(np.argmin(self.bounds()))])


def _bound(terms: Moments, missed: Moments) -> float:
    bias, log = 0.0, np.log(2.0 / DELTA)
    largest = max(missed.most, -missed.least)
    if largest > 0.0:
        spread = missed.sum_of_squares / missed.count
        bias = abs(missed.mean) + np.sqrt(2.0 * spread * log / missed.count)
        bias += 2.0 * largest * log / (3.0 * missed.count)
    return float(terms.standard_error**2 + bias * bias)


def error_bound(evidence: Evidence, family: Family, parameter: float) -> float:
    tuner = Tuner(family, np.array([parameter]))
    tuner.add(evidence)
    return float(tuner.bounds()[0])


def tuned(evidence: Evidence, family: Family) -> tuple[float, Terms]:
    """The parameter with the least error bound, and its terms."""
    tuner = Tuner(family, family.grid(evidence.largest_weight))
    tuner.add(evidence)
    best = tuner.best()
    return best, family.estimate(evidence, best)


def _by_weight(largest: float) -> Array:
    """From an ordinary weight to the largest, which clips nothing."""
    return np.geomspace(1.0, max(1.0, largest), GRID)


def _by_square(largest: float) -> Array:
    """Shrinkages act on squared weights; infinity shrinks nothing."""
    return np.append(_by_weight(largest) ** 2, np.inf)


def _by_strength(largest: float) -> Array:
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
