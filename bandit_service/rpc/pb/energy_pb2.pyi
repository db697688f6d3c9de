import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from bandit_service.rpc.pb import routing_pb2 as _routing_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StartCallRequest(_message.Message):
    __slots__ = ("call_id", "decision_id", "arm", "input_tokens", "token")
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    ARM_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    call_id: str
    decision_id: str
    arm: str
    input_tokens: int
    token: bytes
    def __init__(self, call_id: _Optional[str] = ..., decision_id: _Optional[str] = ..., arm: _Optional[str] = ..., input_tokens: _Optional[int] = ..., token: _Optional[bytes] = ...) -> None: ...

class StartCallResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReportTokensRequest(_message.Message):
    __slots__ = ("call_id", "output_tokens", "input_tokens")
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    call_id: str
    output_tokens: int
    input_tokens: int
    def __init__(self, call_id: _Optional[str] = ..., output_tokens: _Optional[int] = ..., input_tokens: _Optional[int] = ...) -> None: ...

class ReportTokensResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class EndCallRequest(_message.Message):
    __slots__ = ("call_id", "output_tokens", "input_tokens", "time_to_first_token")
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TIME_TO_FIRST_TOKEN_FIELD_NUMBER: _ClassVar[int]
    call_id: str
    output_tokens: int
    input_tokens: int
    time_to_first_token: _duration_pb2.Duration
    def __init__(self, call_id: _Optional[str] = ..., output_tokens: _Optional[int] = ..., input_tokens: _Optional[int] = ..., time_to_first_token: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class EndCallResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetEnergyRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetEnergyResponse(_message.Message):
    __slots__ = ("start_time", "time", "devices", "arms", "reports_sent", "reports_waiting", "reports_lost")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    ARMS_FIELD_NUMBER: _ClassVar[int]
    REPORTS_SENT_FIELD_NUMBER: _ClassVar[int]
    REPORTS_WAITING_FIELD_NUMBER: _ClassVar[int]
    REPORTS_LOST_FIELD_NUMBER: _ClassVar[int]
    start_time: _timestamp_pb2.Timestamp
    time: _timestamp_pb2.Timestamp
    devices: _containers.RepeatedCompositeFieldContainer[DeviceEnergy]
    arms: _containers.RepeatedCompositeFieldContainer[ArmEnergy]
    reports_sent: int
    reports_waiting: int
    reports_lost: int
    def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., devices: _Optional[_Iterable[_Union[DeviceEnergy, _Mapping]]] = ..., arms: _Optional[_Iterable[_Union[ArmEnergy, _Mapping]]] = ..., reports_sent: _Optional[int] = ..., reports_waiting: _Optional[int] = ..., reports_lost: _Optional[int] = ...) -> None: ...

class DeviceEnergy(_message.Message):
    __slots__ = ("device", "name", "method", "source", "total_joules", "calls_joules", "idle_joules", "unclaimed_joules", "open_joules", "idle_watts", "void_seconds", "partitioned", "trouble")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_JOULES_FIELD_NUMBER: _ClassVar[int]
    CALLS_JOULES_FIELD_NUMBER: _ClassVar[int]
    IDLE_JOULES_FIELD_NUMBER: _ClassVar[int]
    UNCLAIMED_JOULES_FIELD_NUMBER: _ClassVar[int]
    OPEN_JOULES_FIELD_NUMBER: _ClassVar[int]
    IDLE_WATTS_FIELD_NUMBER: _ClassVar[int]
    VOID_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PARTITIONED_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    device: str
    name: str
    method: str
    source: _routing_pb2.EnergySource
    total_joules: float
    calls_joules: float
    idle_joules: float
    unclaimed_joules: float
    open_joules: float
    idle_watts: float
    void_seconds: float
    partitioned: bool
    trouble: str
    def __init__(self, device: _Optional[str] = ..., name: _Optional[str] = ..., method: _Optional[str] = ..., source: _Optional[_Union[_routing_pb2.EnergySource, str]] = ..., total_joules: _Optional[float] = ..., calls_joules: _Optional[float] = ..., idle_joules: _Optional[float] = ..., unclaimed_joules: _Optional[float] = ..., open_joules: _Optional[float] = ..., idle_watts: _Optional[float] = ..., void_seconds: _Optional[float] = ..., partitioned: bool = ..., trouble: _Optional[str] = ...) -> None: ...

class ArmEnergy(_message.Message):
    __slots__ = ("arm", "devices", "sources", "metered_joules", "declared_joules", "declared_calls", "unmeasured_calls", "calls_under_way", "joules_per_input_token", "joules_per_output_token")
    ARM_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    METERED_JOULES_FIELD_NUMBER: _ClassVar[int]
    DECLARED_JOULES_FIELD_NUMBER: _ClassVar[int]
    DECLARED_CALLS_FIELD_NUMBER: _ClassVar[int]
    UNMEASURED_CALLS_FIELD_NUMBER: _ClassVar[int]
    CALLS_UNDER_WAY_FIELD_NUMBER: _ClassVar[int]
    JOULES_PER_INPUT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    JOULES_PER_OUTPUT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    arm: str
    devices: _containers.RepeatedScalarFieldContainer[str]
    sources: _containers.RepeatedCompositeFieldContainer[SourceEnergy]
    metered_joules: float
    declared_joules: float
    declared_calls: int
    unmeasured_calls: int
    calls_under_way: int
    joules_per_input_token: float
    joules_per_output_token: float
    def __init__(self, arm: _Optional[str] = ..., devices: _Optional[_Iterable[str]] = ..., sources: _Optional[_Iterable[_Union[SourceEnergy, _Mapping]]] = ..., metered_joules: _Optional[float] = ..., declared_joules: _Optional[float] = ..., declared_calls: _Optional[int] = ..., unmeasured_calls: _Optional[int] = ..., calls_under_way: _Optional[int] = ..., joules_per_input_token: _Optional[float] = ..., joules_per_output_token: _Optional[float] = ...) -> None: ...

class SourceEnergy(_message.Message):
    __slots__ = ("source", "energy_joules", "calls")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    ENERGY_JOULES_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    source: _routing_pb2.EnergySource
    energy_joules: float
    calls: int
    def __init__(self, source: _Optional[_Union[_routing_pb2.EnergySource, str]] = ..., energy_joules: _Optional[float] = ..., calls: _Optional[int] = ...) -> None: ...
