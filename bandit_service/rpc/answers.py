"""What callers are answered: decisions, what became of feedback, explanations."""

import math
from collections.abc import Sequence

from bandit_service.errors import BanditError
from bandit_service.model import (
    ArmExplanation,
    BudgetExplanation,
    ContestantChoice,
    Effect,
    Explanation,
    Judged,
    OtherCall,
    Outcome,
    Recorded,
    Routed,
    Usage,
)
from bandit_service.rpc import form
from bandit_service.rpc.convert_budget import RESOURCES
from bandit_service.rpc.convert_feedback import ENERGY_SOURCES, FAILURES, OTHER_KINDS, SOURCES
from bandit_service.rpc.pb import routing_pb2 as pb
from bandit_service.rpc.status import item_error

EFFECTS = form.Vocabulary(pb.Effect, Effect)


def route_response(routed: Routed) -> pb.RouteResponse:
    response = pb.RouteResponse()
    _fill(response, routed)
    return response


def route_results(outcomes: Sequence[Routed | BanditError]) -> pb.BatchRouteResponse:
    response = pb.BatchRouteResponse()
    for outcome in outcomes:
        result = response.results.add()
        if isinstance(outcome, BanditError):
            result.error.CopyFrom(item_error(outcome))
        else:
            _fill(result.response, outcome)
    return response


def feedback_response(recorded: Recorded) -> pb.FeedbackResponse:
    return pb.FeedbackResponse(
        feedback_id=recorded.feedback_id,
        position=recorded.position,
        duplicate=recorded.duplicate,
        effect=EFFECTS.write(recorded.effect),
    )


def feedback_results(outcomes: Sequence[Recorded | BanditError]) -> pb.BatchFeedbackResponse:
    return pb.BatchFeedbackResponse(
        results=[
            pb.FeedbackResult(error=item_error(outcome))
            if isinstance(outcome, BanditError)
            else pb.FeedbackResult(response=feedback_response(outcome))
            for outcome in outcomes
        ]
    )


def explanation(explained: Explanation) -> pb.GetDecisionResponse:
    decision = explained.routed.decision
    context = pb.ContextSummary(
        feature_version=decision.feature_version,
        dimension=len(explained.context),
        norm=math.hypot(*explained.context),
        values=explained.context,
    )
    return pb.GetDecisionResponse(
        decision=pb.Decision(
            response=route_response(explained.routed),
            policy=explained.policy,
            create_time=form.timestamp(decision.create_time),
            context=context,
            arms=[_arm(arm) for arm in explained.arms],
            clock=decision.clock,
            outcomes=[_outcome(arm, outcome) for arm, outcome in explained.outcomes],
            recovered=decision.recovered,
            contestants=[_contestant(*each) for each in explained.contestants],
            budgets=[_budget(budget) for budget in explained.budgets],
        )
    )


def _budget(one: BudgetExplanation) -> pb.BudgetExplanation:
    return pb.BudgetExplanation(
        budget=one.budget,
        resource=RESOURCES.write(one.resource),
        shadow_price=one.first_price,
        second_shadow_price=one.second_price,
        weight=one.weight,
        reserved=one.reserved,
        settled=one.spent,
        exhausted=one.is_short,
    )


def _fill(response: pb.RouteResponse, routed: Routed) -> None:
    """Into a message that is there: a third of the time that it takes to copy one into a batch."""
    decision = routed.decision
    response.decision_id = decision.id
    response.arm = routed.arm
    response.propensity = decision.propensity
    response.policy_revision = decision.revision
    response.position = decision.position
    if routed.token:
        response.token = routed.token
    if routed.second_arm:
        response.second_arm = routed.second_arm
    if decision.degraded:
        response.degraded = True
    if decision.forced:
        response.forced = True
    if decision.sticky:
        response.sticky = True
    if decision.observed:
        response.observed = True


def _arm(arm: ArmExplanation) -> pb.ArmExplanation:
    return pb.ArmExplanation(
        arm=arm.arm,
        probability=arm.probability,
        ineligible_reason=arm.ineligible_reason,
        quality=arm.quality,
        quality_deviation=arm.quality_deviation,
        objective_offset=arm.objective_offset,
        shadow_probability=arm.shadow_probability,
        second_probability=arm.second_probability,
        assumed=arm.assumed,
        budget_offset=arm.budget_offset,
    )


def _contestant(choice: ContestantChoice, judged: Judged | None) -> pb.ContestantChoice:
    known = choice.probabilities or {}
    said = pb.ContestantChoice(
        name=choice.name,
        share=choice.share,
        failed=choice.probabilities is None,
        probabilities=known,
        arm=max(known, key=lambda arm: known[arm], default=""),
        weight=choice.weight,
    )
    if judged is not None:
        view = judged.view
        said.evidence.CopyFrom(
            pb.ContestantEvidence(
                difference=view.difference.value,
                low=view.difference.low,
                high=view.difference.high,
                judged_decisions=view.judged,
                undecided_decisions=view.undecided,
                read_time=form.timestamp(judged.time),
            )
        )
    return said


def _outcome(arm: str, outcome: Outcome) -> pb.Outcome:
    return pb.Outcome(
        kind=outcome.kind,
        arm=arm,
        source=SOURCES.write(outcome.source),
        value=outcome.value,
        failure=FAILURES.write(outcome.failure) if outcome.failure else None,
        usage=_usage(outcome.usage) if outcome.usage else None,
        position=outcome.position,
        update_time=form.timestamp(outcome.update_time),
    )


def _usage(usage: Usage) -> pb.Usage:
    first_token = usage.time_to_first_token_seconds
    return pb.Usage(
        cost_usd=usage.cost_usd,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        latency=None if usage.latency_seconds is None else form.duration(usage.latency_seconds),
        time_to_first_token=None if first_token is None else form.duration(first_token),
        energy_joules=usage.energy_joules,
        energy_source=ENERGY_SOURCES.write(usage.energy_source) if usage.energy_source else None,
        other_calls=map(_other_call, usage.other_calls),
    )


def _other_call(one: OtherCall) -> pb.OtherCall:
    return pb.OtherCall(
        kind=OTHER_KINDS.write(one.kind),
        id=one.id,
        cost_usd=one.cost_usd,
        energy_joules=one.energy_joules,
        energy_source=ENERGY_SOURCES.write(one.energy_source) if one.energy_source else None,
    )
