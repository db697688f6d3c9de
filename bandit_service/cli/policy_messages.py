"""From flags and files to the messages of PolicyService, and from a policy to words."""

import getpass
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import typer
from google.protobuf.field_mask_pb2 import FieldMask

from bandit_service import presets
from bandit_service.cli import policy_yaml
from bandit_service.cli.output import optional, word
from bandit_service.cli.policy_yaml import SET
from bandit_service.errors import ArmNotFound, InvalidField
from bandit_service.model import Arm, Budget, PolicyConfig, PolicyView
from bandit_service.rpc import convert_policy, policy_answers
from bandit_service.rpc.pb import policy_pb2 as pb

_NOT_BY_UPDATE = {
    "name": "cannot change",
    "arms": "have commands of their own: policy add-arm, update-arm, retire-arm, remove-arm",
    "state": "has commands of its own: policy retire-arm, remove-arm",
    "version_position": "is set by the service when model_version changes",
}


def to_create(
    name: str | None,
    file: Path | None,
    arms: list[str],
    vector: int | None,
    sets: list[str],
    preset: str | None = None,
    arms_file: Path | None = None,
) -> pb.Policy:
    """Flags go before what the file says, and the file before the preset. Raises InvalidField."""
    chosen = None if preset is None else presets.found(preset)
    said = {} if chosen is None else _said_by(chosen)
    said |= policy_yaml.read_mapping(file) if file else {}
    if arms_file is not None:
        said["arms"] = policy_yaml.read_arms(arms_file)
    if name:
        said["name"] = name
    if "name" not in said:
        raise typer.BadParameter("give the policy's name, or --file")
    if arms:
        said["arms"] = [{"name": arm} for arm in arms]
    if vector:
        said["features"] = {"vector": {"dimension": vector}}
    if not said.get("arms"):
        missing = "at least one arm is needed; give --file, --arms or --arm"
        raise InvalidField(str(file) if file else "arms", missing)
    said = policy_yaml.assigned(said, sets)
    source = file or arms_file
    config = policy_yaml.checked(said, PolicyConfig, str(source) if source else SET)
    if chosen is not None:
        chosen.check(config.arms)
    return _message(config)


def _said_by(preset: presets.Preset) -> dict[str, Any]:
    """What a preset says of a policy, as a file would."""
    said: dict[str, Any] = msgspec.to_builtins(preset.config(preset.name))
    return {name: value for name, value in said.items() if name not in presets.NOT_A_PRESETS}


def to_update(
    current: pb.Policy, file: Path | None, sets: list[str], etag: str | None
) -> pb.UpdatePolicyRequest:
    """Changes `current`, and only if it is still the current one. Raises InvalidField."""
    config = convert_policy.config(pb.CreatePolicyRequest(policy=current))
    said, mask = _changed(config, file, sets)
    policy = _message(policy_yaml.checked(said, PolicyConfig, _source(file, sets)))
    policy.etag = etag or current.etag
    return pb.UpdatePolicyRequest(policy=policy, update_mask=mask)


def author(given: str | None) -> str:
    """Who makes a change: the user, unless given; empty where the system does not know."""
    if given is not None:
        return given
    try:
        return getpass.getuser()[: convert_policy.LONGEST_AUTHOR]
    except (KeyError, OSError):  # a container's user without a name
        return ""


def new_arm(name: str, file: Path | None, sets: list[str]) -> pb.Arm:
    said = policy_yaml.read_mapping(file) if file else {}
    said = policy_yaml.assigned(said | {"name": name}, sets)
    return _arm_message(policy_yaml.checked(said, Arm, _source(file, sets)))


def to_update_arm(
    policy: pb.Policy, name: str, file: Path | None, sets: list[str], etag: str | None
) -> pb.UpdateArmRequest:
    """Raises ArmNotFound and InvalidField."""
    config = convert_policy.config(pb.CreatePolicyRequest(policy=policy))
    current = next((arm for arm in config.arms if arm.name == name), None)
    if current is None:
        raise ArmNotFound(policy.name, name)
    said, mask = _changed(current, file, sets)
    arm = _arm_message(policy_yaml.checked(said, Arm, _source(file, sets)))
    return pb.UpdateArmRequest(
        policy=policy.name, arm=arm, update_mask=mask, etag=etag or policy.etag
    )


def described(policy: pb.Policy) -> tuple[list[tuple[str, Any]], tuple[str, ...], list[Any]]:
    """What a policy is, line by line, and its arms as columns and rows."""
    config = convert_policy.config(pb.CreatePolicyRequest(policy=policy))
    weights = msgspec.to_builtins(config.objective)
    settings = "".join(f", {k} {v:g}" for k, v in sorted(config.algorithm.settings.items()))
    features = config.features.text or config.features.vector
    numbers = getattr(features, "dimensions", None) or getattr(features, "dimension", None)
    summary = [
        ("policy", policy.name),
        ("revision", f"{policy.revision}, etag {policy.etag}"),
        ("algorithm", config.algorithm.name + settings),
        ("features", f"{'text' if config.features.text else 'vector'}, {numbers} dimensions"),
        ("objective", ", ".join(f"{k} {v:g}" for k, v in weights.items() if v) or "quality alone"),
        ("mode", f"{config.mode}{f', default {d}' if (d := config.default_arm) else ''}"),
        ("floor", config.floor),
        ("feedback horizon", f"{config.feedback_horizon / 86_400:g} days"),
    ]
    if config.forgetting:
        unit = "s" if config.forgetting.clock == "time" else "requests"
        summary.append(("forgetting", f"half after {config.forgetting.half_life:g} {unit}"))
    summary += [("budget", _budget(budget)) for budget in config.budgets]
    for one in config.challengers:
        acts = f"acts on {one.share:.0%}" if one.share else "in the log only"
        summary.append(("challenger", f"{one.name}: {one.algorithm.name}, {acts}"))
    prices = ("input_usd_per_million_tokens", "output_usd_per_million_tokens")
    rows = [
        (
            arm.name,
            f"{arm.model} {arm.model_version}".strip(),
            word(pb.ArmState, "ARM_STATE", arm.state),
            *(optional(arm, price) for price in prices),
            optional(arm, "context_limit_tokens"),
            ", ".join(arm.tags),
        )
        for arm in policy.arms
    ]
    columns = ("arm", "model", "state", "USD/M in", "USD/M out", "context", "tags")
    return summary, columns, rows


def _budget(budget: Budget) -> str:
    """In words.

    >>> from bandit_service.model import Resource
    >>> _budget(Budget(resource=Resource.USD, amount=10, window=86_400, name="daily"))
    'daily: 10 usd in 86400 s, by resolving; then cheapest'
    """
    span = "a request"
    if budget.window is not None:
        span = f"in {budget.window:.15g} s"
    elif budget.requests is not None:
        span = f"in {budget.requests} requests"
    then = f"{budget.when_exhausted.value} {budget.fallback_arm}".strip()
    amount = f"{budget.amount:.15g} {budget.resource.value}"
    return f"{budget.name}: {amount} {span}, by {budget.controller}; then {then}"


def _changed(
    current: PolicyConfig | Arm, file: Path | None, sets: list[str]
) -> tuple[dict[str, Any], FieldMask]:
    said: dict[str, Any] = msgspec.to_builtins(current)
    partial = policy_yaml.read_mapping(file) if file else {}
    if partial.get("name") == current.name:
        del partial["name"]
    _refuse(partial, str(file))
    _refuse(policy_yaml.roots(sets), SET)
    said = policy_yaml.assigned(said | partial, sets)
    return said, FieldMask(paths=sorted(partial.keys() | policy_yaml.roots(sets)))


def _refuse(fields: Iterable[str], source: str) -> None:
    for field in fields:
        if field in _NOT_BY_UPDATE:
            raise InvalidField(source, f"{field}: {_NOT_BY_UPDATE[field]}")


def _source(file: Path | None, sets: list[str]) -> str:
    return SET if sets or file is None else str(file)


def _message(config: PolicyConfig) -> pb.Policy:
    view = PolicyView(config=config, revision=0, etag="", create_time=0.0, update_time=0.0)
    try:
        message = policy_answers.policy(view)
    except ValueError as error:
        raise InvalidField("parameters", f"what JSON cannot hold: {error}") from error
    message.ClearField("create_time")
    message.ClearField("update_time")
    return message


def _arm_message(arm: Arm) -> pb.Arm:
    return _message(PolicyConfig(name="", arms=(arm,))).arms[0]
