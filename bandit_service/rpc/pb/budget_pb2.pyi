import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
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

class GetBudgetsRequest(_message.Message):
    __slots__ = ("policy",)
    POLICY_FIELD_NUMBER: _ClassVar[int]
    policy: str
    def __init__(self, policy: _Optional[str] = ...) -> None: ...

class GetBudgetsResponse(_message.Message):
    __slots__ = ("budgets",)
    BUDGETS_FIELD_NUMBER: _ClassVar[int]
    budgets: _containers.RepeatedCompositeFieldContainer[BudgetState]
    def __init__(self, budgets: _Optional[_Iterable[_Union[BudgetState, _Mapping]]] = ...) -> None: ...

class BudgetState(_message.Message):
    __slots__ = ("budget", "amount", "spent", "settled", "reserved", "leased", "overrun", "remaining", "shadow_price", "requests", "start_time", "end_time")
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    SPENT_FIELD_NUMBER: _ClassVar[int]
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    LEASED_FIELD_NUMBER: _ClassVar[int]
    OVERRUN_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    SHADOW_PRICE_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    budget: Budget
    amount: float
    spent: float
    settled: float
    reserved: float
    leased: float
    overrun: float
    remaining: float
    shadow_price: float
    requests: int
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    def __init__(self, budget: _Optional[_Union[Budget, _Mapping]] = ..., amount: _Optional[float] = ..., spent: _Optional[float] = ..., settled: _Optional[float] = ..., reserved: _Optional[float] = ..., leased: _Optional[float] = ..., overrun: _Optional[float] = ..., remaining: _Optional[float] = ..., shadow_price: _Optional[float] = ..., requests: _Optional[int] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
