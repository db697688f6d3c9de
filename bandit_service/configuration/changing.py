"""How one configuration becomes the next."""

from collections.abc import Mapping
from typing import Any

import msgspec

from bandit_service.configuration.fields import check_arm_numbers
from bandit_service.configuration.shapes import Change
from bandit_service.errors import (
    ArmExists,
    ArmNotFound,
    ClockFixed,
    DefaultArmInUse,
    InvalidField,
)
from bandit_service.model import Arm, ArmState, Clock, PolicyConfig

_UNCHANGEABLE = {"name", "arms", "version_position"}


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
        check_arm_numbers(arm, "arm")
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
                check_arm_numbers(arm, "arm")
        return new

    return change


def with_versions(old: PolicyConfig, new: PolicyConfig, position: int) -> PolicyConfig:
    """`new`, whose revision will stand at `position`, with that noted of the arms of `old` whose
    model was declared another."""
    arms = list(new.arms)
    for slot, (before, after) in enumerate(zip(old.arms, new.arms, strict=False)):
        if before.model_version != after.model_version:
            arms[slot] = msgspec.structs.replace(after, version_position=position)
    return msgspec.structs.replace(new, arms=tuple(arms))


def replaced(old: PolicyConfig, new: PolicyConfig) -> list[int]:
    """The slots of `old` behind which another model answers under `new`."""
    pairs = zip(old.arms, new.arms, strict=False)
    return [
        slot
        for slot, (before, after) in enumerate(pairs)
        if before.version_position != after.version_position
    ]


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
