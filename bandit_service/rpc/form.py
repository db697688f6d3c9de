"""Checks of form, shared by both sides of the wire. Each raises InvalidField, naming the field."""

import math
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Generic, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.timestamp_pb2 import Timestamp

from bandit_service.errors import InvalidField

LONGEST_POLICY_NAME = 63
LONGEST_NAME = 128

# What protobuf allows a Duration to hold: ten thousand years.
MOST_SECONDS = 315_576_000_000

Ours = TypeVar("Ours", bound=StrEnum)


class Vocabulary(Generic[Ours]):
    """An enum of the wire beside ours: the names agree, save for the wire's prefix.

    Its UNSPECIFIED has no counterpart, nor have numbers that a later version may add:
    enums of proto3 are open, so these arrive like any other.
    """

    def __init__(self, wire: EnumTypeWrapper, ours: type[Ours]) -> None:
        prefix = wire.Name(0).removesuffix("UNSPECIFIED")
        names = {number: name.removeprefix(prefix) for name, number in wire.items() if number}
        self._ours = {number: ours[name] for number, name in names.items()}
        self._numbers = {member: number for number, member in self._ours.items()}

    def read(self, field: str, number: int) -> Ours:
        try:
            return self._ours[number]
        except KeyError:
            raise InvalidField(field, f"{number} is not one of its values") from None

    def read_all(self, field: str, numbers: Iterable[int]) -> tuple[Ours, ...]:
        return tuple(self.read(f"{field}[{i}]", number) for i, number in enumerate(numbers))

    def write(self, member: Ours) -> Any:
        """The number on the wire; Any, because each generated stub wants a class of its own."""
        return self._numbers[member]


def text(field: str, value: str, longest: int | None = None) -> str:
    """A string that may be empty. NUL is refused, because databases cannot hold it."""
    if longest is not None and len(value) > longest:
        raise InvalidField(field, f"at most {longest} characters, not {len(value)}")
    if "\0" in value:
        raise InvalidField(field, "must not contain NUL characters")
    return value


def required(field: str, value: str, longest: int) -> str:
    """A string that may not be empty."""
    if not value:
        raise InvalidField(field, "required")
    return text(field, value, longest)


def opaque(field: str, value: bytes, longest: int) -> bytes:
    """Bytes that are only passed on."""
    if len(value) > longest:
        raise InvalidField(field, f"at most {longest} bytes, not {len(value)}")
    return value


def texts(field: str, values: Iterable[str]) -> tuple[str, ...]:
    """Names, none of them empty."""
    return tuple(required(f"{field}[{i}]", value, LONGEST_NAME) for i, value in enumerate(values))


def number(field: str, value: float, least: float = -math.inf, most: float = math.inf) -> float:
    """A finite number within bounds."""
    if not math.isfinite(value):
        raise InvalidField(field, f"must be finite, not {value}")
    if not least <= value <= most:
        raise InvalidField(field, f"must be from {least:g} to {most:g}, not {value:g}")
    return value


def whole(field: str, value: int, most: int) -> int:
    """A whole number from 0 on."""
    if not 0 <= value <= most:
        raise InvalidField(field, f"must be from 0 to {most:,}, not {value:,}")
    return value


def seconds(field: str, duration: Duration) -> float:
    """A duration that is valid and not negative."""
    if duration.seconds < 0 or (duration.seconds == 0 and duration.nanos < 0):
        raise InvalidField(field, "must not be negative")
    if not (duration.seconds <= MOST_SECONDS and 0 <= duration.nanos < 1_000_000_000):
        raise InvalidField(
            field, f"{duration.seconds} s and {duration.nanos} ns are not a valid duration"
        )
    return duration.seconds + duration.nanos / 1e9


def duration(seconds: float) -> Duration:
    written = Duration()
    written.FromNanoseconds(min(round(seconds * 1e9), MOST_SECONDS * 1_000_000_000))
    return written


def timestamp(time: float) -> Timestamp:
    """A time in seconds since the epoch; a float of today holds microseconds, not nanoseconds."""
    written = Timestamp()
    written.FromMicroseconds(round(time * 1e6))
    return written
