"""Policies as operators write them."""

from typing import Any

from bandit_service.model import (
    Algorithm,
    Arm,
    ArmWarmStart,
    Budget,
    Challenger,
    Clock,
    Features,
    Forgetting,
    Modality,
    Mode,
    Objective,
    OverrideLimits,
    PolicyConfig,
    PolicyView,
    PreferenceLearning,
    Resource,
    Source,
    VectorFeatures,
    WarmStart,
    WeightRange,
    WhenExhausted,
)
from bandit_service.rpc import convert_policy, policy_answers
from bandit_service.rpc.pb import policy_pb2 as pb
from tests.builders import NOW

NUL = "a\0b"

A_RICH_ARM = Arm(
    name="large",
    model="vendor/large-2",
    parameters={
        "temperature": 0.5,
        "max_tokens": 100,
        "stop": ["\n", "END"],
        "nested": {"on": True, "nothing": None},
    },
    prompt_version="v7",
    model_version="2026-03 (fine-tuned)",
    input_usd_per_million_tokens=0.0,
    output_usd_per_million_tokens=15.0,
    context_limit_tokens=200_000,
    modalities=(Modality.TEXT, Modality.FILE),
    tags=("eu", "fast"),
    declared_joules_per_output_token=0.3,
    embedding=(0.5, -1.25, 0.0),
)
A_RICH_CONFIG = PolicyConfig(
    name="chat.v2-a_b",
    arms=(Arm(name="small"), A_RICH_ARM),
    algorithm=Algorithm(name="linucb", settings={"width": 2.0}),
    features=Features(vector=VectorFeatures(dimension=8)),
    objective=Objective(
        quality_per_usd=1.0,
        quality_per_second=0.5,
        quality_per_joule=0.25,
        latency_limit=7.5,
        quality_at_latency_limit=0.05,
    ),
    mode=Mode.OBSERVE,
    default_arm="small",
    forgetting=Forgetting(half_life=1.5, clock=Clock.TIME),
    floor=0.0,
    sticky_sessions=False,
    quality_sources=(Source.CHECK, Source.JUDGE),
    preference_learning=PreferenceLearning.AS_QUALITY,
    warm_start=WarmStart(
        arms={
            "large": ArmWarmStart(weights=(0.1,) * 8, level=0.0, n_eff=7.0, ridge=2.0),
            "small": ArmWarmStart(level=0.4),
        },
        n_eff=30.0,
        spread=(0.5,) * 8,
        projection=((1.0, 2.0), (3.0, 4.0)),
    ),
    feedback_horizon=3600.5,
    override_limits=OverrideLimits(
        quality_per_usd=WeightRange(min=0.5, max=20.0), accuracy_energy_dial=WeightRange(max=10.0)
    ),
    challengers=(
        Challenger(
            name="bold",
            algorithm=Algorithm(name="linucb", settings={"width": 0.5}),
            objective=Objective(accuracy_energy_dial=3.0, reference_joules=20.0),
            floor=0.0,
            share=0.25,
            margin=0.0,
        ),
        Challenger(name="plain"),
    ),
    budgets=(
        Budget(
            resource=Resource.USD,
            amount=10.0,
            window=86_400.0,
            name="daily",
            when_exhausted=WhenExhausted.FALLBACK,
            fallback_arm="small",
        ),
        Budget(resource=Resource.JOULES, amount=0.5, rate=True, controller="virtual_queue"),
        Budget(resource=Resource.USD, amount=1.0, requests=500),
    ),
)


def written(config):
    """A policy as it is answered."""
    return policy_answers.policy(PolicyView(config, 3, "etag", NOW, NOW + 1))


def create(policy):
    return convert_policy.config(pb.CreatePolicyRequest(policy=policy))


def a_policy(**changes):
    given: dict[str, Any] = {"name": "chat", "arms": [pb.Arm(name="small")]}
    return pb.Policy(**(given | changes))
