"""What a learner's arms could be judged by on a query: one draw each, from luck handed in.

Controllers plan with these, not with the means: a learner that explores spends what its draws
say. Only a plan depends on them, never a chance that is logged.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import ndtri

from policies.policy import Array, Estimates, Policy

BLOCK = 256  # decisions whose luck is made at once


def scores(policy: Policy[Any], beliefs: Estimates, first: int) -> Array:
    """(n, K), for decisions number `first`, `first` + 1 and so on.

    Of a policy that draws from its beliefs, as `width` and `optimism` say; the means for others.
    """
    draws = getattr(policy, "draws", False)
    width = getattr(policy, "width", 1.0 if draws else 0.0)
    if not width:
        return beliefs.mean
    optimism = getattr(policy, "optimism", 0.0)
    luck = _luck(first, *beliefs.mean.shape) if draws else 1.0
    drawn: Array = beliefs.mean + width * (optimism + luck) * beliefs.deviation
    return drawn


def _luck(first: int, rows: int, arms: int) -> Array:
    """Standard normal numbers (n, K) that follow from the decision's number alone."""
    block, at = divmod(first, BLOCK)
    if at + rows <= BLOCK:
        return _block(block, arms)[at : at + rows]
    return np.concatenate(
        [_luck(first, BLOCK - at, arms), _luck(first + BLOCK - at, rows - BLOCK + at, arms)]
    )


@lru_cache(maxsize=64)
def _block(number: int, arms: int) -> Array:
    """The luck of `BLOCK` decisions in turn, (BLOCK, K): made at once, it takes a tenth of the
    time."""
    numbers = np.arange(number * BLOCK + 1, (number + 1) * BLOCK + 1)[:, None]
    even = (numbers * _fractions(arms)) % 1.0
    luck: Array = ndtri(np.clip(even, 1e-6, 1.0 - 1e-6))
    luck.flags.writeable = False
    return luck


@lru_cache(maxsize=64)
def _fractions(arms: int) -> Array:
    """Square roots of primes, whose multiples' fractional parts spread evenly, and apart."""
    primes = [n for n in range(2, 20 * arms + 20) if all(n % m for m in range(2, int(n**0.5) + 1))]
    roots: Array = np.sqrt(np.array(primes[:arms], dtype=np.float64))
    return roots
