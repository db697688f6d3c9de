"""What a simulated policy may take, and who sees to it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bandit_service.errors import InvalidField
from bandit_service.evaluation.contestants import Entry, columns_of
from bandit_service.evaluation.table import Array, OutcomeTable
from bandit_service.model import Arm, Mode, PreferenceLearning
from policies.budget import CONTROLLERS, DEFAULT, Consumption, Keeper

Resource = Literal["cost_usd", "energy_joules"]

# A usual call, for what it is expected to take before the first one has been paid.
USUAL_INPUT_TOKENS = 500
USUAL_OUTPUT_TOKENS = 500


@dataclass(frozen=True, slots=True)
class Allowance:
    """Budgets a query over the whole stream; None: that resource is free. At least one is set.

    controller  one of policies.budget.CONTROLLERS

    The money and the joules of a stream are its number of queries times these; what is not spent
    on one query is there for the others. Raises InvalidField.
    """

    usd_per_query: float | None = None
    joules_per_query: float | None = None
    controller: str = DEFAULT

    def __post_init__(self) -> None:
        for name in ("usd_per_query", "joules_per_query"):
            value = getattr(self, name)
            if value is not None and not (0.0 < value < math.inf):
                raise InvalidField(f"budget_{name}", f"must be positive and finite, not {value:g}")
        if self.usd_per_query is None and self.joules_per_query is None:
            raise InvalidField("budget", "either USD or joules a query must be given")
        if self.controller not in CONTROLLERS:
            known = ", ".join(CONTROLLERS)
            raise InvalidField("controller", f"there is no {self.controller!r}; known: {known}")

    @property
    def rates(self) -> dict[Resource, float]:
        """Of the resources that are limited."""
        both: dict[Resource, float | None] = {
            "cost_usd": self.usd_per_query,
            "energy_joules": self.joules_per_query,
        }
        return {resource: rate for resource, rate in both.items() if rate is not None}


def allowances(
    usd: Sequence[float], joules: Sequence[float], controller: str = DEFAULT
) -> tuple[Allowance, ...]:
    """One for each of these budgets; for each pair of them where there are both."""
    if len(set(usd)) < len(usd) or len(set(joules)) < len(joules):
        raise InvalidField("budget", "each only once")
    pairs = product(usd or [None], joules or [None])  # type: ignore[list-item]
    return tuple(Allowance(*pair, controller) for pair in pairs if pair != (None, None))


class Accounts:
    """The budgets of one run of `steps` queries."""

    def __init__(self, allowance: Allowance, entry: Entry, table: OutcomeTable, steps: int) -> None:
        rates, columns = allowance.rates, columns_of(entry.config, table)
        listed = [_listed(resource, entry.config.arms) for resource in rates]
        self._amounts = np.stack([getattr(table, name)[:, columns] for name in rates], axis=2)
        try:
            self.keeper = Keeper(
                CONTROLLERS[allowance.controller](),
                np.array(list(rates.values())),
                Consumption(np.column_stack(listed)),
                steps,
                calls=2 if entry.config.preference_learning is PreferenceLearning.AS_PAIRS else 1,
            )
        except ValueError as wrong:
            raise InvalidField("controller", str(wrong)) from wrong

    def reserve(self, arms: Sequence[int]) -> None:
        """For each of a decision's calls: two of a duel."""
        for place, arm in enumerate(arms):
            self.keeper.reserve(arm, place > 0)

    def settle(self, row: int, arms: Sequence[int]) -> None:
        """The calls have been paid: only now is known what they took."""
        for arm in arms:
            self.keeper.settle(arm, self._amounts[row, arm])


def check_allowances(
    given: Sequence[Allowance], entries: Sequence[Entry], table: OutcomeTable
) -> None:
    """Raises InvalidField where a budget is of something of which nothing is known."""
    for entry in entries:
        if entry.config.mode is Mode.OBSERVE:
            raise InvalidField(f"policy {entry.label!r}", "observes, so no budget can hold it")
        for resource in dict.fromkeys(name for each in given for name in each.rates):
            payable = payable_arms(resource, entry, table)
            columns = columns_of(entry.config, table)
            offered = table.offered[:, columns]
            lost = np.flatnonzero(offered.any(axis=1) & ~(offered & payable).any(axis=1))
            if len(lost):
                raise InvalidField(
                    "budget_usd_per_query" if resource == "cost_usd" else "budget_joules_per_query",
                    f"no arm of {entry.label!r} that can serve {table.query_ids[lost[0]]!r} has a "
                    f"known {'cost' if resource == 'cost_usd' else 'energy'}",
                )


def payable_arms(resource: Resource, entry: Entry, table: OutcomeTable) -> NDArray[np.bool_]:
    """Arms (K,) of which something is known: what is not known cannot be kept within a budget."""
    known: NDArray[np.bool_] = (
        ~np.isnan(getattr(table, resource)[:, columns_of(entry.config, table)])
    ).any(axis=0)
    return known


def _listed(resource: Resource, arms: Sequence[Arm]) -> Array:
    """What a usual call takes by what is declared of the arms, (K,); NaN where nothing is."""
    if resource == "energy_joules":
        declared = [arm.declared_joules_per_output_token for arm in arms]
        return np.array([np.nan if j is None else USUAL_OUTPUT_TOKENS * j for j in declared])
    prices = [(arm.input_usd_per_million_tokens, arm.output_usd_per_million_tokens) for arm in arms]
    usual = [
        np.nan
        if of_input is None or of_output is None
        else (USUAL_INPUT_TOKENS * of_input + USUAL_OUTPUT_TOKENS * of_output) / 1e6
        for of_input, of_output in prices
    ]
    return np.array(usual)
