"""The threshold of Zhou, Chakrabarty and Lukose for the online knapsack, in bins, with spill-over.

    threshold(z) = (upper e / lower)^z (lower / e)        z = share of the capacity used, in [0, 1]

An arm is open to a query where its value per unit of the resource is at least the threshold.
Where every value per unit lies in [lower, upper] and every item is small, playing the open arm of
greatest value earns at least 1 / (ln(upper / lower) + 2) of what the best choice in hindsight
does, whatever the order of the queries; with one item a query, 1 / (ln(upper / lower) + 1).

Sources: Zhou, Chakrabarty and Lukose (2008), "Budget Constrained Bidding in Keyword Auctions and
Online Knapsack Problems", WINE; Panda et al. (2025), "Adaptive LLM Routing under Budget
Constraints", EMNLP Findings, for the bins: the stream is cut into equal parts, each with an equal
part of the budget and what the parts before it have left.

When it goes wrong: a share z0 = 1 / (1 + ln(upper / lower)) of the budget is spent without any
selection, in every bin anew. Where queries come in no particular order, re-solving earns more.
"""

from dataclasses import dataclass
from math import e
from typing import ClassVar

import numpy as np

from policies.budget.controller import Prices, Purse, check_rate
from policies.policy import Array
from policies.settings import check, setting


def threshold(used: float, lower: float, upper: float) -> float:
    """The least value per unit at which an item is taken, with this share of the capacity used.

    >>> round(threshold(0.0, 1.0, 100.0), 4), round(threshold(1.0, 1.0, 100.0), 4)
    (0.3679, 100.0)
    """
    return float((upper * e / lower) ** used * (lower / e))


@dataclass(slots=True, eq=False)
class Bins:
    """What is known of the values per unit, and where the present bin began.

    efficiencies  the last ones seen, a ring; `count` of them ever
    bin           number of the present bin; -1 before the first query
    at_start      spent before it
    """

    efficiencies: Array
    count: int = 0
    bin: int = -1
    at_start: float = 0.0


@dataclass(frozen=True, kw_only=True)
class KnapsackThreshold:
    """Opens the arms that are worth their price, ever fewer as a bin fills. One resource.

    bins          parts of the stream; 1 is the plain threshold, in [1, 1e6]
    lower, upper  bounds of quality per unit; 0: learned, as the 1st and 99th percentile of what
                  has been seen, widened by `guard`. A value outside them voids the guarantee
    guard         factor >= 1
    memory        values per unit that are remembered for that, in [10, 1e5]
    leak          requests that make up a stream without an end, in [1, 1e6]
    """

    name: ClassVar[str] = "knapsack_threshold"
    settles: ClassVar[bool] = False

    bins: int = setting(50, least=1, most=1e6)
    lower: float = setting(0.0, least=0)
    upper: float = setting(0.0, least=0)
    guard: float = setting(1.5, least=1, most=1e3)
    memory: int = setting(1000, least=10, most=1e5)
    leak: float = setting(200.0, least=1, most=1e6)

    def __post_init__(self) -> None:
        check(self)
        if (self.lower > 0.0) != (self.upper > 0.0) or self.lower > self.upper:
            raise ValueError(
                f"lower and upper must both be 0, or 0 < lower <= upper, got {self.lower} and "
                f"{self.upper}"
            )

    def start(self, resources: int) -> Bins:
        """ValueError unless there is one resource: the guarantee is for one."""
        if resources != 1:
            raise ValueError(f"a knapsack threshold keeps one budget, got {resources}")
        return Bins(np.full(self.memory, np.nan))

    def prices(self, state: Bins, purse: Purse, amounts: Array, scores: Array) -> Prices:
        """No price at all, but which arms are open, (n, K): maybe none in a row.

        Scores are taken as values, so they must mean what is gained over not being served.
        """
        check_rate(purse)
        cost = amounts[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            efficiency = np.where(cost > 0.0, scores / cost, np.inf)
        self._note(state, efficiency)
        lower, upper = self.bounds(state)
        least = threshold(self._used(state, purse), lower, upper)
        # By a hair: what is worth exactly the threshold is taken.
        is_open = efficiency >= min(least, upper) * (1.0 - 1e-12)
        return Prices(np.zeros(1), open=is_open & np.isfinite(scores))

    def bounds(self, state: Bins) -> tuple[float, float]:
        if self.lower > 0.0:
            return self.lower, self.upper
        known = state.efficiencies[~np.isnan(state.efficiencies)]
        if not len(known):
            return 1e-12, 1e-12  # nothing is known: everything is open
        low, high = np.quantile(known, (0.01, 0.99))
        return float(low) / self.guard, float(high) * self.guard

    def settle(self, state: Bins, purse: Purse, taken: Array) -> None:
        """Nothing to learn: the purse says how full a bin is."""

    def _note(self, state: Bins, efficiency: Array) -> None:
        if self.lower > 0.0:
            return
        good = efficiency[np.isfinite(efficiency) & (efficiency > 0.0)]
        for value in good[-self.memory :]:
            state.efficiencies[state.count % self.memory] = value
            state.count += 1

    def _used(self, state: Bins, purse: Purse) -> float:
        """Share of the present bin's capacity: its own, and what the bins before it left."""
        spent, rate = float(purse.spent[0]), float(purse.rate[0])
        decided, per_bin = float(np.max(purse.requests)), self.leak
        if purse.left is not None:
            per_bin = (decided + float(np.max(purse.left))) / self.bins
        number = int(decided / per_bin)
        if number != state.bin:
            state.bin, state.at_start = number, spent
        room = rate * per_bin * (number + 1) - state.at_start
        used = spent - state.at_start
        return min(used / room, 1.0) if room > 0.0 else 1.0
