import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Resource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESOURCE_UNSPECIFIED: _ClassVar[Resource]
    RESOURCE_USD: _ClassVar[Resource]
    RESOURCE_JOULES: _ClassVar[Resource]

class WhenExhausted(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WHEN_EXHAUSTED_UNSPECIFIED: _ClassVar[WhenExhausted]
    WHEN_EXHAUSTED_CHEAPEST: _ClassVar[WhenExhausted]
    WHEN_EXHAUSTED_FALLBACK: _ClassVar[WhenExhausted]
    WHEN_EXHAUSTED_REFUSE: _ClassVar[WhenExhausted]
RESOURCE_UNSPECIFIED: Resource
RESOURCE_USD: Resource
RESOURCE_JOULES: Resource
WHEN_EXHAUSTED_UNSPECIFIED: WhenExhausted
WHEN_EXHAUSTED_CHEAPEST: WhenExhausted
WHEN_EXHAUSTED_FALLBACK: WhenExhausted
WHEN_EXHAUSTED_REFUSE: WhenExhausted

class Budget(_message.Message):
    __slots__ = ("name", "resource", "amount", "window", "requests", "rate", "when_exhausted", "fallback_arm", "controller")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    WHEN_EXHAUSTED_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_ARM_FIELD_NUMBER: _ClassVar[int]
    CONTROLLER_FIELD_NUMBER: _ClassVar[int]
    name: str
    resource: Resource
    amount: float
    window: _duration_pb2.Duration
    requests: int
    rate: bool
    when_exhausted: WhenExhausted
    fallback_arm: str
    controller: str
    def __init__(self, name: _Optional[str] = ..., resource: _Optional[_Union[Resource, str]] = ..., amount: _Optional[float] = ..., window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., requests: _Optional[int] = ..., rate: bool = ..., when_exhausted: _Optional[_Union[WhenExhausted, str]] = ..., fallback_arm: _Optional[str] = ..., controller: _Optional[str] = ...) -> None: ...
