"""Who takes part in a simulation: policies by name and settings, or as they are configured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec.structs import asdict, replace

import policies
from bandit_service import configuration
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
    Objective,
    PolicyConfig,
    TextFeatures,
)

DEFAULT = "default"
# Settings of a policy, not of its algorithm.
OWN_SETTINGS = ("floor", "half_life", "dimensions", "quality_per_usd")
_WORDS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True, slots=True)
class Contestant:
    """A policy before it is given a table. A `config` without arms takes all of the table's."""

    label: str
    description: str
    config: PolicyConfig


@dataclass(frozen=True, slots=True)
class Entry:
    """A policy as it runs on one table: its arms are the table's, its features have contexts."""

    label: str
    config: PolicyConfig
    contexts: Contexts


def named(text: str) -> Contestant:
    """A policy by name, with settings: "default", "linucb:width=0.2,floor=0,half_life=500".

    `default` is what a newcomer gets. Beside the algorithm's settings there are `floor`,
    `half_life` (of feedback, in queries), `dimensions` (of the embedding of prompts) and
    `quality_per_usd`. Raises InvalidField, which says what is known.

    >>> named("linucb:width=0.2").config.algorithm.settings
    {'width': 0.2}
    """
    name, colon, listed = text.partition(":")
    if name != DEFAULT and name not in policies.CATALOGUE:
        known = ", ".join((DEFAULT, *policies.CATALOGUE))
        raise InvalidField(f"policy {text!r}", f"there is no {name!r}; known: {known}, or a file")
    algorithm = Algorithm() if name == DEFAULT else Algorithm(name=name)
    config = PolicyConfig(
        name=name,
        arms=(),
        algorithm=algorithm,
        preference_learning=configuration.preference_learning_of(algorithm.name),
    )
    if colon:
        config = _with_settings(config, _settings(text, listed, algorithm.name), text)
    return Contestant(text, _described(config, newcomer=text == DEFAULT), config)


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
        made.append(Contestant(label, each.description, each.config))
    return tuple(made)


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
    dimensions = own.get("dimensions", TextFeatures().dimensions)
    if not float(dimensions).is_integer():
        raise InvalidField(f"policy {text!r}", f"dimensions must be whole, not {dimensions:g}")
    forgetting = Forgetting(own["half_life"], Clock.REQUESTS) if "half_life" in own else None
    return replace(
        config,
        algorithm=replace(config.algorithm, settings=settings),
        floor=own.get("floor", config.floor),
        forgetting=forgetting,
        features=Features(text=TextFeatures(int(dimensions))),
        objective=Objective(quality_per_usd=own.get("quality_per_usd", 0.0)),
    )


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
