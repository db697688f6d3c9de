"""Whom `replay` judges: what is written after --candidate, and what a budget makes of it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bandit_service.errors import InvalidField

if TYPE_CHECKING:
    from pathlib import Path

    from bandit_service.engine import PolicyEngine
    from bandit_service.evaluation.contestants import Contestant
    from bandit_service.evaluation.logs import Traffic
    from bandit_service.evaluation.offpolicy.settings import Settings
    from bandit_service.evaluation.offpolicy.targets import Target
    from bandit_service.ports import LogReader

LIVE, REVISION, FROZEN = "live", "revision:", "frozen:"

# Short names of knobs; every other one is a path as `policy update --set` takes it.
_SHORT = {
    "dial": "objective.accuracy_energy_dial",
    "quality_per_usd": "objective.quality_per_usd",
    "quality_per_second": "objective.quality_per_second",
    "quality_per_joule": "objective.quality_per_joule",
}


def targets(
    named: Sequence[str],
    traffic: "Traffic",
    settings: "Settings",
    budgets: Sequence[float],
    reader: "LogReader | None",
    engines: "Mapping[str, PolicyEngine]",
) -> "list[Target]":
    """`engines` as `frozen` gives them. Raises InvalidField."""
    from bandit_service.evaluation.offpolicy.frozen import Frozen
    from bandit_service.evaluation.offpolicy.gathering import dim_of
    from bandit_service.evaluation.offpolicy.targets import ARM, CHALLENGER, target

    dim = dim_of(traffic)

    def asked(each: str) -> "Target":
        if each in engines:
            engine, knobs = engines[each], each.split(",")[1:]
            contestant = _changed(each, engine.config, knobs)
            return Frozen(contestant, engine, traffic.arms, traffic.feature_version)
        is_name = each.startswith((ARM, CHALLENGER))
        who = each if is_name else _contestant(each, traffic, reader)
        return target(who, traffic.arms, dim, settings.seed)

    made = [asked(each) for each in named]
    made = list(_on_budgets(made, budgets, traffic, settings))
    labels = [target.label for target in made]
    for label in labels:
        if labels.count(label) > 1:
            raise InvalidField("--policy", f"{label!r} is there twice")
    return made


def loggers(
    named: Sequence[str], traffic: "Traffic", settings: "Settings", reader: "LogReader | None"
) -> "dict[int, Target]":
    """Who drew the decisions of each revision, from REVISION=POLICY. Raises InvalidField."""
    made: dict[int, Target] = {}
    for each in named:
        revision, equals, policy = each.partition("=")
        if not equals or not revision.isdecimal():
            raise InvalidField("--logger", f"{each!r} must be like 3=uniform")
        if int(revision) in made:
            raise InvalidField("--logger", f"revision {revision} is there twice")
        made[int(revision)] = targets([policy], traffic, settings, [], reader, {})[0]
    return made


def frozen(
    named: Sequence[str], reader: "LogReader | None", policy: str, checkpoint_key: "Path | None"
) -> "dict[str, PolicyEngine]":
    """What the checkpoints hold that are named, by how they are named. Raises InvalidField."""
    from bandit_service.cli.verifying import seal_of
    from bandit_service.evaluation.offpolicy.frozen import engine_at

    found = {}
    for each in named:
        if not each.startswith(FROZEN):
            continue
        if reader is None:
            raise InvalidField(
                f"policy {each!r}", "is in the service's database: give --database and --log-policy"
            )
        number = each.split(",")[0].removeprefix(FROZEN)
        found[each] = engine_at(reader, policy, number, seal_of(checkpoint_key))
    return found


def _on_budgets(
    made: "list[Target]", budgets: Sequence[float], traffic: "Traffic", settings: "Settings"
) -> "list[Target]":
    """Policies at each budget instead of as they are; single arms cost what they cost."""
    from bandit_service.evaluation.offpolicy.budgeting import held_to
    from bandit_service.evaluation.offpolicy.comparison import split
    from bandit_service.evaluation.offpolicy.learner import Learner

    if not budgets:
        return made
    training, rows = split(traffic, made, settings)
    found: list[Target] = []
    for target in made:
        if isinstance(target, Learner):
            found += [held_to(target, each, traffic, training, rows) for each in budgets]
        else:
            found.append(target)
    return found


def _contestant(text: str, traffic: "Traffic", reader: "LogReader | None") -> "Contestant":
    from bandit_service.cli.simulate import contestant

    name, *knobs = text.split(",")
    is_live, is_revision = name == LIVE, name.startswith(REVISION)
    if not (is_live or is_revision):
        return contestant(text)
    if reader is None:
        raise InvalidField(
            f"policy {text!r}", "is in the service's database: give --database and --log-policy"
        )
    stored, config = reader.policy(traffic.policy)
    if is_revision:
        number = name.removeprefix(REVISION)
        if not number.isdecimal():
            raise InvalidField(f"policy {text!r}", f"{number!r} is not the number of a revision")
        found = reader.revision(stored, int(number))
        if found is None:
            raise InvalidField(f"policy {text!r}", f"{stored.name!r} has no such revision")
        config = found
    return _changed(text, config, knobs)


def _changed(text: str, config: Any, knobs: Sequence[str]) -> "Contestant":
    """With some knobs turned. Raises InvalidField."""
    import dataclasses

    import msgspec

    from bandit_service.cli.policy_yaml import assigned
    from bandit_service.evaluation.contestants import configured

    where = f"policy {text!r}"
    changes = []
    for knob in knobs:
        name, equals, value = knob.partition("=")
        if not equals:
            raise InvalidField(where, f"{knob!r} must be like dial=3 or floor=0.05")
        changes.append(f"{_SHORT.get(name.strip(), name.strip())}={value}")
    try:
        mapping = assigned(msgspec.to_builtins(config), changes)
        made = configured(msgspec.convert(mapping, type(config)))
    except msgspec.ValidationError as error:
        raise InvalidField(where, str(error)) from None
    return dataclasses.replace(made, label=text)
