"""What a preset says, and the policy that it makes of somebody's arms."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec

import policies
from bandit_service import configuration
from bandit_service.errors import InvalidField
from bandit_service.model import Arm, ArmState, PolicyConfig

# Whose they are is for the user to say.
NOT_A_PRESETS = ("name", "arms", "mode", "default_arm")


class When(StrEnum):
    """When a system chooses: before any model is called, or once one has answered."""

    BEFORE_THE_CALL = "before_the_call"
    AFTER_AN_ANSWER = "after_an_answer"


class Need(StrEnum):
    """What a method needs to know of every arm."""

    PRICES = "prices"
    ENERGY = "energy"
    EMBEDDINGS = "embeddings"


class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One system.

    gives          what a user gets, in a sentence
    decides        when; `signals` it looks at; `computes` how: the three dimensions of routers
    faithful       what is as published
    replaced       what stands in for another part, such as the encoder
    reconstructed  what no source could be read for
    needs          what every arm has to say of itself
    fewest_arms    that the method makes sense with
    policy         the fields of a policy's configuration, save its name, arms and mode
    """

    name: str
    title: str
    source: str
    gives: str
    decides: When
    signals: tuple[str, ...]
    computes: str
    policy: dict[str, Any]
    faithful: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    reconstructed: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    fewest_arms: int = 2

    def config(self, name: str, arms: Sequence[Arm] = ()) -> PolicyConfig:
        """The policy, its arms not checked yet. Raises InvalidField for a part that is unknown."""
        said = {"name": name, "arms": [], **self.policy}
        for key in NOT_A_PRESETS:
            if key in self.policy:
                raise InvalidField(f"preset {self.name}", f"policy.{key} is not a preset's to say")
        try:
            config = msgspec.convert(said, PolicyConfig)
        except msgspec.ValidationError as error:
            raise InvalidField(f"preset {self.name}", f"policy: {plain(error)}") from None
        if config.algorithm.name not in policies.CATALOGUE:
            known = ", ".join(policies.CATALOGUE)
            what = f"there is no algorithm {config.algorithm.name!r}; known: {known}"
            raise InvalidField(f"preset {self.name}", f"policy.algorithm.name: {what}")
        if "preference_learning" not in self.policy:
            learning = configuration.preference_learning_of(config.algorithm.name)
            config = msgspec.structs.replace(config, preference_learning=learning)
        return msgspec.structs.replace(config, arms=tuple(arms))

    def check(self, arms: Sequence[Arm]) -> None:
        """Raises InvalidField for arms that the method cannot work with."""
        there = sum(arm.state is not ArmState.REMOVED for arm in arms)
        if there < self.fewest_arms:
            raise InvalidField(
                "arms", f"preset {self.name} needs at least {self.fewest_arms}, not {there}"
            )
        for place, arm in enumerate(arms):
            for need in self.needs:
                for field in _FIELDS[need]:
                    if getattr(arm, field) in (None, ()):
                        raise InvalidField(
                            f"arms[{place}].{field}",
                            f"preset {self.name} needs it of every arm, and {arm.name!r} has none: "
                            f"{_REMEDIES[need]}",
                        )


_FIELDS = {
    Need.PRICES: ("input_usd_per_million_tokens", "output_usd_per_million_tokens"),
    Need.ENERGY: ("declared_joules_per_output_token",),
    Need.EMBEDDINGS: ("embedding",),
}
_REMEDIES = {
    Need.PRICES: "give it its list price",
    Need.ENERGY: "give it the joules that its model card or a meter tells",
    Need.EMBEDDINGS: "make embeddings with `bandit-service data embed-arms`",
}


def plain(error: msgspec.ValidationError) -> str:
    """msgspec's sentence, the place in front.

    >>> plain(msgspec.ValidationError("Expected `int`, got `str` - at `$.floor`"))
    'floor: expected int, got str'
    """
    what, _, path = str(error).replace("`", "").partition(" - at $")
    sentence = what[:1].lower() + what[1:]
    return f"{path.removeprefix('.')}: {sentence}" if path else sentence
