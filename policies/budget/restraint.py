"""From prices to chances: what a budget leaves of a learner's distribution.

In this order: arms that what remains cannot pay fall out; the learner judges the rest by quality
less price times amount, under either price; the two distributions are mixed by their weight; and
the exploration floor goes in, as far as money for it is there. Fixed before the draw.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

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

# (offsets (n, K), eligible (n, K)) -> chances (n, K)
Learner = Callable[[Array, Mask], Array]


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
              to be refused
    room      (R,) what the exploration floor may take of each query for each arm, above the
              cheapest one
    untried   (K,) arms to be tried soon
    """

    prices: Prices
    amounts: Array
    eligible: Mask
    room: Array
    untried: Mask

    def chances(self, learner: Learner, offsets: Array | None, floor: float) -> Array:
        """The distribution to draw from, (n, K). ValueError where a row has no eligible arm."""
        prices = self.prices
        before = 0.0 if offsets is None else offsets
        first = learner(before - self._penalty(prices.first), self.eligible)
        if prices.second is not None and prices.weight < 1.0:
            second = learner(before - self._penalty(prices.second), self.eligible)
            first = prices.weight * first + (1.0 - prices.weight) * second
        return self.with_floor(first, floor)

    def offsets(self, offsets: Array | None) -> Array:
        """What is added to each arm's quality where one price has to do, (1, K) or (n, K)."""
        return (0.0 if offsets is None else offsets) - self._penalty(self.prices.mean)

    def with_floor(self, chances: Array, floor: float) -> Array:
        """At least `floor` / |E| for every eligible arm E, less where `room` does not allow it.

        Each arm may take an equal part of the room: what is dear is tried seldom, what is cheap
        as often as without a budget.
        """
        counts = np.maximum(self.eligible.sum(axis=1, keepdims=True), 1)
        amounts = np.where(self.eligible[:, :, None], self.amounts, np.inf)
        above = np.maximum(self.amounts - amounts.min(axis=1, keepdims=True), 0.0)
        part = np.maximum(self.room, 0.0)
        allowed = np.full(above.shape, np.inf)
        np.divide(part, above, out=allowed, where=above > 0.0)
        allowed = allowed.min(axis=2)
        least = np.minimum(floor, allowed) / counts
        if floor > 0.0:
            least = np.where(self.untried, np.maximum(least, FIRST_CHANCE / counts), least)
        least = np.where(self.eligible, least, 0.0)
        mixed: Array = chances * (1.0 - least.sum(axis=1, keepdims=True)) + least
        return mixed

    def _penalty(self, price: Array) -> Array:
        return (self.amounts @ price)[None, :]


def restrain(
    prices: Prices,
    purse: Purse,
    eligible: Mask,
    means: Array,
    uppers: Array,
    tried: Array,
    exhaustion: Exhaustion = Exhaustion.CHEAPEST,
    fallback: int | None = None,
) -> Restraint:
    """What these prices, and what remains, leave of the eligible arms (n, K), n >= 1.

    means, uppers  (K, R) of a call; NaN: nothing is known, so it cannot be paid
    tried          (K,) decisions for each arm so far
    fallback       the slot that serves under Exhaustion.FALLBACK

    An arm can be paid if its upper amount fits into what remains after the cheapest arm has
    served the other requests that are left. The cheapest one needs to fit only once: its own
    requests were set aside for it.
    """
    amounts = np.where(np.isnan(means), np.inf, means)
    tops = np.where(np.isnan(uppers), np.inf, uppers)
    weight = np.where(eligible, (amounts / purse.rate).max(axis=1), np.inf)
    cheapest = weight.argmin(axis=1)
    rows = np.arange(len(eligible))
    # Retired arms, and what no caller allows, will not serve the other requests either.
    reserve = _reserve(purse, amounts[eligible.any(axis=0)])
    remaining = purse.remaining
    payable = (tops <= remaining - reserve).all(axis=1)
    kept = eligible & payable
    once = (amounts[cheapest] <= remaining).all(axis=1)
    kept[rows, cheapest] |= once & eligible[rows, cheapest]
    if prices.open is not None:
        # A threshold that closes everything still leaves the cheapest.
        opened = kept & prices.open
        closed = ~opened.any(axis=1)
        opened[closed, cheapest[closed]] = kept[closed, cheapest[closed]]
        kept = opened
    kept = _served(kept, eligible, cheapest, exhaustion, fallback)
    finite = np.where(np.isfinite(amounts), amounts, 0.0)
    pot, left = _for_exploring(purse, remaining - reserve)
    room = pot / (left * max(1, len(amounts)))
    above = finite - finite.min(axis=0)
    untried = (tried < FIRST_TRIES) & (FIRST_TRIES * above <= pot).all(axis=1)
    return Restraint(prices, finite, kept, room, untried)


def _reserve(purse: Purse, amounts: Array) -> Array:
    """What the cheapest arm takes for the requests after this one, (R,)."""
    if purse.left is None or not len(amounts):
        return np.zeros(len(purse.rate))
    least = amounts.min(axis=0)
    to_come = np.maximum(np.asarray(purse.left) - 1.0, 0.0)
    known = np.isfinite(least) & np.isfinite(to_come)
    kept: Array = np.where(known, np.where(known, least, 0.0) * np.where(known, to_come, 0.0), 0.0)
    return kept


def _for_exploring(purse: Purse, above: Array) -> tuple[Array, float | Array]:
    """What the floor may take in all, (R,), and of how many queries."""
    if purse.left is None:
        return FLOOR_SHARE * purse.rate * ENDLESS, ENDLESS
    endless = np.isinf(purse.left)
    pot: Array = FLOOR_SHARE * np.where(endless, purse.rate * ENDLESS, np.maximum(above, 0.0))
    return pot, np.where(endless, ENDLESS, np.maximum(purse.left, 1.0))


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
