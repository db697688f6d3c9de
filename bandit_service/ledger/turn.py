"""Queries decided together under budgets: what can be paid for them, and what they take."""

from collections.abc import Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandit_service.budgets import PRICE
from bandit_service.errors import BudgetExhausted, Exhausted, Unpriced
from bandit_service.model import (
    Budget,
    Decision,
    Priced,
    Spending,
    WhenExhausted,
    pack,
)
from policies.budget import Exhaustion, Purse, Restraint, restrain

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
    refused  by row, once the turn was decided: why a query is to be refused
    short    by row, which budget could pay for no arm of a query that is served all the same
    """

    def __init__(self, account: "Account", needs: Array, weight: int, calls: int = 1) -> None:
        self._account = account
        self._needs = needs
        self._weight, self._calls = max(weight, 1), calls
        self._priced: Priced | None = None
        self._units: dict[int, list[tuple[int, float]]] = {}
        self._packed: dict[tuple[tuple[int, ...], tuple[_Units, ...], str], bytes] = {}
        self.refused: dict[int, Exhausted] = {}
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
            self._serve_the_broke(
                found.eligible,
                every if eligible is None else eligible,
                every if open_arms is None else open_arms,
                purse,
                means,
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

    def _serve_the_broke(
        self, kept: Mask, eligible: Mask, open_arms: Mask, purse: Purse, means: Array
    ) -> None:
        """Gives rows in which nothing can be paid what the harshest of the budgets that are
        short says; `kept` is changed in place."""
        config = self._account.config
        for row in map(int, np.flatnonzero(~kept.any(axis=1))):
            kept[row] = eligible[row]
            if not open_arms[row].any():
                self.refused[row] = self._unpriced(eligible[row])
                continue
            cheapest, short = self._short(open_arms[row], purse, means)
            harshest = max(short, key=lambda one: _HARSHNESS.index(one.when_exhausted))
            slot = self._last_resort(harshest, cheapest, eligible[row])
            if slot is None:
                rule = _rule(harshest)
                names = [one.name for one in short if _rule(one) == rule]
                self.refused[row] = BudgetExhausted(config.name, names, harshest.fallback_arm)
            else:
                kept[row] = False
                kept[row, slot] = True
                self.short[row] = harshest.name

    def _short(self, open_arms: Mask, purse: Purse, means: Array) -> tuple[int, list[Budget]]:
        """The cheapest open arm, and the budgets that cannot pay for it: the lease has too
        little, or too little remains in all, which is what overrun leaves."""
        lowers = self._account.appetite.consumption.lowers()
        weight = np.where(open_arms, (lowers / purse.rate).max(axis=1), np.inf)
        cheapest = int(weight.argmin())
        is_short = self._needs[cheapest] > self._shares()
        is_short |= means[cheapest] > purse.remaining
        return cheapest, [self._account.config.budgets[at] for at in np.flatnonzero(is_short)]

    def _last_resort(self, budget: Budget, cheapest: int, eligible: Mask) -> int | None:
        """Who serves by this budget's rule; None: nobody."""
        if budget.when_exhausted is WhenExhausted.CHEAPEST:
            return cheapest
        if budget.when_exhausted is WhenExhausted.REFUSE:
            return None
        names = [arm.name for arm in self._account.config.arms]
        slot = names.index(budget.fallback_arm)
        return slot if eligible[slot] else None

    def _unpriced(self, eligible: Mask) -> Unpriced:
        """Of a query that may go to none but arms of which nothing is known."""
        config = self._account.config
        known = self._account.appetite.known_by_budget()[eligible].all(axis=0)
        budgets = [config.budgets[at] for at in np.flatnonzero(~known)]
        return Unpriced(
            config.name,
            [one.name for one in budgets],
            [config.arms[at].name for at in np.flatnonzero(eligible)],
            list(dict.fromkeys(PRICE[one.resource] for one in budgets)),
        )


def _rule(budget: Budget) -> tuple[WhenExhausted, str]:
    return budget.when_exhausted, budget.fallback_arm


def _slots(decision: Decision) -> tuple[int, ...]:
    second = decision.second_arm
    return (decision.arm,) if second is None else (decision.arm, second)
