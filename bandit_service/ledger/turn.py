"""Queries decided together under budgets: what can be paid for them, and what they take."""

from collections.abc import Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandit_service.model import (
    Decision,
    Priced,
    Spending,
    WhenExhausted,
    pack,
)
from policies.budget import Exhaustion, Restraint, restrain

if TYPE_CHECKING:
    from bandit_service.ledger.account import Account

_Units = tuple[int, ...]  # of each budget
Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_HARSHNESS = [WhenExhausted.CHEAPEST, WhenExhausted.FALLBACK, WhenExhausted.REFUSE]


class Turn:
    """One turn of an account.

    needs    (K, R) what a call of each arm is to reserve, in true units
    weight   calls at most, of all queries: a duel has two
    calls    that each query makes at least: prices are for so many
    refused  a flag a query, once the turn was decided: it is to be refused
    short    by row, which budget could pay for no arm of a query that is served all the same
    """

    def __init__(self, account: "Account", needs: Array, weight: int, calls: int = 1) -> None:
        self._account = account
        self._needs = needs
        self._weight, self._calls = max(weight, 1), calls
        self._priced: Priced | None = None
        self._units: dict[int, list[tuple[int, float]]] = {}
        self._packed: dict[tuple[tuple[int, ...], tuple[_Units, ...], str], bytes] = {}
        self.refused: list[bool] = []
        self.short: dict[int, str] = {}

    @property
    def known(self) -> Mask:
        """Arms (K,) of which anything is known: the others cannot be kept within a budget."""
        return self._account.appetite.known()

    def restraint(self, scores: Array, eligible: Mask | None) -> Restraint:
        """See policies.budget.Keeper. A row that is to be refused keeps all its arms."""
        account, needs = self._account, self._needs
        kept = account.planned(scores, needs, self._weight) if self._plain(eligible) else None
        if kept is not None:
            self._priced = kept.priced
            return kept.restraint
        consumption, purse = account.appetite.consumption, account.purse()
        means, uppers, asides = consumption.means(), consumption.uppers(), consumption.asides()
        tops = uppers if needs is uppers else np.maximum(uppers, needs)
        if self._calls > 1:
            means, tops, asides = (self._calls * each for each in (means, tops, asides))
        open_arms = self._open(scores, eligible)
        amounts, judged = means, scores
        if open_arms is not None:
            amounts = np.where(np.isnan(means), 0.0, means)
            judged = np.where(open_arms, scores, -np.inf)
        prices = account.controller.prices(account.control, purse, amounts, judged)
        first, second = account.marked(prices)
        payable, affordable = open_arms, needs <= self._shares()
        if open_arms is not None or not np.logical_and.reduce(affordable, axis=None):
            every = np.ones(scores.shape, dtype=np.bool_)
            eligible = every if eligible is None else eligible
            open_arms = every if open_arms is None else open_arms
            payable = open_arms & affordable.all(axis=1)
        tried = account.appetite.tried
        found = restrain(
            prices,
            purse,
            payable,
            means,
            tops,
            tried,
            Exhaustion.REFUSE,
            rows=len(scores),
            lowers=consumption.lowers,
            asides=asides,
        )
        if found.eligible is not None:
            every = np.ones(scores.shape, dtype=np.bool_)
            self.refused = self._serve_the_broke(
                found.eligible,
                every if eligible is None else eligible,
                every if open_arms is None else open_arms,
            )
        self._priced = Priced(
            first,
            second,
            prices.weight,
            found.amounts.tobytes(),
            found.room.tobytes(),
            bytes(len(tried)) if found.untried is None else found.untried.tobytes(),
        )
        account.remember(found, self._priced if self._plain(eligible) else None)
        return found

    def _plain(self, eligible: Mask | None) -> bool:
        """Whether any arm may serve, with one call."""
        return eligible is None and self._calls == 1 and self._account.appetite.knows_all

    def _open(self, scores: Array, eligible: Mask | None) -> Mask | None:
        """The eligible arms of which anything is known; None: all of them."""
        if self._account.appetite.knows_all:
            return eligible
        return np.broadcast_to(self.known, scores.shape) & (True if eligible is None else eligible)

    def charge(self, made: Mapping[int, Decision]) -> None:
        """Gives decisions, by row, what they reserve; it is off the lease from now on."""
        if not made:
            return
        account = self._account
        slots = [_slots(decision) for decision in made.values()]
        calls = list(chain.from_iterable(slots))
        by_budget = zip(*map(self._amounts, calls), strict=True)
        reserved = [
            one.reserve(amounts, len(made))
            for one, amounts in zip(account.holdings, by_budget, strict=True)
        ]
        account.tried(calls)
        account.charged += len(made)
        by_call = zip(*reserved, strict=True)
        for (row, decision), arms in zip(made.items(), slots, strict=True):
            # Most calls of an arm in a turn reserve the same.
            key = arms, tuple(islice(by_call, len(arms))), self.short.get(row, "")
            packed = self._packed.get(key)
            if packed is None:
                packed = self._packed[key] = self._spending(*key)
            # Nobody else has seen it yet: setting a field takes a tenth of the time of a copy.
            msgspec.structs.force_setattr(decision, "spending", packed)

    def _spending(self, slots: Sequence[int], reserved: Sequence[_Units], short: str) -> bytes:
        by_budget = zip(*reserved, strict=True)
        charges = [
            one.charge(tuple(zip(slots, units, strict=True)))
            for one, units in zip(self._account.holdings, by_budget, strict=True)
        ]
        return pack(Spending(tuple(charges), self._priced, short))

    def _amounts(self, slot: int) -> list[tuple[int, float]]:
        """A call of this arm: see `Appetite.units`."""
        found = self._units.get(slot)
        if found is None:
            appetite = self._account.appetite
            if self._needs is appetite.consumption.uppers():  # no tokens were told
                found = appetite.units(slot)
            else:
                found = appetite.units_of(slot, self._needs[slot])
            self._units[slot] = found
        return found

    def _shares(self) -> Array:
        """What each call of the turn may take for sure, (R,)."""
        return np.array([one.rest // self._weight / one.scale for one in self._account.holdings])

    def _serve_the_broke(self, kept: Mask, eligible: Mask, open_arms: Mask) -> list[bool]:
        """Gives rows in which nothing can be paid what the harshest of the budgets that are
        short says; `kept` is changed in place. Returns which rows are to be refused."""
        refused = [False] * len(kept)
        for row in np.flatnonzero(~kept.any(axis=1)):
            slot, budget = self._last_resort(eligible[row], open_arms[row])
            if slot is None:
                refused[row] = True
                kept[row] = eligible[row]
            else:
                kept[row, slot] = True
                self.short[int(row)] = budget
        return refused

    def _last_resort(self, eligible: Mask, open_arms: Mask) -> tuple[int | None, str]:
        """Who serves, None: nobody; and by which budget's rule."""
        account = self._account
        if not open_arms.any():  # nothing is known of any arm
            return None, ""
        rates = np.array([one.budget.amount for one in account.holdings])
        lowers = account.appetite.consumption.lowers()
        weight = np.where(open_arms, (lowers / rates).max(axis=1), np.inf)
        cheapest = int(weight.argmin())
        short = self._needs[cheapest] > self._shares()
        budgets = [one.budget for one in account.holdings]
        blamed = [b for b, is_short in zip(budgets, short, strict=True) if is_short] or budgets
        harshest = max(blamed, key=lambda budget: _HARSHNESS.index(budget.when_exhausted))
        if harshest.when_exhausted is WhenExhausted.CHEAPEST:
            return cheapest, harshest.name
        if harshest.when_exhausted is WhenExhausted.FALLBACK:
            names = [arm.name for arm in account.config.arms]
            slot = names.index(harshest.fallback_arm)
            return slot if eligible[slot] else None, harshest.name
        return None, harshest.name


def _slots(decision: Decision) -> tuple[int, ...]:
    second = decision.second_arm
    return (decision.arm,) if second is None else (decision.arm, second)
