"""Cholesky factors of precisions that rounding may have spoilt."""

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri

from policies.policy import Array

ROUNDING = 1e-12  # relative; of a pivot this small rounding leaves but four digits


def inverse_of(factor: Array) -> Array:
    """(L L')^-1 from the lower factor L, exactly symmetric."""
    inverse, _ = dpotri(factor, lower=1)
    inverse = inverse + inverse.T  # dpotri leaves zeros above the diagonal
    inverse[np.arange(len(inverse)), np.arange(len(inverse))] *= 0.5
    made: Array = inverse
    return made


def factor_of(matrix: Array, precision: Array) -> Array:
    """The lower Cholesky factor of A = `matrix`, or of A with a heavier diagonal where it has none.

    In exact numbers A is at least Lam0. Beside sums of 1e15 a ridge of 1e-3 is rounded away: then
    collinear features leave pivots that are zero, negative or noise, and means and spreads that
    are noise too. So each diagonal element grows by a share of itself, tenfold at a time from
    1e-12, until no pivot is lost in rounding. A share of each and not of the largest:
    the features may differ in scale by 1e12, and a small one keeps what it has learned.
    What withdrawn data leaves behind may be indefinite beyond that: then the diagonal alone,
    at least the prior's, is taken. All of it depends on the arguments only.
    """
    factor: Array
    factor, failed = dpotrf(matrix, lower=1)
    if not failed and _resolved(factor, matrix):
        return factor
    every = np.arange(len(matrix))
    diagonal = np.maximum(matrix[every, every], precision)
    eased = matrix.copy()
    share = ROUNDING
    while share < 1.0:
        eased[every, every] = diagonal * (1.0 + share)
        factor, failed = dpotrf(eased, lower=1)
        if not failed and _resolved(factor, eased):
            return factor
        share *= 10.0
    return np.diag(np.sqrt(diagonal))


def _resolved(factor: Array, matrix: Array) -> bool:
    """Whether every pivot is more than what rounding leaves of its diagonal element."""
    root = factor.diagonal()
    return bool((root * root > ROUNDING * matrix.diagonal()).all())
