"""Primal-dual pacing: after every call the prices rise with what it took, and fall with the rest.

    additive        price <- price + step (taken / rate - 1) worth / rate
    multiplicative  price <- price exp(step clip(taken / rate - 1, -1, 3))

Sources: Agrawal and Devanur (2016), "Linear Contextual Bandits with Knapsacks", NeurIPS 29, for
the additive rule (gradient descent on the dual); Balseiro, Lu and Mirrokni (2023), "The Best of
Many Worlds: Dual Mirror Descent for Online Allocation Problems", Operations Research 71(1), for
the multiplicative one (mirror descent with entropy).

Departs from them: prices are in true units, quality per USD or joule, for a penalty that is not
linear in the amount is no shadow price. What makes their steps free of units is the price at
which a request's whole rate is worth `worth` of quality. And the target is that of what is left,
so debt from the time before the price had settled is made up for.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from policies.budget.controller import Prices, Purse, check_rate, making_up
from policies.policy import Array
from policies.settings import check, setting

LARGEST_STEP = 3.0  # taken / rate - 1; one dear call among cheap ones is a hundred times the rate


@dataclass(slots=True, eq=False)
class Price:
    """The prices (R,), NaN before the first purse says what the units are."""

    price: Array


@dataclass(frozen=True, kw_only=True)
class Pacing:
    """Prices moved by each call, after it has been paid.

    multiplicative  which of the two rules
    step            of one call, in (0, 1]
    worth           quality at stake in a request, at first and at most, in [1e-6, 1e3]: prices
                    start at a tenth of worth / rate, and end at ten times it
    leak            as in `Resolving`: requests over which debt is made up for
    """

    name: ClassVar[str] = "pacing"
    settles: ClassVar[bool] = True

    multiplicative: bool = False
    step: float = setting(0.01, least=1e-9, most=1)
    worth: float = setting(0.1, least=1e-6, most=1e3)
    leak: float = setting(200.0, least=1, most=1e6)

    def __post_init__(self) -> None:
        check(self)

    def start(self, resources: int) -> Price:
        return Price(np.full(resources, np.nan))

    def prices(self, state: Price, purse: Purse, amounts: Array, scores: Array) -> Prices:
        check_rate(purse)
        self._begin(state, purse)
        return Prices(state.price.copy())

    def settle(self, state: Price, purse: Purse, taken: Array) -> None:
        self._begin(state, purse)
        unit = self.worth / purse.rate
        over = making_up(purse, self.leak)
        target = np.clip(purse.rate + purse.credit / over, 0.2 * purse.rate, 3.0 * purse.rate)
        excess = (taken - target) / purse.rate
        if self.multiplicative:
            moved = state.price * np.exp(self.step * np.clip(excess, -1.0, LARGEST_STEP))
            state.price = np.clip(moved, 1e-6 * unit, 10.0 * unit)
        else:
            # Not clipped: a clipped gradient does not average to that of the budget.
            state.price = np.clip(state.price + self.step * unit * excess, 0.0, 10.0 * unit)

    def _begin(self, state: Price, purse: Purse) -> None:
        if np.isnan(state.price).any():
            state.price = 0.1 * self.worth / purse.rate
