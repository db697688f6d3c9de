"""Revisions as they are stored, so that programs of two versions can work on one journal.

While replicas are upgraded one by one, the older ones read what the newer ones write. So a field
of a configuration that came later is left out where it holds its default: then nothing in the
journal speaks of it, and the older program loses nothing. Where it is set, the older program finds
a field that it does not know, and knows by that alone that it may not decide (`Unread`).

Hence the rule: the default of a field that is added means "as before there was such a field", for
ever. Those that were there from the beginning are always written, so their defaults may change.
"""

from typing import Any

import msgspec

from bandit_service.model.checkpoints import Folded
from bandit_service.model.configuration import (
    Algorithm,
    Arm,
    ArmWarmStart,
    Config,
    Features,
    Forgetting,
    Objective,
    OverrideLimits,
    PolicyConfig,
    TextFeatures,
    VectorFeatures,
    WarmStart,
    WeightRange,
)
from bandit_service.model.events import Event, FeedbackEvent, RevisionEvent, Unread

# What the first program wrote. Nothing is ever added here: a field that is new is not in it.
_FROM_THE_BEGINNING: dict[type[Config], str] = {
    Arm: "name model parameters prompt_version input_usd_per_million_tokens "
    "output_usd_per_million_tokens context_limit_tokens modalities tags "
    "declared_joules_per_output_token state embedding",
    Algorithm: "name settings",
    TextFeatures: "dimensions",
    VectorFeatures: "dimension",
    Features: "text vector",
    Objective: "quality_per_usd quality_per_second quality_per_joule accuracy_energy_dial "
    "reference_joules",
    WeightRange: "min max",
    OverrideLimits: "quality_per_usd quality_per_second quality_per_joule accuracy_energy_dial",
    Forgetting: "half_life clock",
    ArmWarmStart: "weights level n_eff ridge",
    WarmStart: "arms n_eff spread projection",
    PolicyConfig: "name arms algorithm features objective mode default_arm forgetting floor "
    "sticky_sessions quality_sources preference_learning warm_start feedback_horizon "
    "when_unlogged override_limits",
}
_always = {kind: frozenset(names.split()) for kind, names in _FROM_THE_BEGINNING.items()}

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Event).decode


def event_body(event: Event) -> bytes:
    """What the journal holds of an event."""
    if isinstance(event, FeedbackEvent):
        return _encode(event)
    tag = {"type": event.__struct_config__.tag}
    return _encode(tag | _fields(event) | {"config": plain(event.config)})


def read_event(body: bytes) -> Event | Unread:
    """The event that was stored. Raises msgspec.MsgspecError for bytes that are none at all."""
    try:
        event: Event = _decode(body)
        return event
    except msgspec.ValidationError as wrong:
        whole = msgspec.msgpack.decode(body)
        if not (isinstance(whole, dict) and isinstance(whole.get("type"), str)):
            raise
        return Unread(str(wrong))


def folded_fields(folded: Folded) -> dict[str, Any]:
    """What a checkpoint's header holds of where a fold stands."""
    return _fields(folded) | {"config": plain(folded.config)}


def plain(value: Any) -> Any:
    """A configuration without the later fields that are at their defaults, ready to be encoded."""
    if isinstance(value, Config):
        always = _always.get(type(value), frozenset())
        return {
            field.encode_name: plain(held)
            for field in msgspec.structs.fields(value)
            if (held := getattr(value, field.name)) != _default(field) or field.name in always
        }
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return value


def _default(field: msgspec.structs.FieldInfo) -> Any:
    """NODEFAULT, which nothing equals, for a field that is required."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _fields(struct: RevisionEvent | Folded) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}
