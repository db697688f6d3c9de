"""What a unit of each resource is worth: weights, the dial, and what a query may ask for. Pure.

The dial goes from accuracy, 0, to energy, 10. At a dial D the energy of one reference call is
worth (10^(0.4 D) - 1) / 1000 points of quality:

    dial    0      1      2      3      4      5      6      7      8      9     10
    points  0  .0015  .0053   .015   .039   .099    .25    .63    1.6    4.0   10.0

So each step counts about two and a half times the one before, from accuracy alone to where a
tenth of a reference call is worth as much as the whole of quality. Steps are ratios because
models differ in energy by ratios, 40 times from 8 to 400 billion parameters. The scale is the
reference call of the revision, never what a batch holds, so equal queries are weighed equally,
and a change of the dial needs no relearning.
"""

import math
import statistics
from collections.abc import Iterable, Sequence

import msgspec

from bandit_service.errors import InvalidField
from bandit_service.model import (
    Arm,
    ArmState,
    Objective,
    ObjectiveOverride,
    OverrideLimits,
    PolicyConfig,
    WeightRange,
)

LARGEST_DIAL = 10.0
REFERENCE_TOKENS = 500  # written, in a reference call

MOST = 1e9  # of a weight, and of the reference
LEAST_REFERENCE = 1e-6  # joules
LEAST_LIMIT = 1e-3  # seconds

WEIGHTS = ("quality_per_usd", "quality_per_second", "quality_per_joule")
DIAL = "accuracy_energy_dial"

Weights = tuple[float, float, float]  # points a US dollar, a second, a joule


def points_of(dial: float) -> float:
    """What the energy of a reference call is worth, in points.

    >>> [round(points_of(dial), 4) for dial in (0, 5, 10)]
    [0.0, 0.099, 9.999]
    """
    return math.expm1(0.4 * dial * math.log(10.0)) / 1000.0


def weights_of(objective: Objective, override: ObjectiveOverride | None = None) -> Weights:
    """The weights that hold, with what a query asked for in place of the policy's own.

    The objective has been `completed`, and the override was `allowed`.
    """
    if override is not None and override.accuracy_energy_dial is not None:
        return _of_dial(override.accuracy_energy_dial, objective.reference_joules)
    if objective.accuracy_energy_dial is not None:
        own = _of_dial(objective.accuracy_energy_dial, objective.reference_joules)
    else:
        own = (
            objective.quality_per_usd,
            objective.quality_per_second,
            objective.quality_per_joule,
        )
    if override is None:
        return own
    asked = (
        override.quality_per_usd,
        override.quality_per_second,
        override.quality_per_joule,
    )
    usd, second, joule = (
        mine if other is None else other for mine, other in zip(own, asked, strict=True)
    )
    return usd, second, joule


def _of_dial(dial: float, reference_joules: float | None) -> Weights:
    return 0.0, 0.0, points_of(dial) / reference_joules if dial and reference_joules else 0.0


def checked(objective: Objective) -> None:
    """Raises InvalidField for what makes no sense by itself."""
    for name in WEIGHTS:
        _check(f"objective.{name}", getattr(objective, name), 0.0, MOST)
    _check("objective.reference_joules", objective.reference_joules, LEAST_REFERENCE, MOST)
    limit, points = objective.latency_limit, objective.quality_at_latency_limit
    _check("objective.latency_limit", limit, LEAST_LIMIT, MOST)
    _check("objective.quality_at_latency_limit", points, 0.0, MOST)
    if points is not None and limit is None:
        raise InvalidField("objective.latency_limit", "required with quality_at_latency_limit")
    dial = objective.accuracy_energy_dial
    _check(f"objective.{DIAL}", dial, 0.0, LARGEST_DIAL)
    both = [name for name in WEIGHTS if getattr(objective, name)]
    if dial is not None and both:
        raise InvalidField(
            f"objective.{DIAL}", f"does not go with {both[0]}: set the dial or weights, not both"
        )


def checked_limits(limits: OverrideLimits | None) -> None:
    """Raises InvalidField."""
    for name in () if limits is None else limits.__struct_fields__:
        allowed: WeightRange | None = getattr(limits, name)
        if allowed is not None:
            most = LARGEST_DIAL if name == DIAL else MOST
            _check(f"override_limits.{name}.min", allowed.min, 0.0, most)
            _check(f"override_limits.{name}.max", allowed.max, allowed.min, most)


def completed(config: PolicyConfig) -> Objective:
    """The objective with the dial's scale, where a dial is set or can be asked for.

    A scale that is there already stays. Raises InvalidField if there is nothing to take it from.
    """
    objective, limits = config.objective, config.override_limits
    can_be_asked = limits is not None and limits.accuracy_energy_dial is not None
    has_dial = objective.accuracy_energy_dial is not None or can_be_asked
    if not has_dial or objective.reference_joules is not None:
        return objective
    reference = reference_joules(config.arms)
    if reference is None:
        if not (objective.accuracy_energy_dial or can_be_asked):
            return objective  # accuracy alone needs no scale
        raise InvalidField(
            "objective.reference_joules",
            "the dial needs a scale: give the joules of a usual call here, or "
            "declared_joules_per_output_token of an arm",
        )
    return msgspec.structs.replace(objective, reference_joules=reference)


def reference_joules(arms: Iterable[Arm]) -> float | None:
    """Joules of a reference call: of the median arm by declared energy. None if none is known.

    Of an even number the lower of the two in the middle, so that it is an arm of the pool.
    """
    declared = [
        arm.declared_joules_per_output_token
        for arm in arms
        if arm.declared_joules_per_output_token and arm.state is not ArmState.REMOVED
    ]
    if not declared:
        return None
    return max(LEAST_REFERENCE, min(MOST, REFERENCE_TOKENS * statistics.median_low(declared)))


def allowed(config: PolicyConfig, override: ObjectiveOverride) -> None:
    """Raises InvalidField for what the policy's limits do not let a query ask for."""
    given = _given(override)
    for name in given:
        limits = config.override_limits
        allowed: WeightRange | None = None if limits is None else getattr(limits, name)
        field = f"objective.{name}"
        if allowed is None:
            raise InvalidField(
                field, f"policy {config.name!r} sets no override_limits.{name}: nobody may ask"
            )
        value = getattr(override, name)
        if not allowed.min <= value <= allowed.max:
            raise InvalidField(
                field,
                f"policy {config.name!r} allows {allowed.min:g} to {allowed.max:g}, not {value:g}",
            )
    if DIAL in given and len(given) > 1:
        raise InvalidField(f"objective.{DIAL}", f"does not go with {given[0]}: ask for one")


def _given(override: ObjectiveOverride) -> Sequence[str]:
    return [name for name in (*WEIGHTS, DIAL) if getattr(override, name) is not None]


def _check(field: str, value: float | None, least: float, most: float) -> None:
    if value is not None and not least <= value <= most:
        raise InvalidField(field, f"must be from {least:g} to {most:g}, not {value:g}")
