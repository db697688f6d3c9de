"""The prices at which queries, each sent to its best arm, take what they may take, on average.

Maximise the mean score subject to a mean amount of at most `target` over n queries, each sent
to one arm. The dual of that linear program has one price a resource:

    g(price) = mean over queries of max_a (score_a - price . amount_a) + price . target

At the best price the queries spend the target exactly, or there is no price to pay. With one
resource the spending falls with the price, so bisection finds it; the two ends of the last
interval and the weight between them that spends the target exactly are the solution: the two
corners of the hull where all queries look alike. With several, each price is solved for in turn
until none moves.
"""

from itertools import pairwise

import numpy as np

from policies.budget.controller import Prices
from policies.policy import Array

HALVINGS = 40
CLOSE = 1e-4  # relative: two prices this near decide alike
NOTHING = 1e-9  # of the dearest price: as good as no price
FINE = 0.03  # of the target: what is spent more finely than this needs no second price
SWEEPS = 12
NARROW = 1.3  # factor by which a price is expected to move from one solution to the next


def solve(scores: Array, amounts: Array, targets: Array, start: Array | None = None) -> Prices:
    """The prices at which arms with scores (n, K) take amounts (K, R) of `targets` (R,) on average.

    Where even the dearest price takes more, that price: nothing cheaper can be had. `start` (R,)
    is where to look first. O(n K) a step; some 20 steps a resource and sweep.

    >>> two = solve(np.array([[0.2, 0.8]]), np.array([[1.0], [3.0]]), np.array([2.5]))
    >>> two.mean.round(3), round(two.weight, 3)  # 3 in 4 to the dear arm
    (array([0.3]), 0.75)
    """
    count = len(targets)
    price = np.zeros(count) if start is None else start.copy()
    if count == 1:
        low, high, weight = _solve_one(scores, amounts[:, 0], float(targets[0]), float(price[0]))
        return _prices(np.zeros(1), 0, low, high, weight)
    low = high = weight = 0.0
    last = 0
    for _ in range(SWEEPS):
        before = price.copy()
        for one in range(count):
            rest = price.copy()
            rest[one] = 0.0
            priced = scores - amounts @ rest
            found = _solve_one(priced, amounts[:, one], float(targets[one]), float(price[one]))
            price[one] = found[1]
            if found[1] > 0.0 or one == 0:
                low, high, weight = found
                last = one
        if np.allclose(price, before, rtol=10 * CLOSE, atol=0.0):
            break
    return _prices(price, last, low, high, weight)


def _prices(price: Array, which: int, low: float, high: float, weight: float) -> Prices:
    first, second = price.copy(), price.copy()
    first[which], second[which] = low, high
    return Prices(first) if weight >= 1.0 else Prices(first, second, weight)


def _solve_one(scores: Array, amount: Array, target: float, start: float) -> tuple[float, ...]:
    """Prices low <= high, and the weight of the low one, that take `target` on average."""
    curve = _Curve(scores, amount)
    if start == 0.0 and curve.taken(0.0) <= target:  # a budget that does not bind seldom begins to
        return 0.0, 0.0, 1.0
    dearest = _dearest(scores, amount)
    low, high, above, below = 0.0, dearest, np.inf, -np.inf
    if 0.0 < start < dearest:  # most of the time the price has hardly moved
        for guess in (start / NARROW, start * NARROW):
            if low < guess < high:
                low, high, above, below = _halved(low, high, above, below, guess, curve, target)
    # Spending falls with the price, so an end that was replaced need not be looked at.
    if low == 0.0 and (above := curve.taken(0.0)) <= target:
        return 0.0, 0.0, 1.0
    if high == dearest and (below := curve.taken(dearest)) > target:
        return dearest, dearest, 1.0
    for _ in range(HALVINGS):
        if high - low <= CLOSE * high or high < NOTHING * dearest:
            break
        curve.narrow(low, high)
        # Prices go over orders of magnitude: halve their logarithm, once there is a lower end.
        middle = (low * high) ** 0.5 if low > 0.0 else high / 32.0
        low, high, above, below = _halved(low, high, above, below, middle, curve, target)
    if above - below <= FINE * target:
        return high, high, 1.0
    weight = (target - below) / (above - below)
    return low, high, min(max(weight, 0.0), 1.0)


def _halved(
    low: float,
    high: float,
    above: float,
    below: float,
    middle: float,
    curve: "_Curve",
    target: float,
) -> tuple[float, float, float, float]:
    """The part of the interval in which the spending crosses the target."""
    amount = curve.taken(middle)
    return (middle, high, amount, below) if amount > target else (low, middle, above, amount)


class _Curve:
    """What queries with scores (n, K) take on average at a price, each sent to its best arm.

    A query that takes the same at both ends of an interval takes that within it, too: the higher
    the price, the less. Once that is so it is not looked at again.
    """

    def __init__(self, scores: Array, amount: Array) -> None:
        self._scores, self._amount, self._count = scores, amount, len(scores)
        self._settled = 0.0  # what those take that are not looked at any more
        self._at: dict[float, Array] = {}  # what each query takes, by price

    def taken(self, price: float) -> float:
        chosen = (self._scores - price * self._amount).argmax(axis=1)
        each = self._at[price] = self._amount.take(chosen)
        return (self._settled + float(each.sum())) / self._count

    def narrow(self, low: float, high: float) -> None:
        """From here on prices are within these two, which have been looked at."""
        self._at = {price: self._at[price] for price in (low, high)}
        at_low, at_high = self._at.values()
        undecided = (at_low != at_high).nonzero()[0]
        if 2 * len(undecided) < len(at_low):
            self._settled += float(at_low.sum()) - float(at_low.take(undecided).sum())
            self._scores = self._scores.take(undecided, axis=0)
            self._at = {low: at_low.take(undecided), high: at_high.take(undecided)}


def _dearest(scores: Array, amount: Array) -> float:
    """A price at which nothing but the arms that take least is worth taking."""
    most, least = float(scores.max(initial=-np.inf)), float(scores.min(initial=np.inf))
    if not (np.isfinite(most) and np.isfinite(least)):  # not every query has every arm
        known = scores[np.isfinite(scores)]
        if not len(known):
            return 0.0
        most, least = float(known.max()), float(known.min())
    ordered = sorted(amount.tolist())
    same = CLOSE**2 * max(abs(ordered[0]), abs(ordered[-1]))
    apart = min((b - a for a, b in pairwise(ordered) if b - a > same), default=0.0)
    return 1.01 * (most - least + CLOSE) / apart if apart else 0.0
