"""What a caller says, read and checked for form: queries on the hot path, and feedback.

Everything malformed is refused here, with the field's name, before any of it is used.
Whether it fits the policy or the decision it names is for the use cases to say.
"""

import struct
from collections.abc import Callable, Sequence
from secrets import token_hex
from typing import TypeVar

import numpy as np

from bandit_service.errors import BanditError, InvalidField
from bandit_service.model import (
    EnergySource,
    Failure,
    Modality,
    OtherCall,
    OtherKind,
    Preference,
    Query,
    Source,
    Submission,
    Usage,
)
from bandit_service.planning import MOST_OTHER_CALLS
from bandit_service.rpc import convert_objective, form
from bandit_service.rpc.pb import routing_pb2 as pb

MOST_ITEMS = 512
MOST_LABELS = 64
MOST_NUMBERS = 511
MOST_TOKENS = 1_000_000_000_000
MOST_USD = 1e9
MOST_JOULES = 1e15
MOST_POSITION = 2**53
LONGEST_ID = 128
LONGEST_PERSON = 256
LONGEST_TEXT = 65_536

# Larger ones are finite, but drown all others once they are squared and summed.
LARGEST_MAGNITUDE = 1e6
_LARGEST_SQUARE = LARGEST_MAGNITUDE**2

MODALITIES = form.Vocabulary(pb.Modality, Modality)
SOURCES = form.Vocabulary(pb.FeedbackSource, Source)
FAILURES = form.Vocabulary(pb.Failure, Failure)
ENERGY_SOURCES = form.Vocabulary(pb.EnergySource, EnergySource)
OTHER_KINDS = form.Vocabulary(pb.OtherCallKind, OtherKind)

_FEWEST_FIELDS = 2  # of a query: its policy and its context
_FLOAT64 = np.dtype("<f8")
_view, _vdot = np.frombuffer, np.vdot

Request = TypeVar("Request")
Read = TypeVar("Read")


def each(requests: Sequence[Request], read: Callable[[Request], Read]) -> list[Read | BanditError]:
    """Reads the items of a batch. A malformed one leaves its error in its place."""
    if not 1 <= len(requests) <= MOST_ITEMS:
        raise InvalidField("requests", f"takes 1 to {MOST_ITEMS} items, not {len(requests)}")
    items: list[Read | BanditError] = []
    for request in requests:
        try:
            items.append(read(request))
        except BanditError as error:
            items.append(error)
    return items


def queries(requests: Sequence[pb.RouteRequest]) -> list[Query | BanditError]:
    """The queries of a batch. A malformed one leaves its error in its place."""
    read = each(requests, _query)
    vectors = [one.vector for one in read if isinstance(one, Query) and one.vector is not None]
    numbers = _view(b"".join(vectors), _FLOAT64)
    if _vdot(numbers, numbers) <= _LARGEST_SQUARE:  # then each of them is
        return read
    return each(requests, query)


def query(request: pb.RouteRequest) -> Query:
    """A query, well-formed."""
    read = _query(request)
    if read.vector is not None:
        numbers = _view(read.vector, _FLOAT64)
        # One call for all of them: a number that is not finite makes the sum so, too. And vdot,
        # other than dot, does not warn when the sum overflows.
        if not _vdot(numbers, numbers) <= _LARGEST_SQUARE:
            field = "vector.values" if request.HasField("vector") else "packed_vector"
            _name_the_worst(field, numbers.tolist())
    return read


def _query(request: pb.RouteRequest) -> Query:
    """All of a query but the size of its numbers. Runs for every decision, so it asks before it
    calls anything."""
    if len(request.ListFields()) == _FEWEST_FIELDS and request.policy:
        text, vector = _context(request)
        policy = form.text("policy", request.policy, form.LONGEST_POLICY_NAME)
        return Query(policy, text, vector)
    tags, modalities, arms = (
        request.required_tags,
        request.required_modalities,
        request.allowed_arms,
    )
    session, subject = request.session, request.subject
    text, vector = _context(request)
    return Query(
        policy=form.required("policy", request.policy, form.LONGEST_POLICY_NAME),
        text=text,
        vector=vector,
        request_id=form.text("request_id", request.request_id, LONGEST_ID),
        input_tokens=_tokens("input_tokens", request.input_tokens)
        if request.HasField("input_tokens")
        else None,
        output_tokens=_tokens("output_tokens", request.output_tokens)
        if request.HasField("output_tokens")
        else None,
        required_tags=form.texts("required_tags", tags) if tags else (),
        required_modalities=MODALITIES.read_all("required_modalities", modalities)
        if modalities
        else (),
        allowed_arms=form.texts("allowed_arms", arms) if arms else (),
        session=form.text("session", session, LONGEST_PERSON) if session else "",
        subject=form.text("subject", subject, LONGEST_PERSON) if subject else "",
        duel=request.duel,
        min_position=position("min_position", request.min_position) if request.min_position else 0,
        objective=convert_objective.override(request.objective)
        if request.HasField("objective")
        else None,
        labels=_labels(request.labels) if request.labels else (),
    )


def _labels(given: Sequence[str]) -> tuple[str, ...]:
    if len(given) > MOST_LABELS:
        raise InvalidField("labels", f"at most {MOST_LABELS}, not {len(given)}")
    return form.texts("labels", given)


def position(field: str, given: int) -> int:
    """A position of a journal; 0 where none is asked for."""
    return form.whole(field, given, MOST_POSITION)


def decision_id(request: pb.GetDecisionRequest) -> str:
    return form.required("decision_id", request.decision_id, LONGEST_ID)


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


def _context(request: pb.RouteRequest) -> tuple[str | None, bytes | None]:
    """What is known about the query, as text or as numbers."""
    kind = request.WhichOneof("context")
    if kind == "vector":
        return None, _numbers("vector.values", _packed(request.vector))
    if kind == "packed_vector":
        return None, _numbers("packed_vector", request.packed_vector)
    if kind == "text":
        return _text(request.text), None
    raise InvalidField("context", "one of text, vector and packed_vector is required")


def _text(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise InvalidField("text", f"at most {LONGEST_TEXT:,} characters, not {len(text):,}")
    if not text or text.isspace():
        raise InvalidField("text", "must not be blank")
    return text


def _packed(vector: pb.Vector) -> bytes:
    """A vector's numbers as bytes.

    On the wire they are such bytes already, after a tag and their length in one or two
    bytes. To write the message anew and cut these off is five times as quick as to read
    the numbers one by one.
    """
    size = 8 * len(vector.values)
    header = 2 if size < 128 else 3
    written = vector.SerializeToString()
    if len(written) == header + size:
        return written[header:]
    # Empty, too many for a length of two bytes, or with fields that we do not know.
    return struct.pack(f"<{len(vector.values)}d", *vector.values)


def _numbers(field: str, packed: bytes) -> bytes:
    """Numbers as little-endian float64; whether they are finite is for `query` to see."""
    size = len(packed)
    if size % 8:
        raise InvalidField(field, f"takes 8 bytes a number, but has {size}")
    if not 8 <= size <= 8 * MOST_NUMBERS:
        raise InvalidField(field, f"takes 1 to {MOST_NUMBERS} numbers, not {size // 8}")
    return packed


def _name_the_worst(field: str, numbers: list[float]) -> None:
    """Raises for the first bad number; there may be none, just many that add up."""
    for place, number in enumerate(numbers):
        form.number(f"{field}[{place}]", number, -LARGEST_MAGNITUDE, LARGEST_MAGNITUDE)


def _tokens(field: str, count: int) -> int:
    return form.whole(field, count, MOST_TOKENS)


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
        input_tokens=_tokens("usage.input_tokens", said.input_tokens)
        if said.HasField("input_tokens")
        else None,
        output_tokens=_tokens("usage.output_tokens", said.output_tokens)
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
