"""Whether a configuration can route, whole."""

import re
from typing import Any

import msgspec

import policies
from bandit_service import budgets, challenging, priors, weighing
from bandit_service.configuration.building import build, list_price
from bandit_service.configuration.fields import check_arms, check_features, check_numbers
from bandit_service.configuration.shapes import ShapeOf
from bandit_service.errors import InvalidField
from bandit_service.model import (
    ArmState,
    Challenger,
    Mode,
    PolicyConfig,
    PreferenceLearning,
    WhenUnlogged,
)

# K * d^2 numbers, of sums and of one inverse for each ridge: 4 million are 64 MB with one ridge,
# 128 MB with the three of the default.
MOST_NUMBERS = 4_000_000
_POLICY_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,62}")


def check(config: PolicyConfig, shape_of: ShapeOf) -> PolicyConfig:
    """The same configuration, with arms' models, the dial's scale and budgets' names filled in.

    Raises InvalidField.
    """
    if not _POLICY_NAME.fullmatch(config.name):
        raise InvalidField(
            "name",
            f"{config.name!r} must be a letter, then up to 62 letters, digits, '.', '_', '-'",
        )
    check_features(config.features)
    check_arms(config)
    check_numbers(config)
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
        if arm.state is ArmState.ACTIVE and list_price(arm) is None:
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
