"""Objectives on the wire: a policy's own, what a query asks for, and the limits of that."""

from bandit_service.errors import InvalidField
from bandit_service.model import Objective, ObjectiveOverride, OverrideLimits, WeightRange
from bandit_service.rpc import form
from bandit_service.rpc.pb import policy_pb2, routing_pb2

_OVERRIDES = ObjectiveOverride.__struct_fields__


def objective(policy: policy_pb2.Policy) -> Objective:
    return read("objective", policy.objective)


def read(where: str, said: policy_pb2.Objective) -> Objective:
    optional = {
        name: form.number(f"{where}.{name}", getattr(said, name))
        for name in ("accuracy_energy_dial", "reference_joules", "quality_at_latency_limit")
        if said.HasField(name)
    }
    return Objective(
        quality_per_usd=form.number(f"{where}.quality_per_usd", said.quality_per_usd),
        quality_per_second=form.number(f"{where}.quality_per_second", said.quality_per_second),
        quality_per_joule=form.number(f"{where}.quality_per_joule", said.quality_per_joule),
        latency_limit=form.seconds(f"{where}.latency_limit", said.latency_limit)
        if said.HasField("latency_limit")
        else None,
        **optional,
    )


def objective_message(objective: Objective) -> policy_pb2.Objective:
    return policy_pb2.Objective(
        quality_per_usd=objective.quality_per_usd,
        quality_per_second=objective.quality_per_second,
        quality_per_joule=objective.quality_per_joule,
        accuracy_energy_dial=objective.accuracy_energy_dial,
        reference_joules=objective.reference_joules,
        latency_limit=None
        if objective.latency_limit is None
        else form.duration(objective.latency_limit),
        quality_at_latency_limit=objective.quality_at_latency_limit,
    )


def limits(policy: policy_pb2.Policy) -> OverrideLimits | None:
    """None where none are set: then nothing may be asked for."""
    said = policy.override_limits
    given = {
        name: _range(f"override_limits.{name}", getattr(said, name))
        for name in OverrideLimits.__struct_fields__
        if said.HasField(name)
    }
    return OverrideLimits(**given) if given else None


def limits_message(limits: OverrideLimits | None) -> policy_pb2.OverrideLimits | None:
    if limits is None:
        return None
    ranges = {name: getattr(limits, name) for name in OverrideLimits.__struct_fields__}
    return policy_pb2.OverrideLimits(
        **{
            name: policy_pb2.WeightRange(min=one.min, max=one.max)
            for name, one in ranges.items()
            if one is not None
        }
    )


def override(said: routing_pb2.ObjectiveOverride) -> ObjectiveOverride | None:
    """None for one that asks for nothing."""
    given = {
        name: form.number(f"objective.{name}", getattr(said, name), least=0.0)
        for name in _OVERRIDES
        if said.HasField(name)
    }
    return ObjectiveOverride(**given) if given else None


def _range(field: str, said: policy_pb2.WeightRange) -> WeightRange:
    least, most = form.number(f"{field}.min", said.min), form.number(f"{field}.max", said.max)
    if most < least:
        raise InvalidField(f"{field}.max", f"must be at least min, {least:g}, not {most:g}")
    return WeightRange(min=least, max=most)
