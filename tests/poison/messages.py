"""Random requests that mean harm, made from the descriptors of whatever the services take."""

import struct
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

Field = FieldDescriptor
DEEPEST = 6

FLOATS = st.sampled_from(
    [0.0, -0.0, 0.5, 1.0, -1.0, 1e-320, 1e16, 1e308, -1e308, *map(float, ("nan", "inf", "-inf"))]
) | st.floats(-2.0, 2.0)
INTS = {
    Field.CPPTYPE_INT32: [0, 1, 4, 600, -1, -(2**31), 2**31 - 1],
    Field.CPPTYPE_INT64: [0, 1, 4, 600, -1, 10**12 + 1, -(2**63), 2**63 - 1],
    Field.CPPTYPE_ENUM: [0, 1, 2, 3, 5, 99, -1, -(2**31), 2**31 - 1],
}
NASTY = [
    "", " ", "\0", "a\0b", "\n", "x" * 129, "x" * 100_000, "\u4e2d" * 33_000, "\U0001f600" * 65,
    "'; DROP TABLE policy; --", "../../etc/passwd", "%s{0}", "\u202e\u200b", "e\u0301", "-0", "NaN",
]  # fmt: skip
TEXTS = st.sampled_from(NASTY) | st.text(max_size=20)
BYTES = st.binary(max_size=40) | st.lists(FLOATS, max_size=8).map(
    lambda numbers: struct.pack(f"<{len(numbers)}d", *numbers)
)
# Fields with numbers no message has, and what a later version could send in them.
UNKNOWN = st.sampled_from([b"", b"", b"\xf8\x7f\x01", b"\xfa\x7f\x03abc", b"\xfb\x7f\xfc\x7f"])


@st.composite
def hostile(draw: st.DrawFn, kind: Descriptor, known: list[str], good: Message | None) -> bytes:
    """A request of this kind: a good one gone bad, or one made of nothing.

    `known` are names of what is there; half of all strings are among them.
    """
    whole = _message(draw, kind, known, good if draw(st.booleans()) else None, 0)
    raw = whole.SerializeToString()
    if draw(st.integers(0, 3)) == 0:  # two in one: of a oneof, both can be there
        raw += _message(draw, kind, known, None, 0).SerializeToString()
    return raw + draw(UNKNOWN)


def _message(
    draw: st.DrawFn, kind: Descriptor, known: list[str], good: Message | None, depth: int
) -> Message:
    message = GetMessageClass(kind)()
    if good is not None:
        message.CopyFrom(good)
    fields = [it for it in kind.fields if depth < DEEPEST or it.message_type is None]
    if fields:
        for field in draw(st.lists(st.sampled_from(fields), max_size=3)):
            _spoil(draw, message, field, known, depth)
    return message


def _spoil(
    draw: st.DrawFn, message: Message, field: FieldDescriptor, known: list[str], depth: int
) -> None:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        key, value = kind.fields_by_name["key"], kind.fields_by_name["value"]
        entries = getattr(message, field.name)
        for _ in range(draw(st.integers(0, 2))):
            name = draw(_scalar(key, known))
            if value.message_type is None:
                entries[name] = draw(_scalar(value, known))
            else:
                entries[name].CopyFrom(_message(draw, value.message_type, known, None, depth + 1))
    elif kind is not None and field.is_repeated:
        items = getattr(message, field.name)
        if items and draw(st.booleans()):
            items[0].CopyFrom(_message(draw, kind, known, items[0], depth + 1))
        for _ in range(draw(st.integers(0, 2))):
            items.add().CopyFrom(_message(draw, kind, known, None, depth + 1))
    elif kind is not None:
        there = getattr(message, field.name)
        there.CopyFrom(_message(draw, kind, known, there, depth + 1))
    elif field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(_scalar(field, known), max_size=5)))
    else:
        setattr(message, field.name, draw(_scalar(field, known)))


def _scalar(field: FieldDescriptor, known: list[str]) -> st.SearchStrategy[Any]:
    if field.cpp_type in INTS:
        return st.sampled_from(INTS[field.cpp_type])
    if field.cpp_type in (Field.CPPTYPE_DOUBLE, Field.CPPTYPE_FLOAT):
        return FLOATS
    if field.cpp_type == Field.CPPTYPE_BOOL:
        return st.booleans()
    if field.type == Field.TYPE_BYTES:
        return BYTES
    if field.cpp_type == Field.CPPTYPE_STRING:
        # By their places: the names differ from run to run, what is drawn does not.
        return st.integers(0, len(known) - 1).map(known.__getitem__) | TEXTS
    raise NotImplementedError(f"{field.full_name} is of a type that no field had so far")
