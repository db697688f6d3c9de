"""What an operator says, read and checked for form: policies, arms, and masks of what to change.

Form is names, numbers that are finite, and values that exist. What makes sense as a
whole is checked where configurations are, whatever they were written in.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct, Value

from bandit_service.errors import InvalidField
from bandit_service.model import (
    Arm,
    Clock,
    Features,
    Forgetting,
    Mode,
    PolicyConfig,
    PreferenceLearning,
    TextFeatures,
    VectorFeatures,
    WhenUnlogged,
)
from bandit_service.rpc import (
    convert_budget,
    convert_challengers,
    convert_objective,
    form,
    warm_start,
)
from bandit_service.rpc.convert import MODALITIES, position
from bandit_service.rpc.convert_feedback import SOURCES
from bandit_service.rpc.pb import policy_pb2 as pb

MODES = form.Vocabulary(pb.Mode, Mode)
CLOCKS = form.Vocabulary(pb.ForgettingClock, Clock)
PREFERENCE_LEARNING = form.Vocabulary(pb.PreferenceLearning, PreferenceLearning)
WHEN_UNLOGGED = form.Vocabulary(pb.WhenUnlogged, WhenUnlogged)

DEFAULT_PAGE = 100
LARGEST_PAGE = 1000
LONGEST_TOKEN = 1024

_POLICY_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,62}")

# Who says nothing of a field gets what these have.
_DEFAULT = PolicyConfig(name="", arms=())
_DEFAULT_ARM = Arm(name="")

LONGEST_AUTHOR = 128
MOST_PREVIEWED = 2_000

Update = tuple[str, dict[str, Any], str, str]
ArmUpdate = tuple[str, str, dict[str, Any], str, str]
Change = (
    pb.CreatePolicyRequest
    | pb.UpdatePolicyRequest
    | pb.AddArmRequest
    | pb.UpdateArmRequest
    | pb.RetireArmRequest
    | pb.RemoveArmRequest
    | pb.PromoteChallengerRequest
)
Message = TypeVar("Message", pb.Policy, pb.Arm)


def config(request: pb.CreatePolicyRequest) -> PolicyConfig:
    said = request.policy
    name = form.required("name", said.name, form.LONGEST_POLICY_NAME)
    if not _POLICY_NAME.fullmatch(name):
        raise InvalidField(
            "name", f"{name!r} may have letters, digits, '.', '_', '-', a letter first"
        )
    arms = tuple(_arm(arm, f"arms[{i}].") for i, arm in enumerate(said.arms))
    fields = {field: read(said) for field, read in _POLICY_FIELDS.items()}
    return PolicyConfig(name=name, arms=arms, **fields)


def policy_update(request: pb.UpdatePolicyRequest) -> Update:
    changes = _changes(request.policy, request.update_mask, _POLICY_FIELDS)
    name = policy_name("policy.name", request.policy.name)
    return name, changes, _etag(request.policy.etag), author(request)


def preview(request: pb.PreviewPolicyRequest) -> tuple[str, dict[str, Any], str, int]:
    changes = _changes(request.policy, request.update_mask, _POLICY_FIELDS)
    name = policy_name("policy.name", request.policy.name)
    decisions = form.whole("decisions", request.decisions, MOST_PREVIEWED) or MOST_PREVIEWED
    return name, changes, _etag(request.policy.etag), decisions


def history(request: pb.GetPolicyHistoryRequest) -> tuple[str, int, int]:
    name = policy_name("name", request.name)
    limit = form.whole("limit", request.limit, LARGEST_PAGE) or DEFAULT_PAGE
    return name, limit, position("before_position", request.before_position)


def deletion(request: pb.DeletePolicyRequest) -> tuple[str, str]:
    return policy_name("name", request.name), _etag(request.etag)


def arm_addition(request: pb.AddArmRequest) -> tuple[str, Arm, str, str]:
    policy = policy_name("policy", request.policy)
    return policy, _arm(request.arm, "arm."), _etag(request.etag), author(request)


def arm_update(request: pb.UpdateArmRequest) -> ArmUpdate:
    readers = {field: _within("arm.", read) for field, read in _ARM_FIELDS.items()}
    changes = _changes(request.arm, request.update_mask, readers)
    arm = form.required("arm.name", request.arm.name, form.LONGEST_NAME)
    policy = policy_name("policy", request.policy)
    return policy, arm, changes, _etag(request.etag), author(request)


def arm_reference(request: pb.RetireArmRequest | pb.RemoveArmRequest) -> tuple[str, str, str, str]:
    policy = policy_name("policy", request.policy)
    arm = form.required("arm", request.arm, form.LONGEST_NAME)
    return policy, arm, _etag(request.etag), author(request)


def promotion(request: pb.PromoteChallengerRequest) -> tuple[str, str, bool, str, str]:
    policy = policy_name("policy", request.policy)
    challenger = form.required("challenger", request.challenger, form.LONGEST_NAME)
    return policy, challenger, request.force, _etag(request.etag), author(request)


def page(request: pb.ListPoliciesRequest) -> tuple[int, str]:
    if not 0 <= request.page_size <= LARGEST_PAGE:
        raise InvalidField(
            "page_size", f"must be from 1 to {LARGEST_PAGE}, not {request.page_size}"
        )
    token = form.text("page_token", request.page_token, LONGEST_TOKEN)
    return request.page_size or DEFAULT_PAGE, token


def policy_name(field: str, name: str) -> str:
    """The name of a policy that should be there."""
    return form.required(field, name, form.LONGEST_POLICY_NAME)


def author(request: Change) -> str:
    """Who makes a change; empty where nobody says."""
    return form.text("author", request.author, LONGEST_AUTHOR)


def _etag(etag: str) -> str:
    return form.text("etag", etag, form.LONGEST_NAME)


def _changes(
    message: Message, mask: FieldMask, readers: Mapping[str, Callable[[Message], Any]]
) -> dict[str, Any]:
    """The new values of the fields in the mask; a field in it that is not set gets its default."""
    if not mask.paths:
        raise InvalidField("update_mask", f"name the fields to change: {', '.join(readers)}")
    for path in mask.paths:
        if path not in readers:
            raise InvalidField(
                "update_mask", f"{path!r} cannot be changed; one of {', '.join(readers)} can"
            )
    return {path: readers[path](message) for path in mask.paths}


def _within(where: str, read: Callable[[pb.Arm, str], Any]) -> Callable[[pb.Arm], Any]:
    return lambda arm: read(arm, where)


def _features(policy: pb.Policy) -> Features:
    if not policy.HasField("features"):
        return _DEFAULT.features
    kind = policy.features.WhichOneof("kind")
    if kind == "vector":
        return Features(vector=VectorFeatures(dimension=policy.features.vector.dimension))
    if kind != "text":
        raise InvalidField("features.kind", "one of text and vector is required")
    text = policy.features.text
    return Features(
        text=TextFeatures(
            dimensions=text.dimensions
            if text.HasField("dimensions")
            else TextFeatures().dimensions,
            readability=text.readability,
            labels=form.texts("features.text.labels", text.labels),
        )
    )


def _forgetting(policy: pb.Policy) -> Forgetting | None:
    if not policy.HasField("forgetting"):
        return _DEFAULT.forgetting
    said = policy.forgetting
    clock = CLOCKS.read("forgetting.clock", said.clock) if said.clock else Clock.TIME
    if clock is Clock.TIME:
        ours, other = "half_life", "half_life_requests"
        half_life = form.seconds("forgetting.half_life", said.half_life)
        is_other_set = said.half_life_requests != 0.0
    else:
        ours, other = "half_life_requests", "half_life"
        half_life = form.number("forgetting.half_life_requests", said.half_life_requests)
        is_other_set = said.HasField("half_life")
    if half_life <= 0.0:
        raise InvalidField(f"forgetting.{ours}", f"must be above 0 with the clock of {clock}")
    if is_other_set:
        raise InvalidField(f"forgetting.{other}", f"does not go with the clock of {clock}")
    return Forgetting(half_life=half_life, clock=clock)


_POLICY_FIELDS: Mapping[str, Callable[[pb.Policy], Any]] = {
    "algorithm": lambda said: convert_challengers.algorithm("", said.algorithm),
    "features": _features,
    "objective": convert_objective.objective,
    "override_limits": convert_objective.limits,
    "mode": lambda said: MODES.read("mode", said.mode) if said.mode else _DEFAULT.mode,
    "default_arm": lambda said: form.text("default_arm", said.default_arm, form.LONGEST_NAME),
    "forgetting": _forgetting,
    "floor": lambda said: (
        form.number("floor", said.floor) if said.HasField("floor") else _DEFAULT.floor
    ),
    "sticky_sessions": lambda said: (
        said.sticky_sessions if said.HasField("sticky_sessions") else _DEFAULT.sticky_sessions
    ),
    "quality_sources": lambda said: (
        SOURCES.read_all("quality_sources", said.quality_sources) or _DEFAULT.quality_sources
    ),
    "preference_learning": lambda said: (
        PREFERENCE_LEARNING.read("preference_learning", said.preference_learning)
        if said.preference_learning
        else _DEFAULT.preference_learning
    ),
    "warm_start": warm_start.read,
    "budgets": convert_budget.budgets,
    "challengers": convert_challengers.read,
    "feedback_horizon": lambda said: (
        form.seconds("feedback_horizon", said.feedback_horizon)
        if said.HasField("feedback_horizon")
        else _DEFAULT.feedback_horizon
    ),
    "when_unlogged": lambda said: (
        WHEN_UNLOGGED.read("when_unlogged", said.when_unlogged)
        if said.when_unlogged
        else _DEFAULT.when_unlogged
    ),
}


def _arm(said: pb.Arm, where: str) -> Arm:
    name = form.required(f"{where}name", said.name, form.LONGEST_NAME)
    if not name.isprintable() or name != name.strip():
        raise InvalidField(
            f"{where}name", f"{name!r} must be printable, with no blank at either end"
        )
    return Arm(name=name, **{field: read(said, where) for field, read in _ARM_FIELDS.items()})


def _finite(field: str) -> Callable[[pb.Arm, str], float | None]:
    def read(said: pb.Arm, where: str) -> float | None:
        if not said.HasField(field):
            return None
        return form.number(where + field, getattr(said, field))

    return read


_ARM_FIELDS: Mapping[str, Callable[[pb.Arm, str], Any]] = {
    "model": lambda said, where: form.text(f"{where}model", said.model),
    "parameters": lambda said, where: _dict(said.parameters, f"{where}parameters", _DEEPEST),
    "prompt_version": lambda said, where: form.text(f"{where}prompt_version", said.prompt_version),
    "model_version": lambda said, where: form.text(
        f"{where}model_version", said.model_version, form.LONGEST_NAME
    ),
    "input_usd_per_million_tokens": _finite("input_usd_per_million_tokens"),
    "output_usd_per_million_tokens": _finite("output_usd_per_million_tokens"),
    "context_limit_tokens": lambda said, _: (
        said.context_limit_tokens if said.HasField("context_limit_tokens") else None
    ),
    "modalities": lambda said, where: (
        MODALITIES.read_all(f"{where}modalities", said.modalities) or _DEFAULT_ARM.modalities
    ),
    "tags": lambda said, where: form.texts(f"{where}tags", said.tags),
    "declared_joules_per_output_token": _finite("declared_joules_per_output_token"),
    "embedding": lambda said, where: tuple(
        form.number(f"{where}embedding[{i}]", value) for i, value in enumerate(said.embedding)
    ),
}


# Levels of parameters. protobuf reads 100 levels of messages, and an answer holds a policy's
# arms deeper than the request that brought them.
_DEEPEST = 20
_LONGEST_PLACE = 100  # characters of a field's name that are repeated to the caller


def _dict(struct: Struct, where: str, depth: int) -> dict[str, Any]:
    return {
        form.text(where, name): _value(value, f"{where}.{name}", depth - 1)
        for name, value in struct.fields.items()
    }


def _value(value: Value, where: str, depth: int) -> Any:
    """`depth` is how many levels may follow."""
    if depth < 0:
        raise InvalidField(where[:_LONGEST_PLACE], "nests too deeply")
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _dict(value.struct_value, where, depth)
    if kind == "list_value":
        items = enumerate(value.list_value.values)
        return [_value(item, f"{where}[{i}]", depth - 1) for i, item in items]
    if kind == "string_value":
        return form.text(where, value.string_value)
    if kind == "bool_value":
        return value.bool_value
    if kind == "number_value":
        number = form.number(where, value.number_value)
        # JSON has one kind of number; models want a limit of 100 tokens, not of 100.0.
        return int(number) if number.is_integer() and abs(number) <= 2**53 else number
    if kind is None:
        raise InvalidField(where, "has no value; null is one")
    return None
