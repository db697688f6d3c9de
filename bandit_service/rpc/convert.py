"""Queries as callers send them, on the hot path, read and checked for form.

Everything malformed is refused here, with the field's name, before any of it is used.
Whether it fits the policy it names is for the use cases to say.
"""

import struct
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from bandit_service.errors import BanditError, InvalidField
from bandit_service.model import Modality, Query
from bandit_service.rpc import convert_objective, form
from bandit_service.rpc.pb import routing_pb2 as pb

MOST_ITEMS = 512
MOST_LABELS = 64
MOST_NUMBERS = 511
MOST_TOKENS = 1_000_000_000_000
MOST_POSITION = 2**53
LONGEST_ID = 128
LONGEST_PERSON = 256
LONGEST_TEXT = 65_536

# Larger ones are finite, but drown all others once they are squared and summed.
LARGEST_MAGNITUDE = 1e6
_LARGEST_SQUARE = LARGEST_MAGNITUDE**2

MODALITIES = form.Vocabulary(pb.Modality, Modality)

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
        input_tokens=tokens("input_tokens", request.input_tokens)
        if request.HasField("input_tokens")
        else None,
        output_tokens=tokens("output_tokens", request.output_tokens)
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


def tokens(field: str, count: int) -> int:
    return form.whole(field, count, MOST_TOKENS)
