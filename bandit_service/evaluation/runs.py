"""What one simulated stream leaves behind: everything else is worked out from it and the table."""

from dataclasses import dataclass

from bandit_service.evaluation.allowances import Allowance
from bandit_service.evaluation.table import Array, Rows


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One policy, one seed, one dial or budget, over T queries of a table.

    policy           its label
    seed             also decides the order, so runs of equal seed are paired
    quality_per_usd  the dial it ran with; None as configured
    order            (T,) the table's row served at each step
    arms             (T,) the slot chosen
    propensities     (T,) its probability
    seconds          spent deciding and learning
    allowance        the budgets it kept to; None: there were none
    prices           (T, R) the shadow price of each of them at every decision
    second_arms      (T,) the other slot of each duel, the same again where one arm was drawn twice;
                     None for a policy that asks one arm
    """

    policy: str
    seed: int
    quality_per_usd: float | None
    order: Rows
    arms: Rows
    propensities: Array
    seconds: float
    allowance: Allowance | None = None
    prices: Array | None = None
    second_arms: Rows | None = None
