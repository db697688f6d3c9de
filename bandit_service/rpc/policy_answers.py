"""What operators are answered: policies, and what they have learned."""

from collections.abc import Sequence

from bandit_service.model import (
    Arm,
    ArmState,
    Clock,
    Features,
    Forgetting,
    Freshness,
    PolicyView,
    RevisionView,
    StateView,
)
from bandit_service.rpc import (
    convert_budget,
    convert_challengers,
    convert_objective,
    form,
    warm_start,
)
from bandit_service.rpc.convert import MODALITIES
from bandit_service.rpc.convert_feedback import SOURCES
from bandit_service.rpc.convert_policy import CLOCKS, MODES, PREFERENCE_LEARNING, WHEN_UNLOGGED
from bandit_service.rpc.pb import policy_pb2 as pb

ARM_STATES = form.Vocabulary(pb.ArmState, ArmState)


def policy(view: PolicyView) -> pb.Policy:
    config = view.config
    return pb.Policy(
        name=config.name,
        algorithm=convert_challengers.algorithm_message(config.algorithm),
        features=_features(config.features),
        objective=convert_objective.objective_message(config.objective),
        override_limits=convert_objective.limits_message(config.override_limits),
        mode=MODES.write(config.mode),
        default_arm=config.default_arm,
        forgetting=_forgetting(config.forgetting) if config.forgetting else None,
        floor=config.floor,
        sticky_sessions=config.sticky_sessions,
        quality_sources=[SOURCES.write(source) for source in config.quality_sources],
        preference_learning=PREFERENCE_LEARNING.write(config.preference_learning),
        warm_start=warm_start.written(config.warm_start) if config.warm_start else None,
        feedback_horizon=form.duration(config.feedback_horizon),
        when_unlogged=WHEN_UNLOGGED.write(config.when_unlogged),
        budgets=convert_budget.messages(config.budgets),
        challengers=[convert_challengers.written(one) for one in config.challengers],
        arms=[_arm(arm) for arm in config.arms],
        revision=view.revision,
        etag=view.etag,
        create_time=form.timestamp(view.create_time),
        update_time=form.timestamp(view.update_time),
    )


def policies(views: Sequence[PolicyView], next_page_token: str) -> pb.ListPoliciesResponse:
    return pb.ListPoliciesResponse(
        policies=[policy(view) for view in views], next_page_token=next_page_token
    )


def state(view: StateView, freshness: Freshness) -> pb.GetPolicyStateResponse:
    staleness = freshness.staleness_seconds
    return pb.GetPolicyStateResponse(
        head_position=freshness.head,
        staleness=None if staleness is None else form.duration(staleness),
        replica=freshness.replica,
        position=view.position,
        state_hash=view.state_hash,
        feature_version=view.feature_version,
        arms=[
            pb.ArmStatistics(
                arm=arm.arm,
                observations=arm.observations,
                mean_quality=arm.mean_quality,
                mean_cost_usd=arm.mean_cost_usd,
                mean_latency_seconds=arm.mean_latency_seconds,
                mean_energy_joules=arm.mean_energy_joules,
                failure_share=arm.failure_share,
            )
            for arm in view.arms
        ],
    )


def history(views: Sequence[RevisionView]) -> pb.GetPolicyHistoryResponse:
    return pb.GetPolicyHistoryResponse(
        revisions=[
            pb.PolicyRevision(
                revision=view.revision,
                etag=view.etag,
                position=view.position,
                create_time=form.timestamp(view.time),
                author=view.author,
                learning_restarted=view.restarted,
                changes=[
                    pb.FieldChange(field=one.field, old=one.old or "", new=one.new or "")
                    for one in view.changes
                ],
                reason=view.reason,
            )
            for view in views
        ]
    )


def _features(features: Features) -> pb.Features:
    if features.vector is not None:
        return pb.Features(vector=pb.VectorFeatures(dimension=features.vector.dimension))
    assert features.text is not None
    text = features.text
    return pb.Features(
        text=pb.TextFeatures(
            dimensions=text.dimensions, readability=text.readability, labels=text.labels
        )
    )


def _forgetting(forgetting: Forgetting) -> pb.Forgetting:
    clock = CLOCKS.write(forgetting.clock)
    if forgetting.clock is Clock.TIME:
        return pb.Forgetting(clock=clock, half_life=form.duration(forgetting.half_life))
    return pb.Forgetting(clock=clock, half_life_requests=forgetting.half_life)


def _arm(arm: Arm) -> pb.Arm:
    written = pb.Arm(
        name=arm.name,
        model=arm.model,
        prompt_version=arm.prompt_version,
        model_version=arm.model_version,
        version_position=arm.version_position,
        input_usd_per_million_tokens=arm.input_usd_per_million_tokens,
        output_usd_per_million_tokens=arm.output_usd_per_million_tokens,
        context_limit_tokens=arm.context_limit_tokens,
        modalities=[MODALITIES.write(modality) for modality in arm.modalities],
        tags=arm.tags,
        declared_joules_per_output_token=arm.declared_joules_per_output_token,
        state=ARM_STATES.write(arm.state),
        embedding=arm.embedding,
    )
    written.parameters.update(arm.parameters)
    return written
