"""Who takes part in a simulation: policies by name and settings, or as they are configured."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec.structs import asdict, replace

import policies
from bandit_service import configuration, presets
from bandit_service.configuration import Shape
from bandit_service.errors import BadInput, BadTable, InvalidField
from bandit_service.evaluation.contexts import Contexts, contexts_of
from bandit_service.evaluation.table import OutcomeTable
from bandit_service.features import features_of
from bandit_service.model import (
    Algorithm,
    Arm,
    Clock,
    Features,
    Forgetting,
    Mode,
    PolicyConfig,
    TextFeatures,
)
from bandit_service.presets import Preset

DEFAULT = "default"
# Settings of a policy, not of its algorithm.
OWN_SETTINGS = ("floor", "half_life", "dimensions", "quality_per_usd")
_WORDS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True, slots=True)
class Contestant:
    """A policy before it is given a table. A `config` without arms takes all of the table's, if the
    `preset` it was made from can work with them."""

    label: str
    description: str
    config: PolicyConfig
    preset: Preset | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A policy as it runs on one table: its arms are the table's, its features have contexts."""

    label: str
    config: PolicyConfig
    contexts: Contexts


def named(text: str) -> Contestant:
    """A policy by name, with settings: "default", "linucb:width=0.2,floor=0,half_life=500".

    `default` is what a newcomer gets; other names are those of presets and of algorithms. Beside
    the algorithm's settings there are `floor`, `half_life` (of feedback, in queries), `dimensions`
    (of the embedding of prompts) and `quality_per_usd`. Raises InvalidField, which says what is
    known.

    >>> named("linucb:width=0.2").config.algorithm.settings
    {'width': 0.2}
    """
    name, colon, listed = text.partition(":")
    preset = presets.found(name) if name in presets.names() else None
    if preset is not None:
        config = preset.config(name)
    elif name == DEFAULT or name in policies.CATALOGUE:
        algorithm = Algorithm() if name == DEFAULT else Algorithm(name=name)
        learning = configuration.preference_learning_of(algorithm.name)
        config = PolicyConfig(name=name, arms=(), algorithm=algorithm, preference_learning=learning)
    else:
        known = ", ".join(dict.fromkeys((DEFAULT, *presets.names(), *policies.CATALOGUE)))
        raise InvalidField(f"policy {text!r}", f"there is no {name!r}; known: {known}, or a file")
    if colon:
        config = _with_settings(config, _settings(text, listed, config.algorithm.name), text)
    return Contestant(text, _described(config, newcomer=text == DEFAULT), config, preset)


def configured(config: PolicyConfig) -> Contestant:
    """A policy as its operator wrote it."""
    return Contestant(config.name, _described(config), config)


def told_apart(contestants: Iterable[Contestant]) -> tuple[Contestant, ...]:
    """The same, no label twice: the second `linucb` is `linucb (2)`."""
    taken: set[str] = set()
    made = []
    for each in contestants:
        label, count = each.label, 1
        while label in taken:
            count += 1
            label = f"{each.label} ({count})"
        taken.add(label)
        made.append(dataclasses.replace(each, label=label))
    return tuple(made)


def with_arms(contestants: Iterable[Contestant], arms: tuple[Arm, ...]) -> tuple[Contestant, ...]:
    """The same; who names no arms of its own gets these. Embeddings go to who takes them."""
    plain = tuple(replace(arm, embedding=()) for arm in arms)
    return tuple(
        each
        if each.config.arms
        else dataclasses.replace(
            each,
            config=replace(
                each.config,
                arms=arms if policies.takes_embeddings(each.config.algorithm.name) else plain,
            ),
        )
        for each in contestants
    )


def entered(contestants: Iterable[Contestant], table: OutcomeTable) -> tuple[Entry, ...]:
    """Each of them on this table. Raises InvalidField, which names the policy, where one cannot."""
    kept: dict[Features, Contexts] = {}
    entries = []
    for each in contestants:
        features = each.config.features
        try:
            if features not in kept:
                kept[features] = contexts_of(table, features)
        except BadInput as error:
            raise InvalidField(f"policy {each.label!r}", str(error)) from error
        entries.append(entry(each, table, kept[features]))
    return tuple(entries)


def entry(contestant: Contestant, table: OutcomeTable, contexts: Contexts) -> Entry:
    """One of them, with these contexts. Raises InvalidField or, for an empty table, BadTable."""
    if not table.offered.any():
        raise BadTable(table.name, "there is no query with a known quality")
    config = contestant.config
    try:
        arms = _arms(config.arms, table.arms)
        if contestant.preset is not None:
            contestant.preset.check(arms)
        config = replace(config, arms=arms, features=contexts.features)
        config = configuration.check(config, shape_of)
        _check_offers(config, table)
    except BadInput as error:
        raise InvalidField(f"policy {contestant.label!r}", str(error)) from error
    return Entry(contestant.label, config, contexts)


def shape_of(features: Features) -> Shape:
    feature_map = features_of(features)
    return Shape(feature_map.version, feature_map.dim)


def columns_of(config: PolicyConfig, table: OutcomeTable) -> list[int]:
    """The table's column of each slot, (K,)."""
    places = {name: column for column, name in enumerate(table.arm_names)}
    return [places[arm.name] for arm in config.arms]


def _settings(text: str, listed: str, algorithm: str) -> dict[str, float]:
    known = (*policies.known_settings(algorithm), *OWN_SETTINGS)
    settings: dict[str, float] = {}
    for item in listed.split(","):
        key, _, number = (part.strip() for part in item.partition("="))
        if key not in known:
            raise InvalidField(
                f"policy {text!r}", f"there is no setting {key!r}; known: {', '.join(known)}"
            )
        if key in settings:
            raise InvalidField(f"policy {text!r}", f"{key} is there twice")
        try:
            settings[key] = _WORDS[number] if number in _WORDS else float(number)
        except ValueError:
            raise InvalidField(
                f"policy {text!r}", f"{key} must be a number, not {number!r}"
            ) from None
    return settings


def _with_settings(config: PolicyConfig, settings: dict[str, float], text: str) -> PolicyConfig:
    own = {key: settings.pop(key) for key in OWN_SETTINGS if key in settings}
    changes: dict[str, Any] = {}
    if "dimensions" in own:
        dimensions = own["dimensions"]
        if not float(dimensions).is_integer():
            raise InvalidField(f"policy {text!r}", f"dimensions must be whole, not {dimensions:g}")
        changes["features"] = Features(text=TextFeatures(int(dimensions)))
    if "half_life" in own:
        changes["forgetting"] = Forgetting(own["half_life"], Clock.REQUESTS)
    if "quality_per_usd" in own:
        worth = own["quality_per_usd"]
        changes["objective"] = replace(config.objective, quality_per_usd=worth)
    if "floor" in own:
        changes["floor"] = own["floor"]
    merged = config.algorithm.settings | settings
    return replace(config, algorithm=replace(config.algorithm, settings=merged), **changes)


def _described(config: PolicyConfig, newcomer: bool = False) -> str:
    """In words: the algorithm, and whatever is not as in a new policy."""
    algorithm, plain = config.algorithm, PolicyConfig(name="", arms=())
    parts = [f"{key} {value:g}" for key, value in algorithm.settings.items()]
    parts.append(f"floor {config.floor:g}")
    if config.forgetting is not None:
        unit = "queries" if config.forgetting.clock is Clock.REQUESTS else "seconds"
        parts.append(f"half-life {config.forgetting.half_life:g} {unit}")
    if config.features.text is not None and config.features != plain.features:
        parts.append(f"embedding of {config.features.text.dimensions} dimensions")
    worths = asdict(config.objective).items()
    parts += [f"{field} {worth:g}" for field, worth in worths if worth]
    if config.mode is not plain.mode:
        parts.append(f"{config.mode.value}s, serving {config.default_arm}")
    words = f"{algorithm.name}, {', '.join(parts)}"
    return f"what a new policy gets: {words}" if newcomer else words


def _arms(chosen: Sequence[Arm], known: Sequence[Arm]) -> tuple[Arm, ...]:
    """The arms that a policy names, else all; with the table's prices where it gives none."""
    by_name = {arm.name: arm for arm in known}
    made = []
    for arm in chosen or known:
        if arm.name not in by_name:
            raise InvalidField("arms", f"there is no {arm.name!r}; known: {', '.join(by_name)}")
        prices = {
            price: getattr(by_name[arm.name], price)
            for price in (
                "input_usd_per_million_tokens",
                "output_usd_per_million_tokens",
                "declared_joules_per_output_token",
            )
            if getattr(arm, price) is None
        }
        made.append(replace(arm, **prices))
    return tuple(made)


def _check_offers(config: PolicyConfig, table: OutcomeTable) -> None:
    """Every query that anybody can serve needs an arm of this policy whose outcome is known."""
    offered, columns = table.offered, columns_of(config, table)
    if config.mode is Mode.OBSERVE:
        columns = [table.arm_names.index(config.default_arm)]
    lost = np.flatnonzero(offered.any(axis=1) & ~offered[:, columns].any(axis=1))
    if len(lost):
        raise InvalidField(
            "arms",
            f"no outcome of them is known for {len(lost):,} queries, such as "
            f"{table.query_ids[lost[0]]!r}",
        )
