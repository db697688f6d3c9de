"""Challengers as they are configured: what they may be, and what they would be as incumbents. Pure.

A challenger is another way for the same policy to decide: an algorithm with its own settings,
objective and floor, over the same arms, features and feedback. It decides on every query, and acts
on its share of them.
"""

import re

import msgspec

from bandit_service.errors import ChallengerNotFound, InvalidField
from bandit_service.model import Challenger, PolicyConfig

MOST_CHALLENGERS = 3
# Of all together. The incumbent's chances are at least half of what is drawn from, so its own
# weights in estimates never pass 2; a challenger that should have more is promoted.
MOST_SHARE = 0.5

# No dot: in checkpoints the name stands before one.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")

replace = msgspec.structs.replace


def shares(config: PolicyConfig) -> float:
    """The part of the traffic that is the challengers', together."""
    return sum(one.share for one in config.challengers)


def as_incumbent(config: PolicyConfig, challenger: Challenger) -> PolicyConfig:
    """The policy as it would be with this challenger in the incumbent's place, and no other."""
    return replace(
        config,
        algorithm=challenger.algorithm,
        objective=config.objective if challenger.objective is None else challenger.objective,
        floor=config.floor if challenger.floor is None else challenger.floor,
        challengers=(),
    )


def promoted(config: PolicyConfig, name: str) -> PolicyConfig:
    """The policy with this challenger in the incumbent's place; the others stay."""
    chosen = found(config, name)
    others = tuple(one for one in config.challengers if one.name != name)
    return replace(as_incumbent(config, chosen), challengers=others)


def with_share(config: PolicyConfig, name: str, share: float) -> PolicyConfig:
    chosen = found(config, name)
    return replace(
        config,
        challengers=tuple(
            replace(one, share=share) if one is chosen else one for one in config.challengers
        ),
    )


def found(config: PolicyConfig, name: str) -> Challenger:
    """Raises ChallengerNotFound."""
    for one in config.challengers:
        if one.name == name:
            return one
    raise ChallengerNotFound(config.name, name)


def check(config: PolicyConfig) -> None:
    """Raises InvalidField for what can be told without building anything."""
    if len(config.challengers) > MOST_CHALLENGERS:
        raise InvalidField(
            "challengers", f"at most {MOST_CHALLENGERS}, not {len(config.challengers)}"
        )
    names = [one.name for one in config.challengers]
    for place, one in enumerate(config.challengers):
        where = f"challengers[{place}]"
        if not _NAME.fullmatch(one.name):
            raise InvalidField(
                f"{where}.name",
                f"{one.name!r} must be a letter, then up to 62 letters, digits, '_', '-'",
            )
        if one.name in names[:place]:
            raise InvalidField(f"{where}.name", f"{one.name!r} is there twice")
        _check_part(f"{where}.share", one.share)
        _check_part(f"{where}.margin", one.margin)
        if one.floor is not None:
            _check_part(f"{where}.floor", one.floor)
    if shares(config) > MOST_SHARE:
        raise InvalidField(
            "challengers",
            f"may have at most {MOST_SHARE:g} of the traffic together, not {shares(config):g}; one "
            "that should have more is promoted",
        )


def _check_part(field: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise InvalidField(field, f"must be in [0, 1], not {value:g}")
