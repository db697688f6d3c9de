"""What a policy's configuration may be, and how one becomes the next. Pure.

A configuration is checked whole whenever it changes, so that nothing which cannot
route ever gets into a journal.
"""

import math
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

import policies
from bandit_service import budgets, challenging, embeddings, priors, weighing
from bandit_service.errors import (
    ArmExists,
    ArmNotFound,
    ClockFixed,
    DefaultArmInUse,
    InvalidField,
    NotUnderstood,
)
from bandit_service.model import (
    Arm,
    ArmState,
    Challenger,
    Clock,
    Features,
    JournalEntry,
    Mode,
    PolicyConfig,
    PreferenceLearning,
    RevisionEvent,
    Unread,
    WhenUnlogged,
)

MOST_ARMS = 256
MOST_FEATURES = 512
MOST_LABELS = 64
# K * d^2 numbers, of sums and of one inverse for each ridge: 4 million are 64 MB with one ridge,
# 128 MB with the three of the default.
MOST_NUMBERS = 4_000_000
# Seconds or requests. A thousandth forgets all at once; the longest is what a Duration holds.
SHORTEST_HALF_LIFE, LONGEST_HALF_LIFE = 1e-3, 315_576_000_000.0
SHORTEST_HORIZON, LONGEST_HORIZON = 1.0, LONGEST_HALF_LIFE  # seconds

ALIKE = 1e-9  # of log prices: by rounding alone nothing is dear

_POLICY_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,62}")
_MOST_ARM_NAME = 128
_UNCHANGEABLE = {"name", "arms"}


class Shape(msgspec.Struct, frozen=True):
    """What features amount to: their version, and their number, the constant included."""

    version: str
    dim: int


ShapeOf = Callable[[Features], Shape]
Change = Callable[[PolicyConfig], PolicyConfig]


def build(config: PolicyConfig, dim: int) -> policies.Policy[Any]:
    """The algorithm that a configuration names. Raises InvalidField."""
    half_life = config.forgetting.half_life if config.forgetting else None
    try:
        return policies.build(
            config.algorithm.name,
            dim=dim,
            half_life=half_life,
            settings=config.algorithm.settings,
            dearness=dearness(config.arms),
            prices=tuple(_list_price(arm) for arm in config.arms),
            joules=tuple(arm.declared_joules_per_output_token for arm in config.arms),
            parts=_parts(config.features),
            priors=priors.of_slots(config),
            embeddings=embeddings.of_arms(config.arms, dim),
        )
    except policies.UnusablePrior as wrong:
        where = "" if wrong.arm is None else f".arms.{config.arms[wrong.arm].name}"
        raise InvalidField(f"warm_start{where}", str(wrong)) from wrong
    except ValueError as wrong:
        raise InvalidField("algorithm", str(wrong)) from wrong


def understood(
    policy: str, entry: JournalEntry, shape_of: ShapeOf
) -> tuple[Shape, policies.Policy[Any]] | None:
    """What a revision amounts to; None for feedback.

    Raises NotUnderstood for what only a newer program can read.
    """
    event = entry.event
    if isinstance(event, Unread):
        raise NotUnderstood(policy, entry.position, event.why)
    if not isinstance(event, RevisionEvent):
        return None
    try:
        shape = shape_of(event.config.features)
        return shape, build(event.config, shape.dim)
    except InvalidField as strange:  # it was checked by whoever wrote it
        raise NotUnderstood(policy, entry.position, str(strange)) from strange


def _parts(features: Features) -> policies.Parts:
    """What a policy may know of the features besides their number."""
    text = features.text
    if text is None:
        return policies.Parts()
    return policies.Parts(text.dimensions, text.readability, len(text.labels))


def preference_learning_of(algorithm: str) -> PreferenceLearning:
    """What goes with an algorithm of the catalogue where nobody says otherwise."""
    pairs = issubclass(policies.CATALOGUE[algorithm], policies.LearnsPairs)
    return PreferenceLearning.AS_PAIRS if pairs else PreferenceLearning.IGNORE


def learns_choices(algorithm: str) -> bool:
    """Whether an algorithm of the catalogue learns from the chances that its arms had."""
    return issubclass(policies.CATALOGUE[algorithm], policies.LearnsChoices)


def dearness(arms: Sequence[Arm]) -> tuple[float, ...]:
    """How dear each arm is among the others, in standard deviations of its log list price.

    The price is that of a million tokens in and a million out. 0 for an arm whose prices are
    not known, are 0, or are alike. Removed arms do not count among the others.

    >>> prices = {"input_usd_per_million_tokens": 0.0}
    >>> dear, cheap = (Arm(name="a", output_usd_per_million_tokens=p, **prices) for p in (10, 1))
    >>> dearness([dear, cheap, Arm(name="unknown")])
    (1.0, -1.0, 0.0)
    """
    prices = [_list_price(arm) for arm in arms]
    logs = [math.log(price) if price else None for price in prices]
    known = [
        one
        for one, arm in zip(logs, arms, strict=True)
        if one is not None and arm.state is not ArmState.REMOVED
    ]
    spread = statistics.pstdev(known) if known else 0.0
    if spread < ALIKE:
        return (0.0,) * len(arms)
    middle = statistics.fmean(known)
    return tuple(0.0 if one is None else (one - middle) / spread for one in logs)


def _list_price(arm: Arm) -> float | None:
    prices = (arm.input_usd_per_million_tokens, arm.output_usd_per_million_tokens)
    return None if None in prices else math.fsum(price or 0.0 for price in prices)


def check(config: PolicyConfig, shape_of: ShapeOf) -> PolicyConfig:
    """The same configuration, with arms' models, the dial's scale and budgets' names filled in.

    Raises InvalidField.
    """
    if not _POLICY_NAME.fullmatch(config.name):
        raise InvalidField(
            "name",
            f"{config.name!r} must be a letter, then up to 62 letters, digits, '.', '_', '-'",
        )
    _check_features(config.features)
    _check_arms(config)
    _check_numbers(config)
    _check_default_arm(config)
    budgets.check(config)
    priors.check(config)
    challenging.check(config)
    shape = shape_of(config.features)
    numbers = len(config.arms) * shape.dim**2 * (1 + len(config.challengers))
    if numbers > MOST_NUMBERS:
        others = f" and {len(config.challengers)} challengers" if config.challengers else ""
        raise InvalidField(
            "arms",
            f"{len(config.arms)} arms with {shape.dim} features{others} need {numbers:,} numbers; "
            f"at most {MOST_NUMBERS:,}",
        )
    policy = build(config, shape.dim)
    _check_pairs(config, policy)
    if isinstance(policy, policies.WeighsPrices) and policy.price_weight:
        _check_prices(config)
    if isinstance(policy, policies.WeighsJoules) and policy.energy_weight:
        _check_joules(config)
    arms = tuple(msgspec.structs.replace(arm, model=arm.model or arm.name) for arm in config.arms)
    return msgspec.structs.replace(
        config,
        arms=arms,
        objective=weighing.completed(config),
        budgets=budgets.completed(config.budgets),
        challengers=tuple(_challenger(config, policy, one, shape_of) for one in config.challengers),
    )


def _challenger(
    config: PolicyConfig, incumbent: policies.Policy[Any], one: Challenger, shape_of: ShapeOf
) -> Challenger:
    """A challenger that could be the incumbent, with the scale of its dial. Raises InvalidField."""
    its = challenging.as_incumbent(config, one)
    try:
        completed = check(its, shape_of)
        pairs = isinstance(incumbent, policies.LearnsPairs)
        if pairs and restarts(msgspec.structs.replace(config, challengers=()), its, shape_of):
            # What a pair taught before it came cannot be told from what a revision takes back.
            raise InvalidField("algorithm", "must keep the same sums as the incumbent's")
    except InvalidField as wrong:
        raise InvalidField(f"challengers.{one.name}", str(wrong)) from wrong
    if one.objective is None:
        return one
    return msgspec.structs.replace(one, objective=completed.objective)


def restarts(old: PolicyConfig, new: PolicyConfig, shape_of: ShapeOf) -> bool:
    """Whether what was learned under `old` means nothing under `new`."""
    before, after = shape_of(old.features), shape_of(new.features)
    if before != after:
        return True
    first, second = (build(config, after.dim) for config in (old, new))
    if first.state_kind != second.state_kind or _sums(first) != _sums(second):
        return True
    if isinstance(second, policies.LearnsPairs) and old.quality_sources != new.quality_sources:
        return True  # which of several verdicts on a pair was learned is not written down
    return priors.projection(old) != priors.projection(new)


def _sums(policy: policies.Policy[Any]) -> dict[str, tuple[int, ...]]:
    """The shapes of what a policy learns, an arm."""
    return {name: sums.shape for name, sums in policy.start(1).canonical().items()}


def updated(changes: Mapping[str, Any]) -> Change:
    """A change of the policy's own fields."""

    def change(config: PolicyConfig) -> PolicyConfig:
        if unknown := sorted(changes.keys() - _changeable(PolicyConfig)):
            raise InvalidField("update_mask", f"{unknown[0]!r} cannot be changed")
        new = msgspec.structs.replace(config, **changes)
        # Every decision carries a reading of one clock, and feedback on it may come at any
        # time: seconds learned among ordinals would outweigh them for ever.
        if clock_of(new) is not clock_of(config):
            raise ClockFixed(config.name, clock_of(config).value)
        return new

    return change


def clock_of(config: PolicyConfig) -> Clock:
    """What the policy's decisions are stamped with."""
    return Clock.TIME if config.forgetting is None else config.forgetting.clock


def arm_added(arm: Arm) -> Change:
    def change(config: PolicyConfig) -> PolicyConfig:
        if any(known.name == arm.name for known in config.arms):
            raise ArmExists(config.name, arm.name)
        _check_arm_numbers(arm, "arm")
        return msgspec.structs.replace(config, arms=(*config.arms, arm))

    return change


def arm_updated(name: str, changes: Mapping[str, Any]) -> Change:
    """A change of one arm's fields."""

    def change(config: PolicyConfig) -> PolicyConfig:
        if "embedding" in changes:
            raise InvalidField(
                "update_mask",
                "'embedding' cannot be changed, what was learned rests on it: add another arm",
            )
        if unknown := sorted(changes.keys() - (_changeable(Arm) - {"state"})):
            raise InvalidField("update_mask", f"{unknown[0]!r} cannot be changed")
        new = _with_arm(config, name, changes)
        for arm in new.arms:
            if arm.name == name:
                _check_arm_numbers(arm, "arm")
        return new

    return change


def arm_state_changed(name: str, state: ArmState) -> Change:
    """Retires an arm, or removes it."""

    def change(config: PolicyConfig) -> PolicyConfig:
        if config.default_arm == name:
            raise DefaultArmInUse(config.name, name)
        if any(name == budget.fallback_arm for budget in config.budgets):
            raise InvalidField(
                "arm", f"a budget of policy {config.name!r} falls back on {name!r}: change it first"
            )
        return _with_arm(config, name, {"state": state})

    return change


def _changeable(kind: type[msgspec.Struct]) -> set[str]:
    return set(kind.__struct_fields__) - _UNCHANGEABLE


def _with_arm(config: PolicyConfig, name: str, changes: Mapping[str, Any]) -> PolicyConfig:
    slots = [i for i, arm in enumerate(config.arms) if arm.name == name]
    if not slots or config.arms[slots[0]].state is ArmState.REMOVED:
        raise ArmNotFound(config.name, name)
    arms = list(config.arms)
    arms[slots[0]] = msgspec.structs.replace(arms[slots[0]], **changes)
    return msgspec.structs.replace(config, arms=tuple(arms))


def _check_features(features: Features) -> None:
    if (features.text is None) == (features.vector is None):
        raise InvalidField("features", "exactly one of text and vector is required")
    if features.vector is not None and not 1 <= features.vector.dimension < MOST_FEATURES:
        raise InvalidField(
            "features.vector.dimension",
            f"must be from 1 to {MOST_FEATURES - 1}, not {features.vector.dimension}",
        )
    if features.text is not None and not 8 <= features.text.dimensions <= 256:
        raise InvalidField(
            "features.text.dimensions", f"must be from 8 to 256, not {features.text.dimensions}"
        )
    if features.text is not None:
        _check_labels(features.text.labels)


def _check_labels(labels: Sequence[str]) -> None:
    if len(labels) > MOST_LABELS:
        raise InvalidField("features.text.labels", f"at most {MOST_LABELS}, not {len(labels)}")
    for place, label in enumerate(labels):
        where = f"features.text.labels[{place}]"
        if not (0 < len(label) <= _MOST_ARM_NAME and label.isprintable()):
            raise InvalidField(where, f"must be 1 to {_MOST_ARM_NAME} printable characters")
        if label in labels[:place]:
            raise InvalidField(where, f"{label!r} is there twice")


def _check_arms(config: PolicyConfig) -> None:
    if not config.arms:
        raise InvalidField("arms", "at least one is required")
    if len(config.arms) > MOST_ARMS:
        raise InvalidField("arms", f"at most {MOST_ARMS}, not {len(config.arms)}")
    names = [arm.name for arm in config.arms]
    for place, arm in enumerate(config.arms):
        where = f"arms[{place}]"
        if not (0 < len(arm.name) <= _MOST_ARM_NAME and arm.name.isprintable()):
            raise InvalidField(
                f"{where}.name", f"must be 1 to {_MOST_ARM_NAME} printable characters"
            )
        if arm.name != arm.name.strip():
            raise InvalidField(f"{where}.name", f"{arm.name!r} begins or ends with a blank")
        if arm.name in names[:place]:
            raise InvalidField(f"{where}.name", f"{arm.name!r} is there twice")
        _check_arm_numbers(arm, where)


def _check_arm_numbers(arm: Arm, where: str) -> None:
    for name in (
        "input_usd_per_million_tokens",
        "output_usd_per_million_tokens",
        "declared_joules_per_output_token",
    ):
        _check_number(f"{where}.{name}", getattr(arm, name))
    if arm.context_limit_tokens is not None and arm.context_limit_tokens < 1:
        raise InvalidField(
            f"{where}.context_limit_tokens", f"must be at least 1, not {arm.context_limit_tokens}"
        )
    embeddings.check(arm, where)
    if not arm.modalities:
        raise InvalidField(f"{where}.modalities", "at least one is required")


def _check_numbers(config: PolicyConfig) -> None:
    if not 0.0 <= config.floor <= 1.0:
        raise InvalidField("floor", f"must be in [0, 1], not {config.floor:g}")
    weighing.checked(config.objective)
    weighing.checked_limits(config.override_limits)
    if config.forgetting is not None:
        half_life = config.forgetting.half_life
        if not SHORTEST_HALF_LIFE <= half_life <= LONGEST_HALF_LIFE:
            raise InvalidField(
                "forgetting.half_life",
                f"must be from {SHORTEST_HALF_LIFE:g} to {LONGEST_HALF_LIFE:g}, not {half_life:g}",
            )
    if not SHORTEST_HORIZON <= config.feedback_horizon <= LONGEST_HORIZON:
        raise InvalidField(
            "feedback_horizon",
            f"must be from {SHORTEST_HORIZON:g} to {LONGEST_HORIZON:g} seconds, "
            f"not {config.feedback_horizon:g}",
        )
    sources = config.quality_sources
    if not sources or len(set(sources)) < len(sources):
        raise InvalidField("quality_sources", "at least one is required, and each only once")


def _check_number(field: str, value: float | None) -> None:
    if value is not None and not 0.0 <= value <= 1e9:
        raise InvalidField(field, f"must be from 0 to 1e9, not {value:g}")


def _check_pairs(config: PolicyConfig, policy: policies.Policy[Any]) -> None:
    learns_pairs = isinstance(policy, policies.LearnsPairs)
    as_pairs = config.preference_learning is PreferenceLearning.AS_PAIRS
    if as_pairs and not learns_pairs:
        raise InvalidField(
            "preference_learning", f"{policy.name} does not learn pairs: choose as_quality"
        )
    if learns_pairs and not as_pairs:
        raise InvalidField("preference_learning", f"{policy.name} learns pairs: choose as_pairs")


def _check_prices(config: PolicyConfig) -> None:
    for place, arm in enumerate(config.arms):
        if arm.state is ArmState.ACTIVE and _list_price(arm) is None:
            raise InvalidField(
                f"arms[{place}].input_usd_per_million_tokens",
                f"{config.algorithm.name} weighs list prices: give {arm.name!r} both of them",
            )


def _check_joules(config: PolicyConfig) -> None:
    for place, arm in enumerate(config.arms):
        if arm.state is ArmState.ACTIVE and arm.declared_joules_per_output_token is None:
            raise InvalidField(
                f"arms[{place}].declared_joules_per_output_token",
                f"{config.algorithm.name} learns energy with quality: give {arm.name!r} the joules "
                "that its model card or a meter tells",
            )


def _check_default_arm(config: PolicyConfig) -> None:
    active = [arm.name for arm in config.arms if arm.state is ArmState.ACTIVE]
    if not config.default_arm:
        if config.mode is Mode.OBSERVE:
            raise InvalidField("default_arm", "required in observe mode")
        if config.when_unlogged is WhenUnlogged.FALLBACK:
            raise InvalidField("default_arm", "required by the fallback of when_unlogged")
    elif config.default_arm not in active:
        raise InvalidField("default_arm", f"{config.default_arm!r} is not an active arm")
