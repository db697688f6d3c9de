"""What a policy and an arm cannot be, and the field that is said to be at fault."""

import math

from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct, Value

from bandit_service.rpc.pb import policy_pb2 as pp

NAN, INF = math.nan, math.inf
NUL = "a\0b"
LONG = "n" * 129


def features(kind: object) -> pp.Policy:
    text = isinstance(kind, pp.TextFeatures)
    return pp.Policy(features=pp.Features(**{"text" if text else "vector": kind}))  # type: ignore[arg-type]


def algorithm(name: str, **settings: float) -> pp.Policy:
    return pp.Policy(algorithm=pp.Algorithm(name=name, settings=settings))


def forgetting(**said: object) -> pp.Policy:
    return pp.Policy(forgetting=pp.Forgetting(**said))  # type: ignore[arg-type]


def objective(**said: object) -> pp.Policy:
    return pp.Policy(objective=pp.Objective(**said))  # type: ignore[arg-type]


def prior(arm: str, said: pp.ArmWarmStart) -> pp.Policy:
    return pp.Policy(warm_start=pp.WarmStart(arms={arm: said}))


# By the field to change: values it cannot have, with the field that is said to be at fault.
VALUES: dict[str, tuple[str, str, pp.Policy]] = {
    "an unknown algorithm": ("algorithm", "algorithm", algorithm("guess")),
    "an algorithm's name with NUL": ("algorithm", "algorithm.name", algorithm(NUL)),
    "an unknown setting": ("algorithm", "algorithm", algorithm("linucb", luck=1.0)),
    "a setting out of range": ("algorithm", "algorithm", algorithm("linucb", ridge=-1.0)),
    "a setting of NaN": (
        "algorithm",
        "algorithm.settings.ridge",
        algorithm("linucb", ridge=NAN),
    ),
    "a setting of infinity": (
        "algorithm",
        "algorithm.settings.ridge",
        algorithm("linucb", ridge=INF),
    ),
    "half a cluster": ("algorithm", "algorithm", algorithm("beta_thompson", clusters=1.5)),
    "more clusters than features": (
        "algorithm",
        "algorithm",
        algorithm("beta_thompson", clusters=1e308),
    ),
    "features of no kind": ("features", "features.kind", pp.Policy(features=pp.Features())),
    "no dimension": ("features", "features.vector.dimension", features(pp.VectorFeatures())),
    "a negative dimension": (
        "features",
        "features.vector.dimension",
        features(pp.VectorFeatures(dimension=-1)),
    ),
    "512 dimensions": (
        "features",
        "features.vector.dimension",
        features(pp.VectorFeatures(dimension=512)),
    ),
    "text of 7 dimensions": (
        "features",
        "features.text.dimensions",
        features(pp.TextFeatures(dimensions=7)),
    ),
    "text of two billion dimensions": (
        "features",
        "features.text.dimensions",
        features(pp.TextFeatures(dimensions=2**31 - 1)),
    ),
    "a worth of NaN": (
        "objective",
        "objective.quality_per_usd",
        objective(quality_per_usd=NAN),
    ),
    "a worth of infinity": (
        "objective",
        "objective.quality_per_second",
        objective(quality_per_second=INF),
    ),
    "a negative worth": (
        "objective",
        "objective.quality_per_joule",
        objective(quality_per_joule=-1.0),
    ),
    "a worth of 1e308": (
        "objective",
        "objective.quality_per_usd",
        objective(quality_per_usd=1e308),
    ),
    "a negative latency limit": (
        "objective",
        "objective.latency_limit",
        objective(latency_limit=Duration(seconds=-1)),
    ),
    "a latency limit of nothing": (
        "objective",
        "objective.latency_limit",
        objective(latency_limit=Duration()),
    ),
    "points at a limit that is not there": (
        "objective",
        "objective.latency_limit",
        objective(quality_at_latency_limit=0.1),
    ),
    "a label twice": (
        "features",
        "features.text.labels[1]",
        features(pp.TextFeatures(labels=["code", "code"])),
    ),
    "a label with NUL": (
        "features",
        "features.text.labels[0]",
        features(pp.TextFeatures(labels=[NUL])),
    ),
    "a dial beyond ten": (
        "objective",
        "objective.accuracy_energy_dial",
        objective(accuracy_energy_dial=10.5, reference_joules=1.0),
    ),
    "a dial of NaN": (
        "objective",
        "objective.accuracy_energy_dial",
        objective(accuracy_energy_dial=NAN, reference_joules=1.0),
    ),
    "a dial and a weight": (
        "objective",
        "objective.accuracy_energy_dial",
        objective(accuracy_energy_dial=5.0, reference_joules=1.0, quality_per_usd=1.0),
    ),
    "a dial without a scale": (
        "objective",
        "objective.reference_joules",
        objective(accuracy_energy_dial=5.0),
    ),
    "a scale of nothing": (
        "objective",
        "objective.reference_joules",
        objective(accuracy_energy_dial=5.0, reference_joules=0.0),
    ),
    "limits the wrong way round": (
        "override_limits",
        "override_limits.quality_per_usd.max",
        pp.Policy(
            override_limits=pp.OverrideLimits(quality_per_usd=pp.WeightRange(min=2.0, max=1.0))
        ),
    ),
    "limits of a dial beyond ten": (
        "override_limits",
        "override_limits.accuracy_energy_dial.max",
        pp.Policy(override_limits=pp.OverrideLimits(accuracy_energy_dial=pp.WeightRange(max=11.0))),
    ),
    "an unknown mode": ("mode", "mode", pp.Policy(mode=99)),  # type: ignore[arg-type]
    "a default arm that never was": ("default_arm", "default_arm", pp.Policy(default_arm="nobody")),
    "a default arm with NUL": ("default_arm", "default_arm", pp.Policy(default_arm=NUL)),
    "an empty half-life": ("forgetting", "forgetting.half_life", forgetting()),
    "a negative half-life": (
        "forgetting",
        "forgetting.half_life",
        forgetting(half_life=Duration(seconds=-1)),
    ),
    "a half-life that is no duration": (
        "forgetting",
        "forgetting.half_life",
        forgetting(half_life=Duration(seconds=2**63 - 1)),
    ),
    "a half-life of two clocks": (
        "forgetting",
        "forgetting.half_life_requests",
        forgetting(half_life=Duration(seconds=1), half_life_requests=1.0),
    ),
    "no requests of half-life": (
        "forgetting",
        "forgetting.half_life_requests",
        forgetting(clock=pp.FORGETTING_CLOCK_REQUESTS),
    ),
    "NaN requests of half-life": (
        "forgetting",
        "forgetting.half_life_requests",
        forgetting(clock=pp.FORGETTING_CLOCK_REQUESTS, half_life_requests=NAN),
    ),
    "an unknown clock": ("forgetting", "forgetting.clock", forgetting(clock=99)),
    "a floor of NaN": ("floor", "floor", pp.Policy(floor=NAN)),
    "a floor of infinity": ("floor", "floor", pp.Policy(floor=INF)),
    "a floor below 0": ("floor", "floor", pp.Policy(floor=-5e-324)),
    "a floor of 1e308": ("floor", "floor", pp.Policy(floor=1e308)),
    "an unknown source": (
        "quality_sources",
        "quality_sources[1]",
        pp.Policy(quality_sources=[1, 99]),  # type: ignore[list-item]
    ),
    "a source of no kind": (
        "quality_sources",
        "quality_sources[0]",
        pp.Policy(quality_sources=[0]),  # type: ignore[list-item]
    ),
    "a source twice": (
        "quality_sources",
        "quality_sources",
        pp.Policy(quality_sources=[1, 1]),  # type: ignore[list-item]
    ),
    "a horizon below 0": (
        "feedback_horizon",
        "feedback_horizon",
        pp.Policy(feedback_horizon=Duration(seconds=-1)),
    ),
    "a horizon of nothing": (
        "feedback_horizon",
        "feedback_horizon",
        pp.Policy(feedback_horizon=Duration(nanos=999_999_999)),
    ),
    "a horizon that is no duration": (
        "feedback_horizon",
        "feedback_horizon",
        pp.Policy(feedback_horizon=Duration(seconds=2**63 - 1)),
    ),
    "an unknown way to learn preferences": (
        "preference_learning",
        "preference_learning",
        pp.Policy(preference_learning=99),  # type: ignore[arg-type]
    ),
    "a prior of nobody": (
        "warm_start",
        "warm_start.arms.nobody",
        prior("nobody", pp.ArmWarmStart(level=0.5)),
    ),
    "a prior of NaN": (
        "warm_start",
        "warm_start.arms.small.level",
        prior("small", pp.ArmWarmStart(level=NAN)),
    ),
    "weights of another length": (
        "warm_start",
        "warm_start.arms.small",
        prior("small", pp.ArmWarmStart(weights=[1.0])),
    ),
    "a prior for fewer than no requests": (
        "warm_start",
        "warm_start.n_eff",
        pp.Policy(warm_start=pp.WarmStart(n_eff=-1.0)),
    ),
    "a projection for who has no use for it": (
        "warm_start",
        "warm_start",
        pp.Policy(warm_start=pp.WarmStart(projection=[pp.Row(values=[1.0])])),
    ),
}


def parameters(value: Value) -> pp.Arm:
    return pp.Arm(parameters=Struct(fields={"temperature": value}))


# The same for arms; fields are below the arm.
ARM_VALUES: dict[str, tuple[str, str, pp.Arm]] = {
    "a model with NUL": ("model", "model", pp.Arm(model=NUL)),
    "a parameter of NaN": (
        "parameters",
        "parameters.temperature",
        parameters(Value(number_value=NAN)),
    ),
    "a parameter of infinity": (
        "parameters",
        "parameters.temperature",
        parameters(Value(number_value=INF)),
    ),
    "a parameter of no kind": ("parameters", "parameters.temperature", parameters(Value())),
    "a parameter with NUL": (
        "parameters",
        "parameters.temperature",
        parameters(Value(string_value=NUL)),
    ),
    "a prompt's version with NUL": (
        "prompt_version",
        "prompt_version",
        pp.Arm(prompt_version=NUL),
    ),
    "a model's version with NUL": (
        "model_version",
        "model_version",
        pp.Arm(model_version=NUL),
    ),
    "a model's version of 129 characters": (
        "model_version",
        "model_version",
        pp.Arm(model_version="v" * 129),
    ),
    "a price of NaN": (
        "input_usd_per_million_tokens",
        "input_usd_per_million_tokens",
        pp.Arm(input_usd_per_million_tokens=NAN),
    ),
    "a negative price": (
        "output_usd_per_million_tokens",
        "output_usd_per_million_tokens",
        pp.Arm(output_usd_per_million_tokens=-0.01),
    ),
    "a price of 1e308": (
        "input_usd_per_million_tokens",
        "input_usd_per_million_tokens",
        pp.Arm(input_usd_per_million_tokens=1e308),
    ),
    "a limit of no tokens": (
        "context_limit_tokens",
        "context_limit_tokens",
        pp.Arm(context_limit_tokens=0),
    ),
    "a negative limit": (
        "context_limit_tokens",
        "context_limit_tokens",
        pp.Arm(context_limit_tokens=-(2**63)),
    ),
    "an unknown modality": ("modalities", "modalities[1]", pp.Arm(modalities=[1, 99])),  # type: ignore[list-item]
    "a modality of no kind": ("modalities", "modalities[0]", pp.Arm(modalities=[0])),  # type: ignore[list-item]
    "an empty tag": ("tags", "tags[0]", pp.Arm(tags=[""])),
    "a tag that is too long": ("tags", "tags[0]", pp.Arm(tags=[LONG])),
    "an energy of infinity": (
        "declared_joules_per_output_token",
        "declared_joules_per_output_token",
        pp.Arm(declared_joules_per_output_token=INF),
    ),
    "a negative energy": (
        "declared_joules_per_output_token",
        "declared_joules_per_output_token",
        pp.Arm(declared_joules_per_output_token=-1.0),
    ),
}
ARM_NAMES = {
    "no name": "",
    "a blank name": " ",
    "a name that begins with a blank": " small",
    "a name that is too long": LONG,
    "a name with NUL": NUL,
    "a name of two lines": "small\nlarge",
    "a name with a control character": "small\x1b[31m",
}
POLICY_NAMES = {
    "no name": "",
    "a name that begins with a digit": "1st",
    "a name of 64 letters": "n" * 64,
    "a name of 100 kB": "n" * 100_000,
    "a name with NUL": NUL,
    "a name with a line's end": "chat\n",
    "a name of foreign letters": "\u4e2d\u6587",
    "a name with a quote": "chat'; --",
}
