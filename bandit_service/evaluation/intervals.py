"""Means over seeds, and differences between policies that ran on the same streams."""

import math
from typing import Literal

import numpy as np
from scipy import special

from bandit_service.evaluation.results import Difference, Mean
from bandit_service.evaluation.table import Array

LEVEL = 0.95


def over_seeds(values: Array) -> Mean:
    """Mean and standard error of one number a seed, (S,), S >= 1."""
    return Mean(float(np.mean(values)), standard_error(values))


def known_over_seeds(values: Array) -> Mean | None:
    """The same, None unless every seed knows it: those that do are no random part of them."""
    return None if np.isnan(values).any() else over_seeds(values)


def standard_error(values: Array) -> float | None:
    """Of the mean of S values. None for a single one."""
    if len(values) < 2:
        return None
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))


def paired_difference(
    first: str,
    second: str,
    measure: Literal["quality", "cost_usd", "regret"],
    differences: Array,
    level: float = LEVEL,
) -> Difference:
    """first minus second, given seed by seed, (S,), with Student's t interval.

    The two ran on the same queries in the same order, so what a stream does to both cancels; an
    interval around each alone would be far too wide.
    """
    mean, error = float(np.mean(differences)), standard_error(differences)
    low = high = None
    if error is not None:
        reach = float(special.stdtrit(len(differences) - 1, 0.5 + level / 2)) * error
        low, high = mean - reach, mean + reach
    return Difference(
        first=first,
        second=second,
        measure=measure,
        difference=mean,
        standard_error=error,
        low=low,
        high=high,
        level=level,
    )
