"""List prices in a rule of choice: shares of the dearest, and the logarithmic cost of ParetoBandit.

What is not known is as dear as the dearest: unknown is never free.
"""

from functools import lru_cache
from math import log

import numpy as np

from policies.policy import Array

Prices = tuple[float | None, ...]  # USD for a million tokens in and a million out


@lru_cache(maxsize=64)
def shares(prices: Prices, arms: int) -> Array:
    """Each arm's price as a share of the dearest, (K,).

    >>> shares((1.0, 4.0, None), 4)
    array([0.25, 1.  , 1.  , 1.  ])
    """
    known = [price for price in prices[:arms] if price is not None]
    dearest = max(known, default=0.0)
    filled = [dearest if price is None else price for price in prices[:arms]]
    filled += [dearest] * (arms - len(filled))
    if dearest <= 0.0:  # all are free, or none is known
        return _kept(np.zeros(arms) if known else np.ones(arms))
    return _kept(np.array(filled) / dearest)


def spans(amounts: Prices, unknown: float) -> tuple[float, ...]:
    """Where each amount lies from the least, 0, to the most, 1; `unknown` where nobody knows.

    >>> spans((1.0, 4.0, None, 2.5), 0.5)
    (0.0, 1.0, 0.5, 0.5)
    """
    known = [one for one in amounts if one is not None]
    if not known or max(known) == min(known):
        return (unknown,) * len(amounts)
    least, span = min(known), max(known) - min(known)
    return tuple(unknown if one is None else (one - least) / span for one in amounts)


@lru_cache(maxsize=64)
def log_costs(prices: Prices, arms: int, floor: float, ceiling: float) -> Array:
    """clip(ln(p / floor) / ln(ceiling / floor), 0, 1), (K,); p is the mean price for a thousand
    tokens.

    >>> log_costs((0.0, 2.0, 200.0, None), 4, 1e-4, 0.1).round(3)
    array([0.   , 0.333, 1.   , 1.   ])
    """
    costs = np.ones(arms)
    for arm, price in enumerate(prices[:arms]):
        if price is not None:
            mean = price / 2.0 / 1000.0
            scale = log(ceiling / floor)
            costs[arm] = min(max(log(mean / floor) / scale, 0.0), 1.0) if mean > floor else 0.0
    return _kept(costs)


def _kept(array: Array) -> Array:
    """The same, to be read only: it is handed out again."""
    array.flags.writeable = False
    return array


def added(offsets: Array | None, penalty: Array) -> Array:
    """Offsets (n, K), (K,) or None, less a penalty (K,)."""
    return -penalty if offsets is None else offsets - penalty
