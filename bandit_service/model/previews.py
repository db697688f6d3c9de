"""What a change of a policy would have done."""

import msgspec

from bandit_service.model.configuration import Objective


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
