"""Arguments to messages, and messages to records. Pure, and shared by both clients."""

import sys
from array import array
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

from google.protobuf.duration_pb2 import Duration

from bandit_service.client.arguments import FeedbackOptions, RouteOptions, SendOptions
from bandit_service.client.records import Choice, FeedbackResult, OtherCall, Usage
from bandit_service.rpc.pb import routing_pb2 as pb

NO_DECISION = "the choice was a fallback: there is no decision to learn from"


def route_request(
    text: str | None, vector: Iterable[float] | None, policy: str | None, options: RouteOptions
) -> pb.RouteRequest:
    """Raises ValueError without a policy, or unless exactly one of text and vector is given."""
    name = options.get("policy") or policy
    if not name:
        raise ValueError("policy: name one, here or in the client")
    if (text is None) == (vector is None):
        raise ValueError("give either text or vector")
    return pb.RouteRequest(
        policy=name,
        request_id=options.get("request_id") or str(uuid4()),
        text=text,
        packed_vector=None if vector is None else packed(vector),
        input_tokens=options.get("input_tokens"),
        output_tokens=options.get("output_tokens"),
        required_tags=_names("required_tags", options.get("required_tags")),
        required_modalities=[
            _number(pb.Modality, "MODALITY", word)
            for word in _names("required_modalities", options.get("required_modalities"))
        ],
        allowed_arms=_names("allowed_arms", options.get("allowed_arms")),
        session=options.get("session"),
        subject=options.get("subject"),
        duel=options.get("duel", False),
        min_position=options.get("min_position", 0),
        objective=_objective(options),
        labels=_names("labels", options.get("labels")),
    )


def _objective(options: RouteOptions) -> pb.ObjectiveOverride | None:
    asked = pb.ObjectiveOverride(
        quality_per_usd=options.get("quality_per_usd"),
        quality_per_second=options.get("quality_per_second"),
        quality_per_joule=options.get("quality_per_joule"),
        accuracy_energy_dial=options.get("accuracy_energy_dial"),
    )
    return asked if asked.ListFields() else None


def packed(vector: Iterable[float]) -> bytes:
    """Little-endian float64, as the wire wants it."""
    numbers = array("d", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def choice_of(response: pb.RouteResponse) -> Choice:
    return Choice(
        decision_id=response.decision_id,
        arm=response.arm,
        second_arm=response.second_arm,
        propensity=response.propensity,
        policy_revision=response.policy_revision,
        position=response.position,
        degraded=response.degraded,
        forced=response.forced,
        sticky=response.sticky,
        observed=response.observed,
        token=response.token,
    )


def feedback_request(
    decision: Choice | str, options: FeedbackOptions, preference: pb.Preference | None = None
) -> pb.FeedbackRequest | None:
    """None for a fallback, which has no decision. Raises ValueError for an unknown word."""
    if not (decision_id := id_of(decision)):
        return None
    failure = options.get("failure")
    return pb.FeedbackRequest(
        decision_id=decision_id,
        feedback_id=options.get("feedback_id") or str(uuid4()),
        source=_number(pb.FeedbackSource, "FEEDBACK_SOURCE", options.get("source") or "user"),
        success=cast(bool, options.get("success")),  # None leaves it out
        score=options.get("score"),
        preference=preference,
        failure=_number(pb.Failure, "FAILURE", failure) if failure else None,
        usage=_usage_message(options),
        arm=options.get("arm"),
        token=token_of(decision),
    )


def comparison(
    choice: Choice, compared: pb.Preference | None, options: SendOptions
) -> pb.FeedbackRequest | None:
    """None if either of the two was a fallback."""
    if compared is None:
        return None
    return feedback_request(choice, cast(FeedbackOptions, options), compared)


def preference(choice: Choice, arm: str | None, over: Choice | str | None) -> pb.Preference | None:
    """Within a duel, or over another decision; None if that one was a fallback."""
    if (arm is None) == (over is None):
        raise ValueError("prefer: give either the better arm of a duel, or the choice it beats")
    if arm is not None:
        return pb.Preference(preferred_arm=arm)
    other = id_of(over)
    if not other:
        return None
    return pb.Preference(
        other_decision_id=other,
        preferred_decision_id=choice.decision_id,
        other_token=token_of(over),
    )


def tie_between(other: Choice | str | None) -> pb.Preference | None:
    """Between the arms of a duel, or with another decision; None if that was a fallback."""
    if other is None:
        return pb.Preference(tie=True)
    found = id_of(other)
    if not found:
        return None
    return pb.Preference(other_decision_id=found, tie=True, other_token=token_of(other))


def id_of(decision: Choice | str | None) -> str:
    """The decision's id; empty for a fallback. Raises ValueError for an empty string."""
    if isinstance(decision, Choice):
        return decision.decision_id
    if not decision:
        raise ValueError("decision: a decision id or a Choice is needed")
    return decision


def token_of(decision: Choice | str | None) -> bytes | None:
    """None where only the id is known: then feedback goes without."""
    return decision.token if isinstance(decision, Choice) else None


def result_of(response: pb.FeedbackResponse) -> FeedbackResult:
    known = pb.Effect.DESCRIPTOR.values_by_number.get(response.effect)
    return FeedbackResult(
        feedback_id=response.feedback_id,
        position=response.position,
        duplicate=response.duplicate,
        # A newer service may know an effect that this client does not.
        effect=known.name.removeprefix("EFFECT_").lower() if known else str(response.effect),
    )


def _usage_message(options: FeedbackOptions) -> pb.Usage | None:
    whole = options.get("usage") or Usage()
    given: dict[str, Any] = {}
    for name in Usage.__dataclass_fields__:
        alone = options.get(name)
        value = getattr(whole, name) if alone is None else alone
        if value is not None:
            given[name] = value
    others = list(options.get("other_calls") or ())
    if not given and not others:
        return None
    source = given.get("energy_source")
    return pb.Usage(
        cost_usd=given.get("cost_usd"),
        input_tokens=given.get("input_tokens"),
        output_tokens=given.get("output_tokens"),
        latency=_duration(given.get("latency_seconds")),
        time_to_first_token=_duration(given.get("time_to_first_token_seconds")),
        energy_joules=given.get("energy_joules"),
        energy_source=_number(pb.EnergySource, "ENERGY_SOURCE", source) if source else None,
        other_calls=map(_other_call, others),
    )


def _other_call(one: OtherCall) -> pb.OtherCall:
    source = one.energy_source
    return pb.OtherCall(
        kind=_number(pb.OtherCallKind, "OTHER_CALL_KIND", one.kind),
        id=one.id,
        cost_usd=one.cost_usd,
        energy_joules=one.energy_joules,
        energy_source=_number(pb.EnergySource, "ENERGY_SOURCE", source) if source else None,
    )


def _duration(seconds: float | None) -> Duration | None:
    if seconds is None:
        return None
    made = Duration()
    made.FromTimedelta(timedelta(seconds=seconds))
    return made


def _names(argument: str, given: Iterable[str] | None) -> list[str]:
    # A lone string is an iterable too: of its letters.
    if isinstance(given, str):
        raise TypeError(f"{argument}: a list of names is needed, not {given!r}")
    return list(given or ())


def _number(enum: Any, prefix: str, word: str) -> Any:
    try:
        return enum.Value(f"{prefix}_{word.upper()}")
    except ValueError:
        known = [name.removeprefix(f"{prefix}_").lower() for name in enum.keys()[1:]]
        raise ValueError(f"{word!r} is none of {', '.join(known)}") from None
