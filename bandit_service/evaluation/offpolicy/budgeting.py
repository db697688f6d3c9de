"""A policy held to a budget: what a dollar must be worth, in points of quality, to spend that much.

The service's controllers move such a shadow price as they go (`policies.budget`). Here the log is
all there, so the price is solved for: the estimated spend (doubly robust, on the judged decisions)
falls as the price rises, and where it jumps, two prices are mixed so that it meets the budget.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit_service.errors import InvalidField
from bandit_service.evaluation.logs.log import Log
from bandit_service.evaluation.logs.traffic import Traffic
from bandit_service.evaluation.offpolicy.estimators import dr
from bandit_service.evaluation.offpolicy.gathering import gather
from bandit_service.evaluation.offpolicy.learner import Learner
from bandit_service.evaluation.offpolicy.moments import Moments
from bandit_service.evaluation.offpolicy.targets import Target
from bandit_service.evaluation.offpolicy.views import views

Array = NDArray[np.float64]

HIGHEST = 1e9  # points a dollar: as high as an objective takes
EXACT = 0.01  # of the budget: two prices whose spends are so close are mixed
_STEPS = 40


@dataclass(frozen=True, slots=True)
class Price:
    """Points of quality that a dollar is worth: `low` on a share of decisions, else `high`."""

    low: float
    high: float
    share: float = 1.0

    def __str__(self) -> str:
        if self.share >= 1.0:
            return f"{self.low:.4g} points a dollar"
        return f"{self.low:.4g} points a dollar on {self.share:.0%}, else {self.high:.4g}"


class Priced:
    """A learner whose dollars have a price beside what its own objective makes of them."""

    learns = True

    def __init__(self, learner: Learner, price: Price, budget: float) -> None:
        self._learner, self._price, self._budget = learner, price, budget
        self.label = f"{learner.label}, {budget:g} USD/query"
        self.description = f"{learner.description}; for {budget:g} USD a query, {price}"

    def fresh(self) -> Target:
        return Priced(self._learner.fresh(), self._price, self._budget)

    def teach(self, block: Log) -> None:
        self._learner.teach(block)

    def probabilities(self, block: Log) -> Array:
        price = self._price
        made = self._learner.probabilities(block, price.low)
        if price.share < 1.0:
            other = self._learner.probabilities(block, price.high)
            made = price.share * made + (1.0 - price.share) * other
        return made


class _Taught:
    """At one price, as it was taught before."""

    learns = False

    def __init__(self, learner: Learner, price: float) -> None:
        self.label, self.description = learner.label, learner.description
        self._learner, self._price = learner, price

    def fresh(self) -> Target:
        return self

    def teach(self, block: Log) -> None:
        raise AssertionError("it was taught before")

    def probabilities(self, block: Log) -> Array:
        return self._learner.probabilities(block, self._price)


def held_to(learner: Learner, budget: float, traffic: Traffic, training: int, rows: int) -> Priced:
    """The learner at the price at which its estimated spend on the judged decisions is `budget`
    USD a query, or at no price if it spends less anyway.

    training, rows   as `gather` takes them. Raises InvalidField where no price meets the budget.
    """
    if not budget > 0.0:
        raise InvalidField("budget_usd_per_query", f"must be above 0, not {budget:g}")
    if not traffic.knows_propensities:
        raise InvalidField("budget_usd_per_query", "needs propensities, and the log has none")
    taught = learner.fresh()
    seen = 0
    for block in traffic.blocks(rows):
        if seen >= training:
            break
        taught.teach(block.rows(slice(0, training - seen)))
        seen += len(block)

    def spend(price: float) -> float:
        found = gather(traffic, [_Taught(taught, price)], training=training, rows=rows)
        if "cost_usd" not in found.shared.measures():
            raise InvalidField("budget_usd_per_query", "the cost of no judged decision is known")
        terms = Moments()
        for view in views(found.shared, found.each[0]):
            terms.add(dr(view.evidence("cost_usd")).rows)
        return terms.mean

    return Priced(learner.fresh(), solved(spend, budget, learner.label), budget)


def solved(spend: Callable[[float], float], budget: float, who: str) -> Price:
    """The price at which `spend`, falling in it, is `budget`; two and a share where it jumps."""
    low, high = 0.0, 1.0 / budget
    at_low = spend(low)
    if at_low <= budget:
        return Price(0.0, 0.0)
    while (at_high := spend(high)) > budget:
        if high >= HIGHEST:
            raise InvalidField(
                f"policy {who!r}",
                f"spends an estimated {at_high:.4g} USD a query at the highest price, above the "
                f"budget of {budget:g}: its floor and its cheapest arm cost that much",
            )
        low, at_low, high = high, at_high, min(HIGHEST, high * 10.0)
    for _ in range(_STEPS):
        if at_low - at_high <= EXACT * budget or high - low <= 1e-6 * high:
            break
        middle = float(np.sqrt(low * high)) if low > 0.0 and high > 4.0 * low else (low + high) / 2
        at_middle = spend(middle)
        if at_middle > budget:
            low, at_low = middle, at_middle
        else:
            high, at_high = middle, at_middle
    # Estimated spend is linear in the chances, so a mixture meets the budget exactly.
    return Price(low, high, (budget - at_high) / (at_low - at_high))
