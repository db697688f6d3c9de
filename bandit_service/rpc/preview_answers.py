"""What a change would have done, as operators are told."""

from bandit_service.model import AmountPreview, BudgetForecast, Interval, Overlap, Preview
from bandit_service.rpc.convert_budget import RESOURCES, WHEN_EXHAUSTED
from bandit_service.rpc.convert_objective import objective_message
from bandit_service.rpc.pb import policy_pb2 as pb


def preview(found: Preview) -> pb.PreviewPolicyResponse:
    has_traffic = found.overlap is not None
    return pb.PreviewPolicyResponse(
        basis=pb.PREVIEW_BASIS_TRAFFIC if has_traffic else pb.PREVIEW_BASIS_ESTIMATES,
        decisions=found.decisions,
        left_out=found.left_out,
        arms=[
            pb.ArmPreview(arm=one.arm, before=interval(one.before), after=interval(one.after))
            for one in found.arms
        ],
        quality=_amount(found.quality),
        cost_usd=_amount(found.cost_usd),
        latency_seconds=_amount(found.latency_seconds),
        energy_joules=_amount(found.energy_joules),
        overlap=_overlap(found.overlap),
        objective=objective_message(found.objective),
        budgets=[
            pb.BudgetPreview(
                budget=one.name, before=_forecast(one.before), after=_forecast(one.after)
            )
            for one in found.budgets
        ],
    )


def _forecast(one: BudgetForecast | None) -> pb.BudgetForecast | None:
    if one is None:
        return None
    return pb.BudgetForecast(
        resource=RESOURCES.write(one.budget.resource),
        allowed=one.allowed,
        spent=interval(one.spent),
        shadow_price=one.shadow_price,
        exhausted_share=one.exhausted,
        when_exhausted=WHEN_EXHAUSTED.write(one.budget.when_exhausted),
        why_not=one.why_not,
    )


def _amount(one: AmountPreview | None) -> pb.AmountPreview | None:
    if one is None:
        return None
    return pb.AmountPreview(
        before=interval(one.before),
        after=interval(one.after),
        difference=interval(one.difference),
        assumed_share=one.assumed_share,
    )


def _overlap(one: Overlap | None) -> pb.Overlap | None:
    if one is None:
        return None
    return pb.Overlap(
        decisions=one.decisions,
        effective_decisions=one.effective_decisions,
        quality_seen=interval(one.quality_seen),
        quality_after=interval(one.quality_after),
        why_not=one.why_not,
    )


def interval(one: Interval | None) -> pb.Interval | None:
    return None if one is None else pb.Interval(value=one.value, low=one.low, high=one.high)
