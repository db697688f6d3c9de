"""What calls of a policy's arms take of the resources that its budgets limit.

R columns, one a budget; K rows, one an arm. In dollars and joules.
"""

from collections.abc import Sequence
from math import isnan

import numpy as np
from numpy.typing import NDArray

from bandit_service.budgets import MOST_AMOUNT, is_priced
from bandit_service.ledger.booking import amount_of
from bandit_service.model import (
    UNITS,
    Arm,
    PolicyConfig,
    Query,
    Resource,
    Usage,
    UsageLesson,
    whole_units,
)
from policies.budget import Consumption

Array = NDArray[np.float64]

# A usual call, for what it is expected to take before the first one has been paid.
USUAL_INPUT_TOKENS = 500
USUAL_OUTPUT_TOKENS = 500


class Appetite:
    """`tried` are the decisions for each arm so far, (K,)."""

    _listed: Array
    _prices: Array  # (K, 2) USD a token in and out
    _resources: list[Resource]
    _has_money: bool
    _knows_all: bool

    def __init__(self, config: PolicyConfig) -> None:
        self._configure(config)
        self.consumption = Consumption(self._listed)
        self.tried = np.zeros(len(config.arms))

    def revise(self, config: PolicyConfig) -> None:
        """Keeps what is known of the resources and arms that there were before."""
        before, resources, tried = self.consumption, self._resources, self.tried
        self._configure(config)
        rows = min(len(config.arms), len(tried))
        made = Consumption(self._listed.copy())
        for column, resource in enumerate(self._resources):
            if resource in resources:
                old = resources.index(resource)
                for name in ("listed", "totals", "squares", "weights", "calls"):
                    getattr(made, name)[:rows, column] = getattr(before, name)[:rows, old]
        made.reprice(self._listed)  # what was learned under other list prices moves with them
        self.consumption = made
        self.tried = np.concatenate([tried[:rows], np.zeros(len(config.arms) - rows)])

    @property
    def knows_all(self) -> bool:
        """Whether something is known of every arm. Under one configuration that stays so."""
        if not self._knows_all:
            self._knows_all = bool(self.known().all())
        return self._knows_all

    def known(self) -> NDArray[np.bool_]:
        """Arms (K,) of which something is known for every budget."""
        return np.asarray(self.known_by_budget().all(axis=1), dtype=np.bool_)

    def known_by_budget(self) -> NDArray[np.bool_]:
        """Whether something is known of what a call takes, (K, R)."""
        is_known: NDArray[np.bool_] = self.consumption.weights > 0.0
        is_known |= np.logical_not(np.isnan(self._listed))
        return is_known

    def needs(self, queries: Sequence[Query]) -> Array:
        """What one call for any of the queries has to reserve, (K, R); NaN: nothing is known.

        An upper estimate, and at least the tokens that its caller expects, at list prices.
        """
        uppers = self.consumption.uppers()
        if not (self._has_money and any(map(_told, queries))):  # most of the time
            return uppers
        told = {(query.input_tokens or 0, query.output_tokens or 0) for query in queries} - {(0, 0)}
        costs = (np.array(sorted(told), dtype=np.float64) @ self._prices.T).max(axis=0)
        usd = np.array([resource is Resource.USD for resource in self._resources])
        needs: Array = np.where(usd, np.maximum(uppers, costs[:, None]), uppers)
        return needs

    def units(self, slot: int) -> list[tuple[int, float]]:
        """A usual call of this arm: what it is to reserve and what it is expected to take, in
        units, a budget each."""
        found = self._units.get(slot)
        if found is None:
            found = self._units[slot] = self.units_of(slot, self.consumption.uppers()[slot])
        return found

    def units_of(self, slot: int, needs: Array) -> list[tuple[int, float]]:
        """The same of a call that is to reserve `needs` (R,), in true units; 0 where nothing is
        known: nothing can be reserved then."""
        expected = self.consumption.means()[slot].tolist()
        return [
            (0, 0.0) if isnan(need) else (whole_units(need, scale), usual * scale)
            for scale, need, usual in zip(self._scales, needs.tolist(), expected, strict=True)
        ]

    def heard(self, usage: UsageLesson) -> Array | None:
        """Notes what a call took, (R,), NaN where that is not news; None where nothing is.

        What is corrected later counts in the ledger, not here.
        """
        if usage.arm >= len(self.tried):
            return None
        fresh = np.where(np.isnan(self._amounts(usage.old)), self._amounts(usage.new), np.nan)
        if np.isnan(fresh).all():
            return None
        self.consumption.note(usage.arm, fresh)
        self._units.clear()
        return fresh

    def prime(self, usages: Sequence[tuple[int, float | None, float | None]]) -> None:
        """What the last calls took, before anybody listened: slot, dollars and joules."""
        for slot, usd, joules in usages:
            if slot < len(self.tried):
                told = Usage(cost_usd=usd, energy_joules=joules)
                self.consumption.note(slot, self._amounts(told))
                self.tried[slot] += 1.0
        self._units.clear()

    def _configure(self, config: PolicyConfig) -> None:
        self._knows_all = False
        self._units: dict[int, list[tuple[int, float]]] = {}  # of usual calls, by slot
        self._resources = [budget.resource for budget in config.budgets]
        self._scales = [UNITS[resource] for resource in self._resources]
        self._has_money = Resource.USD in self._resources
        self._listed = np.array(
            [[_listed(arm, resource) for resource in self._resources] for arm in config.arms]
        )
        prices = [
            (arm.input_usd_per_million_tokens, arm.output_usd_per_million_tokens)
            for arm in config.arms
        ]
        self._prices = np.nan_to_num(np.array(prices, dtype=np.float64)) / 1e6

    def _amounts(self, usage: Usage | None) -> Array:
        if usage is None:
            return np.full(len(self._resources), np.nan)
        both = {resource: whole(usage, resource) for resource in set(self._resources)}
        amounts = np.array([both[resource] for resource in self._resources], dtype=np.float64)
        return np.minimum(amounts, MOST_AMOUNT)  # what cannot be may not spoil the means for good


def whole(usage: Usage, resource: Resource) -> float | None:
    """What a decision's call took with those beside it; None where its own is not known."""
    own = amount_of(usage, resource)
    others = [amount_of(one, resource) for one in usage.other_calls]
    return None if own is None else own + sum(one for one in others if one is not None)


def _told(query: Query) -> bool:
    return bool(query.input_tokens or query.output_tokens)


def _listed(arm: Arm, resource: Resource) -> float:
    """What a usual call takes by what is declared; NaN where nothing is."""
    if not is_priced(arm, resource):
        return float("nan")
    if resource is Resource.JOULES:
        return USUAL_OUTPUT_TOKENS * (arm.declared_joules_per_output_token or 0.0)
    of_input = USUAL_INPUT_TOKENS * (arm.input_usd_per_million_tokens or 0.0)
    return (of_input + USUAL_OUTPUT_TOKENS * (arm.output_usd_per_million_tokens or 0.0)) / 1e6
