"""Queries decided together under budgets: what can be paid for them, and what they take."""

from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandit_service.model import (
    Decision,
    Priced,
    Resource,
    Spending,
    WhenExhausted,
    from_units,
    pack,
    to_units,
)
from policies.budget import Exhaustion, Restraint, restrain

if TYPE_CHECKING:
    from bandit_service.ledger.account import Account

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_HARSHNESS = [WhenExhausted.CHEAPEST, WhenExhausted.FALLBACK, WhenExhausted.REFUSE]


class Turn:
    """One turn of an account.

    needs    (K, R) what a call of each arm is to reserve, in true units
    weight   calls at most: a duel has two
    refused  a flag a query, once the turn was decided: it is to be refused
    """

    def __init__(self, account: "Account", needs: Array, weight: int) -> None:
        self._account = account
        self._needs = needs
        self._weight = max(weight, 1)
        self._priced: Priced | None = None
        self.refused: list[bool] = []

    @property
    def known(self) -> Mask:
        """Arms (K,) of which anything is known: the others cannot be kept within a budget."""
        return self._account.appetite.known()

    def restraint(self, scores: Array, eligible: Mask) -> Restraint:
        """See policies.budget.Keeper. A row that is to be refused keeps all its arms."""
        account = self._account
        consumption, purse = account.appetite.consumption, account.purse()
        means, uppers = consumption.means(), np.maximum(consumption.uppers(), self._needs)
        amounts = np.where(np.isnan(means), 0.0, means)
        open_arms = eligible & self.known
        prices = account.controller.prices(
            account.control, purse, amounts, np.where(open_arms, scores, -np.inf)
        )
        account.price = prices.mean
        payable = open_arms & (self._needs <= self._shares()).all(axis=1)
        found = restrain(
            prices, purse, payable, means, uppers, account.appetite.tried, Exhaustion.REFUSE
        )
        self.refused = self._serve_the_broke(found.eligible, eligible, open_arms)
        self._priced = Priced(
            first=prices.first.tobytes(),
            second=None if prices.second is None else prices.second.tobytes(),
            weight=prices.weight,
            amounts=found.amounts.tobytes(),
            room=np.broadcast_to(found.room, (len(account.holdings),)).tobytes(),
            untried=found.untried.tobytes(),
        )
        return found

    def charged(self, decision: Decision) -> Decision:
        """The same decision with what it reserves, which is off the lease from now on."""
        account = self._account
        slots = [decision.arm]
        if decision.second_arm is not None:
            slots.append(decision.second_arm)
        needs, expected = self._needs, account.appetite.consumption.means()
        charges = []
        for column, holding in enumerate(account.holdings):
            resource = holding.budget.resource
            calls = [
                (
                    slot,
                    _units(resource, needs[slot, column]),
                    _units(resource, expected[slot, column]),
                )
                for slot in slots
            ]
            charges.append(holding.charge([(slot, units, float(e)) for slot, units, e in calls]))
        account.appetite.tried[slots] += 1.0
        account.charged += 1
        return msgspec.structs.replace(
            decision, spending=pack(Spending(tuple(charges), self._priced))
        )

    def _shares(self) -> Array:
        """What each call of the turn may take for sure, (R,)."""
        held = [
            from_units(one.budget.resource, one.rest // self._weight)
            for one in self._account.holdings
        ]
        return np.array(held)

    def _serve_the_broke(self, kept: Mask, eligible: Mask, open_arms: Mask) -> list[bool]:
        """Gives rows in which nothing can be paid what the harshest of the budgets that are
        short says; `kept` is changed in place. Returns which rows are to be refused."""
        refused = [False] * len(kept)
        for row in np.flatnonzero(~kept.any(axis=1)):
            slot = self._last_resort(eligible[row], open_arms[row])
            if slot is None:
                refused[row] = True
                kept[row] = eligible[row]
            else:
                kept[row, slot] = True
        return refused

    def _last_resort(self, eligible: Mask, open_arms: Mask) -> int | None:
        account = self._account
        if not open_arms.any():  # nothing is known of any arm
            return None
        rates = np.array([one.budget.amount for one in account.holdings])
        weight = np.where(open_arms, (self._needs / rates).max(axis=1), np.inf)
        cheapest = int(weight.argmin())
        short = self._needs[cheapest] > self._shares()
        budgets = [one.budget for one in account.holdings]
        blamed = [b for b, is_short in zip(budgets, short, strict=True) if is_short] or budgets
        harshest = max(blamed, key=lambda budget: _HARSHNESS.index(budget.when_exhausted))
        if harshest.when_exhausted is WhenExhausted.CHEAPEST:
            return cheapest
        if harshest.when_exhausted is WhenExhausted.FALLBACK:
            names = [arm.name for arm in account.config.arms]
            slot = names.index(harshest.fallback_arm)
            return slot if eligible[slot] else None
        return None


def _units(resource: Resource, amount: float) -> int:
    """0 where nothing is known: nothing can be reserved then."""
    return 0 if np.isnan(amount) else to_units(resource, float(amount))
