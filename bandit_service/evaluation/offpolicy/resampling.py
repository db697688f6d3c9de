"""Estimates with the values that they have over resampled rows, all paired."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.offpolicy import intervals
from bandit_service.evaluation.offpolicy.estimators import Terms
from bandit_service.evaluation.offpolicy.intervals import Resampler
from bandit_service.evaluation.offpolicy.results import Interval

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

OWN = "mean"  # the policy that logged, judged on its own log
Key = tuple[str, str]  # measure and estimator


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """m estimates.

    terms   of each, over all n rows
    paths   (resamples,) of each
    """

    terms: Mapping[Key, Terms]
    paths: Mapping[Key, Array]
    level: float

    def interval(self, key: Key, minus: Key | None = None) -> Interval:
        """Of an estimate, or of its difference from another."""
        values = self.paths[key] if minus is None else self.paths[key] - self.paths[minus]
        low, high = intervals.percentile(values, self.level)
        return Interval(method="bootstrap", low=low, high=high)


def resample(terms: Mapping[Key, Terms], resampler: Resampler, level: float) -> Resampled:
    if not terms:
        return Resampled(terms, {}, level)
    values = resampler.values([resampler.reduced(each) for each in terms.values()])
    return Resampled(terms, dict(zip(terms, values.T, strict=True)), level)


def over_all(terms: Terms, mask: Mask) -> Terms:
    """The same estimate with terms for all n rows, which are 0 outside of the mask (n,)."""
    if mask.all():
        return terms
    count = int(mask.sum())

    def placed(values: Array) -> Array:
        wide = np.zeros(len(mask))
        wide[mask] = values
        return wide

    if terms.share is None:
        return Terms(np.zeros(len(mask)), placed(terms.base + terms.part), mask.astype(np.float64))
    scale = len(mask) / count
    return Terms(placed(terms.base) * scale, placed(terms.part), placed(terms.share))
