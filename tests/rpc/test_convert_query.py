"""Queries, as they are read from the wire."""

import math
import struct
from typing import Any

import pytest

from bandit_service.errors import DecisionNotFound, InvalidField
from bandit_service.model import (
    Modality,
    Query,
)
from bandit_service.rpc import convert
from bandit_service.rpc.pb import routing_pb2 as pb

NAN, INF = math.nan, math.inf
NUL = "a\0b"


def a_request(**changes):
    given: dict[str, Any] = {"policy": "chat", "vector": pb.Vector(values=[1.0])}
    if changes.keys() & {"text", "packed_vector"}:
        del given["vector"]
    return pb.RouteRequest(**(given | changes))


def numbers(*values):
    return pb.Vector(values=values)


def packed(*values):
    return struct.pack(f"<{len(values)}d", *values)


def test_a_query_keeps_everything_that_was_said():
    request = pb.RouteRequest(
        policy="chat",
        request_id="r1",
        text="What is it?",
        input_tokens=0,
        output_tokens=7,
        required_tags=["eu", "fast"],
        required_modalities=[pb.MODALITY_TEXT, pb.MODALITY_IMAGE],
        allowed_arms=["small"],
        session="s",
        subject="u",
        duel=True,
        labels=["maths", "short"],
    )

    assert convert.query(request) == Query(
        policy="chat",
        text="What is it?",
        request_id="r1",
        input_tokens=0,
        output_tokens=7,
        required_tags=("eu", "fast"),
        required_modalities=(Modality.TEXT, Modality.IMAGE),
        allowed_arms=("small",),
        session="s",
        subject="u",
        duel=True,
        labels=("maths", "short"),
    )


def test_what_was_not_said_of_a_query_is_unknown():
    query = convert.query(a_request(text="x"))

    assert query == Query(policy="chat", text="x")


@pytest.mark.parametrize("count", [1, 2, 15, 16, 32, 511])
def test_a_vector_and_its_packed_form_are_the_same(count):
    values = [(-1.0) ** i * i / 3 for i in range(count)]

    as_list = convert.query(a_request(vector=numbers(*values))).vector
    as_bytes = convert.query(a_request(packed_vector=packed(*values))).vector

    assert as_list == as_bytes == packed(*values)


def test_a_vector_with_a_field_of_a_later_version_keeps_its_numbers():
    field_15 = bytes([15 << 3 | 2, 8]) + b"whatever"
    written = numbers(1.0, 2.0).SerializeToString() + field_15
    request = a_request(vector=pb.Vector.FromString(written))

    assert convert.query(request).vector == packed(1.0, 2.0)


def test_many_numbers_that_are_large_only_together_are_taken():
    assert convert.query(a_request(vector=numbers(*[1e6] * 511))).vector


BAD_QUERIES = {
    "policy": [a_request(policy=""), a_request(policy="p" * 64), a_request(policy=NUL)],
    "context": [pb.RouteRequest(policy="chat")],
    "text": [a_request(text=""), a_request(text=" \n\t"), a_request(text="x" * 65_537)],
    "vector.values": [a_request(vector=numbers()), a_request(vector=numbers(*[1.0] * 512))],
    "vector.values[1]": [
        a_request(vector=numbers(1.0, bad)) for bad in (NAN, INF, -INF, 1e308, -1e308, 1.1e6)
    ],
    "vector.values[0]": [a_request(vector=numbers(INF, -INF)), a_request(vector=numbers(1e308))],
    "packed_vector": [
        a_request(packed_vector=b""),
        a_request(packed_vector=b"1234567"),
        a_request(packed_vector=bytes(8 * 512)),
    ],
    "packed_vector[2]": [a_request(packed_vector=packed(0, 0, bad)) for bad in (NAN, INF, -2e6)],
    "request_id": [a_request(request_id="r" * 129), a_request(request_id=NUL)],
    "session": [a_request(session="s" * 257), a_request(session=NUL)],
    "subject": [a_request(subject="s" * 257), a_request(subject=NUL)],
    "input_tokens": [a_request(input_tokens=-1), a_request(input_tokens=10**12 + 1)],
    "output_tokens": [a_request(output_tokens=-1), a_request(output_tokens=10**12 + 1)],
    "required_tags[1]": [
        a_request(required_tags=["eu", NUL]),
        a_request(required_tags=["eu", ""]),
        a_request(required_tags=["eu", "t" * 129]),
    ],
    "required_modalities[1]": [
        a_request(required_modalities=[1, 0]),
        a_request(required_modalities=[1, 99]),
    ],
    "allowed_arms[1]": [a_request(allowed_arms=["a", ""]), a_request(allowed_arms=["a", NUL])],
}


@pytest.mark.parametrize(
    ("field", "request_"), [(field, bad) for field, all_ in BAD_QUERIES.items() for bad in all_]
)
def test_a_bad_query_is_refused_with_the_field_at_fault(field, request_):
    with pytest.raises(InvalidField) as refused:
        convert.query(request_)

    assert refused.value.field == field


@pytest.mark.parametrize(
    "request_",
    [
        a_request(policy="p" * 63),
        a_request(request_id="r" * 128),
        a_request(session="s" * 256, subject="s" * 256),
        a_request(text="x" * 65_536),
        a_request(input_tokens=10**12),
        a_request(vector=numbers(1e6, -1e6)),
    ],
)
def test_the_largest_that_is_allowed_is_taken(request_):
    convert.query(request_)


def test_a_malformed_item_of_a_batch_leaves_its_error_in_its_place():
    read = convert.queries([a_request(), a_request(policy=""), a_request()])

    assert [type(item) for item in read] == [Query, InvalidField, Query]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e308, 1.1e6])
def test_a_bad_number_in_a_batch_is_that_of_its_own_query(bad):
    good, text = a_request(vector=numbers(0.5, -0.5)), a_request(text="x")
    wrong = a_request(packed_vector=packed(0.5, bad))

    read = convert.queries([good, wrong, text, good])

    assert [type(item) for item in read] == [Query, InvalidField, Query, Query]
    assert isinstance(read[1], InvalidField)
    assert read[1].field == "packed_vector[1]"
    assert [read[0], read[2], read[3]] == [convert.query(one) for one in (good, text, good)]


def test_large_numbers_that_are_too_much_together_only_are_taken():
    largest = [a_request(vector=numbers(1e6, 0.0)), a_request(packed_vector=packed(0.0, -1e6))]

    assert convert.queries(largest) == [convert.query(one) for one in largest]


@pytest.mark.parametrize("count", [0, 513])
def test_a_batch_that_is_empty_or_too_long_is_refused(count):
    with pytest.raises(InvalidField, match=f"1 to 512 items, not {count}"):
        convert.queries([a_request()] * count)


def test_only_malformed_items_are_excused():
    def broken(_request):
        raise DecisionNotFound("d1")

    assert isinstance(convert.each([1], broken)[0], DecisionNotFound)
