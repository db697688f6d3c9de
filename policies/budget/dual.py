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

from bisect import bisect_left
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from policies.budget.controller import Prices
from policies.policy import Array

HALVINGS = 40
CLOSE = 1e-4  # relative: two prices this near decide alike
NOTHING = 1e-9  # of the dearest price: as good as no price
FINE = 0.03  # of the target: what is spent more finely than this needs no second price
SWEEPS = 12
BEYOND = 10.0  # times the dearest price of a resource alone, that it may have beside others
NARROW = 1.3  # factor by which a price is expected to move from one solution to the next


def solve(scores: Array, amounts: Array, targets: Array, start: Array | None = None) -> Prices:
    """The prices at which arms with scores (n, K) take amounts (K, R) of `targets` (R,) on average.

    Where even the dearest price takes more, that price: nothing cheaper can be had. With several
    none is above `dearest`, or those of budgets that cannot be met would drive each other up.
    `start` (R,) is where to look first. O(n K) a look at all queries; a handful of looks a resource
    that binds, one that does not: one.

    >>> two = solve(np.array([[0.2, 0.8]]), np.array([[1.0], [3.0]]), np.array([2.5]))
    >>> two.mean.round(3), round(two.weight, 3)  # 3 in 4 to the dear arm
    (array([0.3]), 0.75)
    """
    count = len(targets)
    price = [0.0] * count if start is None else start.tolist()
    program = _Program(scores, amounts)
    if count == 1:
        low, high, weight = _solve_one(program.curve(0, price), float(targets[0]), price[0])
        return _prices([0.0], 0, low, high, weight)
    most = program.most()
    low = high = weight = 0.0
    last = 0
    for _ in range(SWEEPS):
        before = price.copy()
        for one, target in enumerate(targets.tolist()):
            found = _solve_one(program.curve(one, price), target, price[one])
            found = min(found[0], most[one]), min(found[1], most[one]), found[2]
            price[one] = found[1]
            if found[1] > 0.0 or one == 0:
                low, high, weight = found
                last = one
        pairs = zip(price, before, strict=True)
        if all(abs(now - then) <= 10 * CLOSE * abs(then) for now, then in pairs):
            break
    return _prices(price, last, low, high, weight)


def dearest(scores: Array, amounts: Array) -> list[float]:
    """Beyond these (R,) no price makes sense, whatever the others are: ten times what is needed to
    leave nothing but the arms that take least of the resource, while the others have no price."""
    return _Program(scores, amounts).most()


def _prices(price: list[float], which: int, low: float, high: float, weight: float) -> Prices:
    first, second = np.array(price), np.array(price)
    first[which], second[which] = low, high
    return Prices(first) if weight >= 1.0 else Prices(first, second, weight)


def _solve_one(curve: "_Curve", target: float, start: float) -> tuple[float, float, float]:
    """Prices low <= high, and the weight of the low one, that take `target` on average."""
    if start == 0.0 and curve.taken(0.0) <= target:  # a budget that does not bind seldom begins to
        return 0.0, 0.0, 1.0
    dearest = curve.dearest
    low, high = 0.0, dearest
    if 0.0 < start < dearest:  # most of the time the price has hardly moved
        for guess in (start / NARROW, start * NARROW):
            if low < guess < high:
                low, high = _halved(low, high, guess, curve, target)
    # Spending falls with the price, so an end that was replaced need not be looked at.
    if low == 0.0 and not curve.exceeds(0.0, target):
        return 0.0, 0.0, 1.0
    if high == dearest and curve.exceeds(dearest, target):
        return dearest, dearest, 1.0
    if not curve.crosses(target):
        curve.study(low, high)
    for _ in range(HALVINGS):
        if high - low <= CLOSE * high or high < NOTHING * dearest:
            break
        # Prices go over orders of magnitude: halve their logarithm, once there is a lower end.
        middle = (low * high) ** 0.5 if low > 0.0 else high / 32.0
        low, high = _halved(low, high, middle, curve, target)
    above, below = curve.taken(low), curve.taken(high)
    if above - below <= FINE * target:
        return high, high, 1.0
    weight = (target - below) / (above - below)
    return low, high, min(max(weight, 0.0), 1.0)


def _halved(
    low: float, high: float, middle: float, curve: "_Curve", target: float
) -> tuple[float, float]:
    """The part of the interval in which the spending crosses the target."""
    return (middle, high) if curve.exceeds(middle, target) else (low, middle)


class _Program:
    """Scores (n, K) and amounts (K, R), and what has been worked out of them."""

    def __init__(self, scores: Array, amounts: Array) -> None:
        self._scores, self._amounts = scores, amounts
        self._columns = list(np.ascontiguousarray(amounts.T))
        self._free: dict[tuple[float, ...], _Free] = {}
        self._curves: dict[tuple[int, tuple[float, ...]], _Curve] = {}

    def most(self) -> list[float]:
        """See `dearest`."""
        free = [0.0] * len(self._columns)
        return [BEYOND * self.curve(one, free).dearest for one in range(len(free))]

    def curve(self, one: int, price: list[float]) -> "_Curve":
        """Of the resource `one`, while the others have these prices."""
        rest = (*price[:one], 0.0, *price[one + 1 :])
        found = self._curves.get((one, rest))
        if found is None:
            if rest not in self._free:  # resources without a price share one
                scores = self._scores
                if any(rest):
                    scores = scores - self._amounts @ np.array(rest)
                self._free[rest] = _Free(scores, scores.argmax(axis=1))
            found = self._curves[one, rest] = _Curve(self._free[rest], self._columns[one])
        return found


class _Free(NamedTuple):
    """Scores (n, K), and the slots (n,) of the best, while one resource has no price."""

    scores: Array
    best: NDArray[np.intp]


class _Curve:
    """What queries take on average at a price, each sent to its best arm: it falls in steps.

    Within an interval that was studied the steps are known, and nothing needs to be looked at.
    """

    def __init__(self, free: _Free, amount: Array) -> None:
        self._scores, self._amount, self._count = free.scores, amount, len(free.scores)
        self._best: dict[float, NDArray[np.intp]] = {0.0: free.best}  # by price
        self._low, self._high = 1.0, 0.0  # nothing is studied
        self._steps: list[float] = []
        self._levels: list[float] = []  # taken below each step, and above the last
        self._dearest: float | None = None

    @property
    def dearest(self) -> float:
        if self._dearest is None:
            self._dearest = _dearest(self._scores, self._amount)
        return self._dearest

    def taken(self, price: float) -> float:
        if self._low <= price <= self._high:
            return self._levels[bisect_left(self._steps, price)]
        return float(self._amount.take(self._chosen(price)).sum()) / self._count

    def exceeds(self, price: float, target: float) -> bool:
        """Whether more is taken at this price. The dearer the less, so that what is known of
        another price may say it."""
        if self._levels:
            if price < self._low and self._levels[0] > target:
                return True
            if price > self._high and self._levels[-1] <= target:
                return False
        return self.taken(price) > target

    def crosses(self, target: float) -> bool:
        """Whether it falls below the target within what was studied."""
        return bool(self._levels) and self._levels[0] > target >= self._levels[-1]

    def study(self, low: float, high: float) -> None:
        """Finds the steps between these prices.

        Of a query that takes different arms at the ends, the price at which these two are alike:
        if no arm between them is better there, it is a step, else there is one on either side.
        """
        scores, amount = self._scores, self._amount
        upper, lower = self._chosen(low), self._chosen(high)
        total = float(amount.take(lower).sum())
        rows = (amount.take(upper) != amount.take(lower)).nonzero()[0]
        upper, lower = upper.take(rows), lower.take(rows)
        steps, drops = [np.empty(0)], [np.empty(0)]
        while len(rows):
            most, least = amount.take(upper), amount.take(lower)
            drop = most - least
            step = (scores[rows, upper] - scores[rows, lower]) / drop
            between = (scores.take(rows, axis=0) - step[:, None] * amount).argmax(axis=1)
            taken = amount.take(between)
            is_split = (least < taken) & (taken < most)
            is_step = ~is_split
            steps.append(step[is_step])
            drops.append(drop[is_step])
            rows, between = rows[is_split], between[is_split]
            upper = np.concatenate([upper[is_split], between])
            lower = np.concatenate([between, lower[is_split]])
            rows = np.concatenate([rows, rows])
        step = np.concatenate(steps)
        order = step.argsort()
        # From the dear end, so that there the sum is what all queries take.
        levels = total + np.concatenate([[0.0], np.concatenate(drops)[order][::-1].cumsum()])
        self._steps = step[order].tolist()
        self._levels = (levels[::-1] / self._count).tolist()
        self._low, self._high = low, high

    def _chosen(self, price: float) -> NDArray[np.intp]:
        """The slot that each query is sent to, (n,)."""
        found = self._best.get(price)
        if found is None:
            found = self._best[price] = (self._scores - price * self._amount).argmax(axis=1)
        return found


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
