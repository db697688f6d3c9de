import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from bandit_service.rpc.pb import budget_pb2 as _budget_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Modality(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODALITY_UNSPECIFIED: _ClassVar[Modality]
    MODALITY_TEXT: _ClassVar[Modality]
    MODALITY_IMAGE: _ClassVar[Modality]
    MODALITY_AUDIO: _ClassVar[Modality]
    MODALITY_VIDEO: _ClassVar[Modality]
    MODALITY_FILE: _ClassVar[Modality]

class FeedbackSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FEEDBACK_SOURCE_UNSPECIFIED: _ClassVar[FeedbackSource]
    FEEDBACK_SOURCE_EXPERT: _ClassVar[FeedbackSource]
    FEEDBACK_SOURCE_USER: _ClassVar[FeedbackSource]
    FEEDBACK_SOURCE_CHECK: _ClassVar[FeedbackSource]
    FEEDBACK_SOURCE_JUDGE: _ClassVar[FeedbackSource]
    FEEDBACK_SOURCE_IMPLICIT: _ClassVar[FeedbackSource]

class Failure(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FAILURE_UNSPECIFIED: _ClassVar[Failure]
    FAILURE_TIMEOUT: _ClassVar[Failure]
    FAILURE_RATE_LIMIT: _ClassVar[Failure]
    FAILURE_ERROR: _ClassVar[Failure]
    FAILURE_REFUSAL: _ClassVar[Failure]

class EnergySource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENERGY_SOURCE_UNSPECIFIED: _ClassVar[EnergySource]
    ENERGY_SOURCE_MEASURED: _ClassVar[EnergySource]
    ENERGY_SOURCE_SAMPLED: _ClassVar[EnergySource]
    ENERGY_SOURCE_ESTIMATED: _ClassVar[EnergySource]

class Effect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EFFECT_UNSPECIFIED: _ClassVar[Effect]
    EFFECT_LEARNED: _ClassVar[Effect]
    EFFECT_RECORDED: _ClassVar[Effect]
    EFFECT_OUTRANKED: _ClassVar[Effect]
    EFFECT_NOT_CONFIGURED: _ClassVar[Effect]
    EFFECT_OTHER_FEATURES: _ClassVar[Effect]
    EFFECT_ARM_REMOVED: _ClassVar[Effect]
    EFFECT_MODEL_REPLACED: _ClassVar[Effect]

class OtherCallKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OTHER_CALL_KIND_UNSPECIFIED: _ClassVar[OtherCallKind]
    OTHER_CALL_KIND_RETRY: _ClassVar[OtherCallKind]
    OTHER_CALL_KIND_CASCADE: _ClassVar[OtherCallKind]
    OTHER_CALL_KIND_JUDGE: _ClassVar[OtherCallKind]
MODALITY_UNSPECIFIED: Modality
MODALITY_TEXT: Modality
MODALITY_IMAGE: Modality
MODALITY_AUDIO: Modality
MODALITY_VIDEO: Modality
MODALITY_FILE: Modality
FEEDBACK_SOURCE_UNSPECIFIED: FeedbackSource
FEEDBACK_SOURCE_EXPERT: FeedbackSource
FEEDBACK_SOURCE_USER: FeedbackSource
FEEDBACK_SOURCE_CHECK: FeedbackSource
FEEDBACK_SOURCE_JUDGE: FeedbackSource
FEEDBACK_SOURCE_IMPLICIT: FeedbackSource
FAILURE_UNSPECIFIED: Failure
FAILURE_TIMEOUT: Failure
FAILURE_RATE_LIMIT: Failure
FAILURE_ERROR: Failure
FAILURE_REFUSAL: Failure
ENERGY_SOURCE_UNSPECIFIED: EnergySource
ENERGY_SOURCE_MEASURED: EnergySource
ENERGY_SOURCE_SAMPLED: EnergySource
ENERGY_SOURCE_ESTIMATED: EnergySource
EFFECT_UNSPECIFIED: Effect
EFFECT_LEARNED: Effect
EFFECT_RECORDED: Effect
EFFECT_OUTRANKED: Effect
EFFECT_NOT_CONFIGURED: Effect
EFFECT_OTHER_FEATURES: Effect
EFFECT_ARM_REMOVED: Effect
EFFECT_MODEL_REPLACED: Effect
OTHER_CALL_KIND_UNSPECIFIED: OtherCallKind
OTHER_CALL_KIND_RETRY: OtherCallKind
OTHER_CALL_KIND_CASCADE: OtherCallKind
OTHER_CALL_KIND_JUDGE: OtherCallKind

class RouteRequest(_message.Message):
    __slots__ = ("policy", "request_id", "text", "vector", "packed_vector", "input_tokens", "output_tokens", "required_tags", "required_modalities", "allowed_arms", "session", "subject", "duel", "min_position", "objective", "labels")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    PACKED_VECTOR_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_TAGS_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_MODALITIES_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_ARMS_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    DUEL_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    policy: str
    request_id: str
    text: str
    vector: Vector
    packed_vector: bytes
    input_tokens: int
    output_tokens: int
    required_tags: _containers.RepeatedScalarFieldContainer[str]
    required_modalities: _containers.RepeatedScalarFieldContainer[Modality]
    allowed_arms: _containers.RepeatedScalarFieldContainer[str]
    session: str
    subject: str
    duel: bool
    min_position: int
    objective: ObjectiveOverride
    labels: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, policy: _Optional[str] = ..., request_id: _Optional[str] = ..., text: _Optional[str] = ..., vector: _Optional[_Union[Vector, _Mapping]] = ..., packed_vector: _Optional[bytes] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., required_tags: _Optional[_Iterable[str]] = ..., required_modalities: _Optional[_Iterable[_Union[Modality, str]]] = ..., allowed_arms: _Optional[_Iterable[str]] = ..., session: _Optional[str] = ..., subject: _Optional[str] = ..., duel: bool = ..., min_position: _Optional[int] = ..., objective: _Optional[_Union[ObjectiveOverride, _Mapping]] = ..., labels: _Optional[_Iterable[str]] = ...) -> None: ...

class ObjectiveOverride(_message.Message):
    __slots__ = ("quality_per_usd", "quality_per_second", "quality_per_joule", "accuracy_energy_dial")
    QUALITY_PER_USD_FIELD_NUMBER: _ClassVar[int]
    QUALITY_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    QUALITY_PER_JOULE_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_ENERGY_DIAL_FIELD_NUMBER: _ClassVar[int]
    quality_per_usd: float
    quality_per_second: float
    quality_per_joule: float
    accuracy_energy_dial: float
    def __init__(self, quality_per_usd: _Optional[float] = ..., quality_per_second: _Optional[float] = ..., quality_per_joule: _Optional[float] = ..., accuracy_energy_dial: _Optional[float] = ...) -> None: ...

class Vector(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class RouteResponse(_message.Message):
    __slots__ = ("decision_id", "arm", "second_arm", "propensity", "policy_revision", "position", "degraded", "forced", "sticky", "observed", "token")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    ARM_FIELD_NUMBER: _ClassVar[int]
    SECOND_ARM_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    POLICY_REVISION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    FORCED_FIELD_NUMBER: _ClassVar[int]
    STICKY_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    arm: str
    second_arm: str
    propensity: float
    policy_revision: int
    position: int
    degraded: bool
    forced: bool
    sticky: bool
    observed: bool
    token: bytes
    def __init__(self, decision_id: _Optional[str] = ..., arm: _Optional[str] = ..., second_arm: _Optional[str] = ..., propensity: _Optional[float] = ..., policy_revision: _Optional[int] = ..., position: _Optional[int] = ..., degraded: bool = ..., forced: bool = ..., sticky: bool = ..., observed: bool = ..., token: _Optional[bytes] = ...) -> None: ...

class BatchRouteRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[RouteRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[RouteRequest, _Mapping]]] = ...) -> None: ...

class BatchRouteResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[RouteResult]
    def __init__(self, results: _Optional[_Iterable[_Union[RouteResult, _Mapping]]] = ...) -> None: ...

class RouteResult(_message.Message):
    __slots__ = ("response", "error")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    response: RouteResponse
    error: ItemError
    def __init__(self, response: _Optional[_Union[RouteResponse, _Mapping]] = ..., error: _Optional[_Union[ItemError, _Mapping]] = ...) -> None: ...

class ItemError(_message.Message):
    __slots__ = ("code", "message", "reason", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    reason: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., reason: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class FeedbackRequest(_message.Message):
    __slots__ = ("decision_id", "feedback_id", "source", "success", "score", "preference", "failure", "usage", "arm", "token")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    PREFERENCE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    ARM_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    feedback_id: str
    source: FeedbackSource
    success: bool
    score: float
    preference: Preference
    failure: Failure
    usage: Usage
    arm: str
    token: bytes
    def __init__(self, decision_id: _Optional[str] = ..., feedback_id: _Optional[str] = ..., source: _Optional[_Union[FeedbackSource, str]] = ..., success: bool = ..., score: _Optional[float] = ..., preference: _Optional[_Union[Preference, _Mapping]] = ..., failure: _Optional[_Union[Failure, str]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., arm: _Optional[str] = ..., token: _Optional[bytes] = ...) -> None: ...

class Preference(_message.Message):
    __slots__ = ("preferred_arm", "other_decision_id", "preferred_decision_id", "tie", "other_token")
    PREFERRED_ARM_FIELD_NUMBER: _ClassVar[int]
    OTHER_DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    PREFERRED_DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    TIE_FIELD_NUMBER: _ClassVar[int]
    OTHER_TOKEN_FIELD_NUMBER: _ClassVar[int]
    preferred_arm: str
    other_decision_id: str
    preferred_decision_id: str
    tie: bool
    other_token: bytes
    def __init__(self, preferred_arm: _Optional[str] = ..., other_decision_id: _Optional[str] = ..., preferred_decision_id: _Optional[str] = ..., tie: bool = ..., other_token: _Optional[bytes] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("cost_usd", "input_tokens", "output_tokens", "latency", "time_to_first_token", "energy_joules", "energy_source", "other_calls")
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    TIME_TO_FIRST_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ENERGY_JOULES_FIELD_NUMBER: _ClassVar[int]
    ENERGY_SOURCE_FIELD_NUMBER: _ClassVar[int]
    OTHER_CALLS_FIELD_NUMBER: _ClassVar[int]
    cost_usd: float
    input_tokens: int
    output_tokens: int
    latency: _duration_pb2.Duration
    time_to_first_token: _duration_pb2.Duration
    energy_joules: float
    energy_source: EnergySource
    other_calls: _containers.RepeatedCompositeFieldContainer[OtherCall]
    def __init__(self, cost_usd: _Optional[float] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., latency: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., time_to_first_token: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., energy_joules: _Optional[float] = ..., energy_source: _Optional[_Union[EnergySource, str]] = ..., other_calls: _Optional[_Iterable[_Union[OtherCall, _Mapping]]] = ...) -> None: ...

class OtherCall(_message.Message):
    __slots__ = ("kind", "id", "cost_usd", "energy_joules", "energy_source")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    ENERGY_JOULES_FIELD_NUMBER: _ClassVar[int]
    ENERGY_SOURCE_FIELD_NUMBER: _ClassVar[int]
    kind: OtherCallKind
    id: str
    cost_usd: float
    energy_joules: float
    energy_source: EnergySource
    def __init__(self, kind: _Optional[_Union[OtherCallKind, str]] = ..., id: _Optional[str] = ..., cost_usd: _Optional[float] = ..., energy_joules: _Optional[float] = ..., energy_source: _Optional[_Union[EnergySource, str]] = ...) -> None: ...

class FeedbackResponse(_message.Message):
    __slots__ = ("feedback_id", "position", "duplicate", "effect")
    FEEDBACK_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    feedback_id: str
    position: int
    duplicate: bool
    effect: Effect
    def __init__(self, feedback_id: _Optional[str] = ..., position: _Optional[int] = ..., duplicate: bool = ..., effect: _Optional[_Union[Effect, str]] = ...) -> None: ...

class BatchFeedbackRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[FeedbackRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[FeedbackRequest, _Mapping]]] = ...) -> None: ...

class BatchFeedbackResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[FeedbackResult]
    def __init__(self, results: _Optional[_Iterable[_Union[FeedbackResult, _Mapping]]] = ...) -> None: ...

class FeedbackResult(_message.Message):
    __slots__ = ("response", "error")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    response: FeedbackResponse
    error: ItemError
    def __init__(self, response: _Optional[_Union[FeedbackResponse, _Mapping]] = ..., error: _Optional[_Union[ItemError, _Mapping]] = ...) -> None: ...

class GetDecisionRequest(_message.Message):
    __slots__ = ("decision_id",)
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    def __init__(self, decision_id: _Optional[str] = ...) -> None: ...

class GetDecisionResponse(_message.Message):
    __slots__ = ("decision",)
    DECISION_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    def __init__(self, decision: _Optional[_Union[Decision, _Mapping]] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("response", "policy", "create_time", "context", "arms", "clock", "outcomes", "recovered", "contestants", "budgets")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    ARMS_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    RECOVERED_FIELD_NUMBER: _ClassVar[int]
    CONTESTANTS_FIELD_NUMBER: _ClassVar[int]
    BUDGETS_FIELD_NUMBER: _ClassVar[int]
    response: RouteResponse
    policy: str
    create_time: _timestamp_pb2.Timestamp
    context: ContextSummary
    arms: _containers.RepeatedCompositeFieldContainer[ArmExplanation]
    clock: float
    outcomes: _containers.RepeatedCompositeFieldContainer[Outcome]
    recovered: bool
    contestants: _containers.RepeatedCompositeFieldContainer[ContestantChoice]
    budgets: _containers.RepeatedCompositeFieldContainer[BudgetExplanation]
    def __init__(self, response: _Optional[_Union[RouteResponse, _Mapping]] = ..., policy: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., context: _Optional[_Union[ContextSummary, _Mapping]] = ..., arms: _Optional[_Iterable[_Union[ArmExplanation, _Mapping]]] = ..., clock: _Optional[float] = ..., outcomes: _Optional[_Iterable[_Union[Outcome, _Mapping]]] = ..., recovered: bool = ..., contestants: _Optional[_Iterable[_Union[ContestantChoice, _Mapping]]] = ..., budgets: _Optional[_Iterable[_Union[BudgetExplanation, _Mapping]]] = ...) -> None: ...

class ContestantChoice(_message.Message):
    __slots__ = ("name", "share", "failed", "probabilities", "arm", "weight", "evidence")
    class ProbabilitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    ARM_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    share: float
    failed: bool
    probabilities: _containers.ScalarMap[str, float]
    arm: str
    weight: float
    evidence: ContestantEvidence
    def __init__(self, name: _Optional[str] = ..., share: _Optional[float] = ..., failed: bool = ..., probabilities: _Optional[_Mapping[str, float]] = ..., arm: _Optional[str] = ..., weight: _Optional[float] = ..., evidence: _Optional[_Union[ContestantEvidence, _Mapping]] = ...) -> None: ...

class ContestantEvidence(_message.Message):
    __slots__ = ("difference", "low", "high", "judged_decisions", "undecided_decisions", "read_time")
    DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    JUDGED_DECISIONS_FIELD_NUMBER: _ClassVar[int]
    UNDECIDED_DECISIONS_FIELD_NUMBER: _ClassVar[int]
    READ_TIME_FIELD_NUMBER: _ClassVar[int]
    difference: float
    low: float
    high: float
    judged_decisions: int
    undecided_decisions: int
    read_time: _timestamp_pb2.Timestamp
    def __init__(self, difference: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ..., judged_decisions: _Optional[int] = ..., undecided_decisions: _Optional[int] = ..., read_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class BudgetExplanation(_message.Message):
    __slots__ = ("budget", "resource", "shadow_price", "second_shadow_price", "weight", "reserved", "settled", "exhausted")
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    SHADOW_PRICE_FIELD_NUMBER: _ClassVar[int]
    SECOND_SHADOW_PRICE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    EXHAUSTED_FIELD_NUMBER: _ClassVar[int]
    budget: str
    resource: _budget_pb2.Resource
    shadow_price: float
    second_shadow_price: float
    weight: float
    reserved: float
    settled: float
    exhausted: bool
    def __init__(self, budget: _Optional[str] = ..., resource: _Optional[_Union[_budget_pb2.Resource, str]] = ..., shadow_price: _Optional[float] = ..., second_shadow_price: _Optional[float] = ..., weight: _Optional[float] = ..., reserved: _Optional[float] = ..., settled: _Optional[float] = ..., exhausted: bool = ...) -> None: ...

class ContextSummary(_message.Message):
    __slots__ = ("feature_version", "dimension", "norm", "values")
    FEATURE_VERSION_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    NORM_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    feature_version: str
    dimension: int
    norm: float
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, feature_version: _Optional[str] = ..., dimension: _Optional[int] = ..., norm: _Optional[float] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class ArmExplanation(_message.Message):
    __slots__ = ("arm", "probability", "ineligible_reason", "quality", "quality_deviation", "objective_offset", "shadow_probability", "second_probability", "assumed", "budget_offset")
    ARM_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    INELIGIBLE_REASON_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    QUALITY_DEVIATION_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_OFFSET_FIELD_NUMBER: _ClassVar[int]
    SHADOW_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    SECOND_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    ASSUMED_FIELD_NUMBER: _ClassVar[int]
    BUDGET_OFFSET_FIELD_NUMBER: _ClassVar[int]
    arm: str
    probability: float
    ineligible_reason: str
    quality: float
    quality_deviation: float
    objective_offset: float
    shadow_probability: float
    second_probability: float
    assumed: bool
    budget_offset: float
    def __init__(self, arm: _Optional[str] = ..., probability: _Optional[float] = ..., ineligible_reason: _Optional[str] = ..., quality: _Optional[float] = ..., quality_deviation: _Optional[float] = ..., objective_offset: _Optional[float] = ..., shadow_probability: _Optional[float] = ..., second_probability: _Optional[float] = ..., assumed: bool = ..., budget_offset: _Optional[float] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("kind", "arm", "source", "value", "failure", "usage", "position", "update_time")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ARM_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    kind: str
    arm: str
    source: FeedbackSource
    value: float
    failure: Failure
    usage: Usage
    position: int
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, kind: _Optional[str] = ..., arm: _Optional[str] = ..., source: _Optional[_Union[FeedbackSource, str]] = ..., value: _Optional[float] = ..., failure: _Optional[_Union[Failure, str]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., position: _Optional[int] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
