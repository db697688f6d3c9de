"""What a caller says of a decision, read and checked for form.

As `convert` does it for queries. Whether it fits the decision that it names is for the use cases to
say.
"""

from collections.abc import Sequence
from secrets import token_hex

from bandit_service.errors import InvalidField
from bandit_service.model import (
    EnergySource,
    Failure,
    OtherCall,
    OtherKind,
    Preference,
    Source,
    Submission,
    Usage,
)
from bandit_service.planning import MOST_OTHER_CALLS
from bandit_service.rpc import form
from bandit_service.rpc.convert import LONGEST_ID, tokens
from bandit_service.rpc.pb import routing_pb2 as pb

MOST_USD = 1e9
MOST_JOULES = 1e15

SOURCES = form.Vocabulary(pb.FeedbackSource, Source)
FAILURES = form.Vocabulary(pb.Failure, Failure)
ENERGY_SOURCES = form.Vocabulary(pb.EnergySource, EnergySource)
OTHER_KINDS = form.Vocabulary(pb.OtherCallKind, OtherKind)


def submission(request: pb.FeedbackRequest) -> Submission:
    read = Submission(
        decision_id=form.required("decision_id", request.decision_id, LONGEST_ID),
        feedback_id=form.text("feedback_id", request.feedback_id, LONGEST_ID) or token_hex(16),
        source=SOURCES.read("source", request.source) if request.source else Source.USER,
        success=request.success if request.HasField("success") else None,
        score=form.number("score", request.score, 0, 1) if request.HasField("score") else None,
        preference=_preference(request) if request.HasField("preference") else None,
        failure=FAILURES.read("failure", request.failure) if request.failure else None,
        usage=_usage(request.usage) if request.HasField("usage") else None,
        arm=form.text("arm", request.arm, form.LONGEST_NAME),
        token=request.token,
        other_token=request.preference.other_token if request.HasField("preference") else b"",
    )
    told = (read.success, read.score, read.preference, read.failure, read.usage)
    if all(value is None for value in told):
        raise InvalidField("success, score, preference, failure, usage", "at least one is required")
    return read


def _preference(request: pb.FeedbackRequest) -> Preference:
    said = request.preference
    read = Preference(
        preferred_arm=form.text("preference.preferred_arm", said.preferred_arm, form.LONGEST_NAME),
        other_decision_id=form.text(
            "preference.other_decision_id", said.other_decision_id, LONGEST_ID
        ),
        preferred_decision_id=form.text(
            "preference.preferred_decision_id", said.preferred_decision_id, LONGEST_ID
        ),
        tie=said.tie,
    )
    if read.tie and (read.preferred_arm or read.preferred_decision_id):
        raise InvalidField("preference.tie", "a tie names no preferred one")
    if said.other_token and not read.other_decision_id:
        raise InvalidField("preference.other_token", "goes with other_decision_id")
    if read.other_decision_id:
        _check_between_decisions(request.decision_id, read)
    elif read.preferred_decision_id:
        raise InvalidField("preference.other_decision_id", "required with preferred_decision_id")
    elif not (read.tie or read.preferred_arm):
        raise InvalidField("preference", "needs preferred_arm, other_decision_id or tie")
    return read


def _check_between_decisions(this: str, preference: Preference) -> None:
    if preference.other_decision_id == this:
        raise InvalidField("preference.other_decision_id", "is this decision itself")
    if preference.preferred_arm:
        raise InvalidField(
            "preference.preferred_arm", "is for duels; name the better decision instead"
        )
    if preference.tie:
        return
    if preference.preferred_decision_id not in (this, preference.other_decision_id):
        raise InvalidField(
            "preference.preferred_decision_id", "must be decision_id or other_decision_id"
        )


def _usage(said: pb.Usage) -> Usage:
    latency, first_token = said.latency, said.time_to_first_token
    read = Usage(
        cost_usd=_amount(said, "cost_usd", MOST_USD),
        input_tokens=tokens("usage.input_tokens", said.input_tokens)
        if said.HasField("input_tokens")
        else None,
        output_tokens=tokens("usage.output_tokens", said.output_tokens)
        if said.HasField("output_tokens")
        else None,
        latency_seconds=form.seconds("usage.latency", latency)
        if said.HasField("latency")
        else None,
        time_to_first_token_seconds=form.seconds("usage.time_to_first_token", first_token)
        if said.HasField("time_to_first_token")
        else None,
        energy_joules=_amount(said, "energy_joules", MOST_JOULES),
        energy_source=ENERGY_SOURCES.read("usage.energy_source", said.energy_source)
        if said.energy_source
        else None,
        other_calls=_other_calls(said.other_calls) if said.other_calls else (),
    )
    if (read.energy_joules is None) != (read.energy_source is None):
        raise InvalidField("usage.energy_source", "goes with energy_joules: give both or neither")
    if read == Usage():
        raise InvalidField("usage", "is empty; leave out what is not known")
    return read


def _other_calls(given: Sequence[pb.OtherCall]) -> tuple[OtherCall, ...]:
    if len(given) > MOST_OTHER_CALLS:
        raise InvalidField("usage.other_calls", f"at most {MOST_OTHER_CALLS}, not {len(given)}")
    read = tuple(_other_call(said, f"usage.other_calls[{i}]") for i, said in enumerate(given))
    named = [(one.kind, one.id) for one in read if one.id]
    if len(set(named)) < len(named):
        raise InvalidField("usage.other_calls", "two of a kind have the same id")
    return read


def _other_call(said: pb.OtherCall, where: str) -> OtherCall:
    read = OtherCall(
        kind=OTHER_KINDS.read(f"{where}.kind", said.kind),
        id=form.text(f"{where}.id", said.id, LONGEST_ID),
        cost_usd=_amount(said, "cost_usd", MOST_USD, where),
        energy_joules=_amount(said, "energy_joules", MOST_JOULES, where),
        energy_source=ENERGY_SOURCES.read(f"{where}.energy_source", said.energy_source)
        if said.energy_source
        else None,
    )
    if (read.energy_joules is None) != (read.energy_source is None):
        raise InvalidField(
            f"{where}.energy_source", "goes with energy_joules: give both or neither"
        )
    if read.cost_usd is None and read.energy_joules is None:
        raise InvalidField(where, "cost_usd or energy_joules is required: unknown is not zero")
    return read


def _amount(
    said: pb.Usage | pb.OtherCall, name: str, most: float, where: str = "usage"
) -> float | None:
    if not said.HasField(name):
        return None
    return form.number(f"{where}.{name}", getattr(said, name), 0, most)
