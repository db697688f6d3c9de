"""From prices to chances: what a budget leaves of a learner's distribution.

In this order: arms that what remains cannot pay fall out; the learner judges the rest by quality
less price times amount, under either price; the two distributions are mixed by their weight; and
the exploration floor goes in, as far as money for it is there. Fixed before the draw.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from math import inf, isfinite, isinf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from policies.budget.controller import Prices, Purse
from policies.policy import Array, Mask

# Of what is left above the cheapest arm, that the exploration floor may take. A tenth was too much:
# on real outcomes it cost .001 of quality at tight budgets, most of it for arms far too dear.
FLOOR_SHARE = 0.02
# An arm is tried this often, soon, if that share pays for it: what a guess from a list price makes
# too dear would otherwise never be found out to be cheap.
FIRST_TRIES = 3
FIRST_CHANCE = 0.05
ENDLESS = 1000.0  # requests that count as "what is left" where there is no end

# (offsets (n, K), eligible (n, K) or None) -> chances (n, K)
Learner = Callable[[Array, Mask | None], Array]


class Exhaustion(Enum):
    """What happens to a query that no arm can be paid for."""

    CHEAPEST = "cheapest"  # served all the same, by what takes least: the budget gives way
    FALLBACK = "fallback"  # served by a named arm, as one the operator does not pay for
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, eq=False)
class Restraint:
    """What the budgets say about n queries.

    prices    of the controller
    amounts   (K, R) expected of a call
    eligible  (n, K) arms that may be played: offered, open, and payable. A row without any is
              to be refused. None: all of them
    room      (R,) what the exploration floor may take of each query for each arm, above the
              cheapest one
    untried   (K,) arms to be tried soon; None: none
    above     (K, R) amounts less those of the cheapest arm, where that is known already
    call      (R,) what a call could take, once the cheapest arm's for the other requests are set
              aside; None where that left some arm out
    """

    prices: Prices
    amounts: Array
    eligible: Mask | None
    room: Array
    untried: Mask | None
    above: Array | None = None
    call: Array | None = None
    _least: dict[float, tuple[Array, float]] = field(default_factory=dict, init=False, repr=False)

    def chances(self, learner: Learner, offsets: Array | None, floor: float) -> Array:
        """The distribution to draw from, (n, K). ValueError where a row has no eligible arm."""
        prices = self.prices
        first = learner(self._less(offsets, prices.first), self.eligible)
        if prices.second is not None and prices.weight < 1.0:
            second = learner(self._less(offsets, prices.second), self.eligible)
            first = prices.weight * first + (1.0 - prices.weight) * second
        return self.with_floor(first, floor)

    def offsets(self, offsets: Array | None) -> Array:
        """What is added to each arm's quality where one price has to do, (1, K) or (n, K)."""
        return self._less(offsets, self.prices.mean)

    def with_floor(self, chances: Array, floor: float) -> Array:
        """At least `floor` / |E| for every eligible arm E, less where `room` does not allow it.

        Each arm may take an equal part of the room: what is dear is tried seldom, what is cheap
        as often as without a budget.
        """
        if self.eligible is None:
            return self._with_floor_for_all(chances, floor)
        counts = np.maximum(self.eligible.sum(axis=1, keepdims=True), 1)
        amounts = np.where(self.eligible[:, :, None], self.amounts, np.inf)
        above = np.maximum(self.amounts - amounts.min(axis=1, keepdims=True), 0.0)
        part = np.maximum(self.room, 0.0)
        allowed = np.full(above.shape, np.inf)
        np.divide(part, above, out=allowed, where=above > 0.0)
        allowed = allowed.min(axis=2)
        least = np.minimum(floor, allowed) / counts
        if floor > 0.0 and self.untried is not None:
            least = np.where(self.untried, np.maximum(least, FIRST_CHANCE / counts), least)
        least = np.where(self.eligible, least, 0.0)
        mixed: Array = chances * (1.0 - least.sum(axis=1, keepdims=True)) + least
        return mixed

    def _with_floor_for_all(self, chances: Array, floor: float) -> Array:
        """The same where no arm fell out: then all rows have one least chance an arm."""
        if floor not in self._least:  # made once for all that are decided by this
            least = self._least_for_all(floor)
            self._least[floor] = least, 1.0 - float(np.add.reduce(least))
        least, rest = self._least[floor]
        mixed: Array = chances * rest
        mixed += least
        return mixed

    def _least_for_all(self, floor: float) -> Array:
        arms = len(self.amounts)
        above = self.above
        if above is None:
            above = self.amounts - np.minimum.reduce(self.amounts, axis=0)
        # Of its room, what an arm's least chance would take; beyond 1 it has to be less.
        if min(self.room.tolist()) > 0.0:
            taking = np.maximum.reduce(above * (floor / self.room), axis=1)
        else:  # then only arms that take no more than the cheapest have one
            beyond = np.where(above > 0.0, np.inf, 0.0)
            within = above * (floor / np.where(self.room > 0.0, self.room, 1.0))
            taking = np.where(self.room > 0.0, within, beyond).max(axis=1)
        least: Array = (floor / arms) / np.maximum(taking, 1.0)
        if floor > 0.0 and self.untried is not None:
            least = np.where(self.untried, np.maximum(least, FIRST_CHANCE / arms), least)
        return least

    def _less(self, offsets: Array | None, price: Array) -> Array:
        """Offsets less what the price makes of each arm's amounts."""
        penalty: Array = self.amounts.dot(price)
        less: Array = -penalty[None] if offsets is None else offsets - penalty
        return less


def restrain(
    prices: Prices,
    purse: Purse,
    eligible: Mask | None,
    means: Array,
    uppers: Array,
    tried: Array,
    exhaustion: Exhaustion = Exhaustion.CHEAPEST,
    fallback: int | None = None,
    rows: int = 1,
    lowers: Callable[[], Array] | None = None,
    asides: Array | None = None,
) -> Restraint:
    """What these prices, and what remains, leave of the eligible arms (n, K), n >= 1; None: all.

    means, uppers  (K, R) of a call; NaN: nothing is known, so it cannot be paid
    tried          (K,) decisions for each arm so far
    fallback       the slot that serves under Exhaustion.FALLBACK
    rows           n, where `eligible` is None
    lowers         (K, R) what calls may turn out to take; None: the means
    asides         (K, R) what to set aside for calls that are sure to come; None: the means

    Where nothing but the cheapest arm can be paid, it is the one that may turn out so: by the
    means, an arm whose first calls happened to be dear would never be found out to be cheap.

    An arm can be paid if its upper amount fits into what remains after the cheapest arm has
    served the other requests that are left. The cheapest one needs to fit only once: its own
    requests were set aside for it.
    """
    if eligible is None:
        least = np.minimum.reduce(means, axis=0)
        limits = _limits(purse, least if asides is None else np.minimum.reduce(asides, axis=0))
        if prices.open is None and np.logical_and.reduce(uppers <= limits.call, axis=None):
            above = means - least
            return _exploring(prices, means, None, limits, tried, above, limits.call)
        eligible = np.ones((rows, len(means)), dtype=np.bool_)
    amounts = np.where(np.isnan(means), np.inf, means)
    tops = np.where(np.isnan(uppers), np.inf, uppers)
    lowest = amounts if lowers is None else np.nan_to_num(lowers(), nan=np.inf)
    weight = np.where(eligible, (lowest / purse.rate).max(axis=1), np.inf)
    cheapest = weight.argmin(axis=1)
    each = np.arange(len(eligible))
    # Retired arms, and what no caller allows, will not serve the other requests either.
    served = amounts if asides is None else np.nan_to_num(asides, nan=np.inf)
    served = served[eligible.any(axis=0)]
    limits = _limits(purse, served.min(axis=0, initial=np.inf))
    payable = (tops <= limits.call).all(axis=1)
    kept = eligible & payable
    once = (amounts[cheapest] <= limits.remaining).all(axis=1)
    kept[each, cheapest] |= once & eligible[each, cheapest]
    if prices.open is not None:
        # A threshold that closes everything still leaves the cheapest.
        opened = kept & prices.open
        closed = ~opened.any(axis=1)
        opened[closed, cheapest[closed]] = kept[closed, cheapest[closed]]
        kept = opened
    kept = _served(kept, eligible, cheapest, exhaustion, fallback)
    finite = np.where(np.isfinite(amounts), amounts, 0.0)
    return _exploring(prices, finite, kept, limits, tried, finite - finite.min(axis=0))


class _Limits(NamedTuple):
    """What remains, (R,) each: in all; for this call, once the cheapest arm's calls for the other
    requests are set aside; for exploring, in all; and the same a request."""

    remaining: Array
    call: Array
    pot: Array
    each: Array


def _limits(purse: Purse, least: Array) -> _Limits:
    """`least` (R,) is what the cheapest arm takes. Of a handful of numbers: plain Python is
    quicker."""
    count = len(purse.rate)
    lefts, requests = purse.left, purse.requests
    found = []
    for rate, spent, cheapest, left, so_far in zip(
        purse.rate.tolist(),
        purse.spent.tolist(),
        least.tolist(),
        lefts.tolist() if isinstance(lefts, np.ndarray) else [lefts] * count,
        requests.tolist() if isinstance(requests, np.ndarray) else [requests] * count,
        strict=True,
    ):
        if left is None or isinf(left):
            pot = FLOOR_SHARE * rate * ENDLESS
            found.append((inf, inf, pot, pot / ENDLESS))
            continue
        remaining = rate * (so_far + left) - spent
        to_come = max(left - 1.0, 0.0)
        call = remaining - (cheapest * to_come if isfinite(cheapest) else 0.0)
        pot = FLOOR_SHARE * max(call, 0.0)
        found.append((remaining, call, pot, pot / max(left, 1.0)))
    return _Limits(*np.array(found).T)


def _exploring(
    prices: Prices,
    amounts: Array,
    kept: Mask | None,
    limits: _Limits,
    tried: Array,
    above: Array,
    call: Array | None = None,
) -> Restraint:
    """With the floor's room among the arms, and those that have to be tried."""
    untried = None
    seldom = tried < FIRST_TRIES
    if np.logical_or.reduce(seldom):
        seldom &= np.logical_and.reduce(FIRST_TRIES * above <= limits.pot, axis=1)
        if np.logical_or.reduce(seldom):
            untried = seldom
    room = limits.each / max(1, len(amounts))
    return Restraint(prices, amounts, kept, room, untried, above, call)


def _served(
    kept: Mask,
    eligible: Mask,
    cheapest: NDArray[np.intp],
    exhaustion: Exhaustion,
    fallback: int | None,
) -> Mask:
    """Gives rows that cannot pay for anything what their budget says."""
    broke = np.flatnonzero(~kept.any(axis=1))
    if not len(broke) or exhaustion is Exhaustion.REFUSE:
        return kept
    slots = cheapest[broke]
    if exhaustion is Exhaustion.FALLBACK:
        if fallback is None:
            raise ValueError("exhaustion by fallback needs an arm to fall back on")
        slots = np.full(len(broke), fallback)
    kept[broke, slots] = eligible[broke, slots]
    return kept
