"""From a configuration to the algorithm that it names."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

import policies
from bandit_service import embeddings, priors
from bandit_service.configuration.shapes import Shape, ShapeOf
from bandit_service.errors import InvalidField, NotUnderstood
from bandit_service.model import (
    Arm,
    ArmState,
    Features,
    JournalEntry,
    PolicyConfig,
    PreferenceLearning,
    RevisionEvent,
    Unread,
)

ALIKE = 1e-9  # of log prices: by rounding alone nothing is dear


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
            prices=tuple(list_price(arm) for arm in config.arms),
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
    prices = [list_price(arm) for arm in arms]
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


def list_price(arm: Arm) -> float | None:
    """Of a million tokens in and a million out; None where either is not known."""
    prices = (arm.input_usd_per_million_tokens, arm.output_usd_per_million_tokens)
    return None if None in prices else math.fsum(price or 0.0 for price in prices)
