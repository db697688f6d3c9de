"""What a change of a policy would have done."""

import msgspec

from bandit_service.model.configuration import Budget, Objective


class Interval(msgspec.Struct, frozen=True):
    """An estimate and its 95 % interval; None where there is too little to tell."""

    value: float
    low: float | None = None
    high: float | None = None


class ArmPreview(msgspec.Struct, frozen=True):
    """The share of the decisions that an arm has, as the policy is and with the change."""

    arm: str
    before: Interval
    after: Interval


class AmountPreview(msgspec.Struct, frozen=True):
    """Something expected of each decision; the difference is paired by decision.

    `assumed_share` of what is decided after the change goes to arms whose amount is not known.
    """

    before: Interval
    after: Interval
    difference: Interval
    assumed_share: float = 0.0


class Overlap(msgspec.Struct, frozen=True):
    """How much the logged outcomes say of the changed policy.

    `decisions` are those with a quality; the changed policy's weights make of them so many
    `effective_decisions`. `quality_after` is None where `why_not` says why.
    """

    decisions: int
    effective_decisions: float
    quality_seen: Interval | None = None
    quality_after: Interval | None = None
    why_not: str = ""


class BudgetForecast(msgspec.Struct, frozen=True):
    """What a budget would have done; amounts are dollars or joules a decision.

    allowed       what the budget allows; None where `why_not` says why that is not known, and then
                  it has not been kept to
    spent         what would have been spent
    shadow_price  points of quality a unit, at which `allowed` is spent; 0 where less is anyway
    exhausted     share of the decisions that it could not have paid for, and that would have met
                  `when_exhausted`
    """

    budget: Budget
    spent: Interval | None
    allowed: float | None = None
    shadow_price: float | None = None
    exhausted: float = 0.0
    why_not: str = ""


class BudgetPreview(msgspec.Struct, frozen=True):
    """One budget as the policy is and with the change; None where it has no such budget."""

    name: str
    before: BudgetForecast | None
    after: BudgetForecast | None


class Preview(msgspec.Struct, frozen=True):
    """Before and after a change, on recent traffic; None is unknown.

    Without traffic (`overlap` is None) it rests on the estimates alone.
    """

    decisions: int
    left_out: int
    arms: tuple[ArmPreview, ...]
    quality: AmountPreview | None
    cost_usd: AmountPreview | None
    latency_seconds: AmountPreview | None
    energy_joules: AmountPreview | None
    overlap: Overlap | None
    objective: Objective
    budgets: tuple[BudgetPreview, ...] = ()
