"""At which prices budgets would be kept on given traffic, and what would be spent then. Pure.

The controllers of `policies.budget` move prices as they go. Here the traffic is all there, so the
prices are solved for: the expected spend falls as a price rises, and where it jumps, two prices are
mixed so that it meets the budget. The chances at these prices are those of the service itself.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from policies.budget import FLOOR_SHARE, Prices, Restraint
from policies.budget.dual import dearest, solve
from policies.budget.restraint import Learner

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

CLOSE = 0.01  # of a budget: prices that spend so much alike are near enough to be mixed
STILL = 0.02  # relative: prices that move less between two sweeps are solved
WIDER = 1.5  # first factor about the guess
HALVINGS = 12
WIDENINGS = 12
SWEEPS = 3


class Afforded(NamedTuple):
    """n decisions within R budgets.

    chances  (n, K)
    prices   (R,) the shadow prices
    spent    (n, R) expected of each decision
    """

    chances: Array
    prices: Array
    spent: Array


def afforded(
    learner: Learner,
    scores: Array,
    offsets: Array | None,
    eligible: Mask,
    amounts: Array,
    targets: Array,
    floor: float,
) -> Afforded:
    """Within budgets of `targets` (R,) a decision on average, as far as that can be had.

    scores   (n, K) what arms are judged by without a price
    amounts  (n, K, R) what each call is expected to take; where `eligible` (n, K) it is known
    """
    known = np.where(eligible[:, :, None], amounts, np.nan)
    seen = ~np.isnan(known).all(axis=0)
    columns = np.where(seen, np.nansum(known, axis=0) / np.maximum((~np.isnan(known)).sum(0), 1), 0)
    room = FLOOR_SHARE * targets / eligible.shape[1]
    taking = np.where(eligible[:, :, None], amounts, 0.0)

    def at(prices: Prices) -> tuple[Array, Array]:
        restraint = Restraint(prices, columns, eligible, room, None)
        chances = restraint.chances(learner, offsets, floor)
        return chances, np.einsum("nk,nkr->nr", chances, taking)

    judged = np.where(eligible, scores if offsets is None else scores + offsets, -np.inf)
    price, most = solve(judged, columns, targets).mean.copy(), dearest(judged, columns)
    low = high = weight = 0.0
    last = 0
    for _ in range(SWEEPS):
        before = price.copy()
        for one in range(len(targets)):

            def spend(amount: float, one: int = one) -> float:
                tried = price.copy()
                tried[one] = amount
                return float(at(Prices(tried))[1][:, one].mean())

            found = priced(spend, float(targets[one]), float(price[one]), most[one])
            price[one] = found[2] * found[0] + (1.0 - found[2]) * found[1]
            if found[1] > 0.0 or one == 0:
                (low, high, weight), last = found, one
        if len(targets) == 1 or np.allclose(price, before, rtol=STILL, atol=0.0):
            break
    first, second = price.copy(), price.copy()
    first[last], second[last] = low, high
    chosen = Prices(first) if weight >= 1.0 else Prices(first, second, weight)
    chances, spent = at(chosen)
    return Afforded(chances, chosen.mean, spent)


def priced(
    spend: Callable[[float], float], target: float, guess: float, most: float
) -> tuple[float, float, float]:
    """Prices low <= high, and the weight of the low one, at which `target` is spent.

    `spend` falls with the price, maybe in jumps. Where even `most` spends more, that price.
    """
    low, at_low = 0.0, spend(0.0)
    if at_low <= target:
        return 0.0, 0.0, 1.0
    high = guess * WIDER if guess > 0.0 else 1.0 / target
    at_high = spend(high)
    factor = 4.0
    for _ in range(WIDENINGS):
        if at_high <= target:
            break
        if high >= most:
            return most, most, 1.0
        low, at_low, high = high, at_high, min(high * factor, most)
        at_high, factor = spend(high), factor * 2.0
    else:
        return high, high, 1.0
    if low == 0.0 and (lower := guess / WIDER) > 0.0:
        at_lower = spend(lower)
        if at_lower > target:
            low, at_low = lower, at_lower
        else:
            high, at_high = lower, at_lower
    for _ in range(HALVINGS):
        if at_low - at_high <= CLOSE * target or high - low <= 1e-6 * high:
            break
        middle = (low * high) ** 0.5 if low > 0.0 else high / 8.0
        at_middle = spend(middle)
        if at_middle > target:
            low, at_low = middle, at_middle
        else:
            high, at_high = middle, at_middle
    return low, high, (target - at_high) / (at_low - at_high)
