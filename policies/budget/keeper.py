"""A controller at work: what it has been told, and what it says about the next decision.

Owns the control state that follows decisions: prices, what calls take, what has been reserved and
spent. Whoever keeps budgets in a ledger instead hands in a purse of its own.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from policies.budget.consumption import Consumption
from policies.budget.controller import AnyController, Purse
from policies.budget.restraint import Exhaustion, Restraint, restrain
from policies.policy import Array, Mask


@dataclass(slots=True, eq=False)
class Keeper:
    """Keeps R budgets over `requests` requests, or as rates without an end (None).

    rate         (R,)  what may be taken a request, in true units, > 0
    consumption  of the policy's arms
    calls        that a decision makes: a duel two
    settled      (R,)  taken by calls that were paid
    pending      (K,)  calls that were not, by arm
    decided      requests so far
    tried        (K,) decisions for each arm so far
    price        (R,) the shadow price of the last decision

    ValueError for a rate that is not positive and finite.
    """

    controller: AnyController
    rate: Array
    consumption: Consumption
    requests: int | None = None
    exhaustion: Exhaustion = Exhaustion.CHEAPEST
    fallback: int | None = None
    calls: int = 1
    settled: Array = field(init=False)
    pending: Array = field(init=False)
    decided: int = field(init=False, default=0)
    price: Array = field(init=False)
    tried: Array = field(init=False)
    _state: Any = field(init=False)

    def __post_init__(self) -> None:
        if not (np.isfinite(self.rate).all() and (self.rate > 0.0).all()):
            raise ValueError(f"every budget must be positive and finite, got {self.rate.tolist()}")
        self.settled = np.zeros(len(self.rate))
        self.pending = np.zeros(len(self.consumption.listed))
        self.price = np.zeros(len(self.rate))
        self.tried = np.zeros(len(self.consumption.listed))
        self._state = self.controller.start(len(self.rate))

    @property
    def spent(self) -> Array:
        """Settled, and what is set aside for calls that are not, (R,).

        These count for what is known of their arms by now: where bills come late, all that was
        decided before the first one was set aside at a guess, and need not stay so.
        """
        if not np.logical_or.reduce(self.pending):
            return self.settled
        aside: Array = self.pending.dot(np.nan_to_num(self.consumption.reserves()))
        return self.settled + aside

    def purse(self) -> Purse:
        left = None if self.requests is None else max(float(self.requests - self.decided), 1.0)
        return Purse(self.rate, self.spent, self.decided, left)

    @property
    def known(self) -> Mask:
        """Arms (K,) of which something is known."""
        known: Mask = np.logical_not(np.isnan(self.consumption.means()).any(axis=1))
        return known

    def restraint(self, scores: Array, eligible: Mask | None) -> Restraint:
        """What the budgets leave of n queries; `scores` and `eligible` are (n, K), None: all.

        `scores` is what the arms would be judged by without a price; see `policies.scores`.
        """
        purse, means = self.purse(), self.calls * self.consumption.means()
        amounts = np.where(np.isnan(means), 0.0, means)
        judged = scores if eligible is None else np.where(eligible, scores, -np.inf)
        prices = self.controller.prices(self._state, purse, amounts, judged)
        self.price = prices.mean
        uppers = self.calls * self.consumption.uppers()
        return restrain(
            prices,
            purse,
            eligible,
            means,
            uppers,
            self.tried,
            self.exhaustion,
            self.fallback,
            len(scores),
            self.consumption.lowers,
            self.calls * self.consumption.asides(),
        )

    def reserve(self, arm: int, is_second: bool = False) -> None:
        """Books a call of `arm`. The first of a decision counts as one."""
        self.decided += not is_second
        self.tried[arm] += 1
        self.pending[arm] += 1

    def settle(self, arm: int, taken: Array) -> None:
        """A call of `arm` took this, (R,). NaN is not known: then what is set aside for it now is
        spent for good."""
        paid, unknown = taken, np.isnan(taken)
        if np.logical_or.reduce(unknown):
            paid = np.where(unknown, np.nan_to_num(self.consumption.reserves()[arm]), taken)
        if self.controller.settles:
            self.controller.settle(self._state, self.purse(), paid)
        self.consumption.note(arm, taken)
        self.pending[arm] -= 1
        self.settled = self.settled + paid
