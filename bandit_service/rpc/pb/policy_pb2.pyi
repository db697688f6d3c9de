import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from bandit_service.rpc.pb import budget_pb2 as _budget_pb2
from bandit_service.rpc.pb import routing_pb2 as _routing_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODE_UNSPECIFIED: _ClassVar[Mode]
    MODE_ACT: _ClassVar[Mode]
    MODE_OBSERVE: _ClassVar[Mode]

class ForgettingClock(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FORGETTING_CLOCK_UNSPECIFIED: _ClassVar[ForgettingClock]
    FORGETTING_CLOCK_TIME: _ClassVar[ForgettingClock]
    FORGETTING_CLOCK_REQUESTS: _ClassVar[ForgettingClock]

class PreferenceLearning(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PREFERENCE_LEARNING_UNSPECIFIED: _ClassVar[PreferenceLearning]
    PREFERENCE_LEARNING_IGNORE: _ClassVar[PreferenceLearning]
    PREFERENCE_LEARNING_AS_QUALITY: _ClassVar[PreferenceLearning]
    PREFERENCE_LEARNING_AS_PAIRS: _ClassVar[PreferenceLearning]

class WhenUnlogged(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WHEN_UNLOGGED_UNSPECIFIED: _ClassVar[WhenUnlogged]
    WHEN_UNLOGGED_REJECT: _ClassVar[WhenUnlogged]
    WHEN_UNLOGGED_FALLBACK: _ClassVar[WhenUnlogged]

class ArmState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ARM_STATE_UNSPECIFIED: _ClassVar[ArmState]
    ARM_STATE_ACTIVE: _ClassVar[ArmState]
    ARM_STATE_RETIRED: _ClassVar[ArmState]
    ARM_STATE_REMOVED: _ClassVar[ArmState]

class PreviewBasis(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PREVIEW_BASIS_UNSPECIFIED: _ClassVar[PreviewBasis]
    PREVIEW_BASIS_TRAFFIC: _ClassVar[PreviewBasis]
    PREVIEW_BASIS_ESTIMATES: _ClassVar[PreviewBasis]

class ChallengerVerdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHALLENGER_VERDICT_UNSPECIFIED: _ClassVar[ChallengerVerdict]
    CHALLENGER_VERDICT_BETTER: _ClassVar[ChallengerVerdict]
    CHALLENGER_VERDICT_WORSE: _ClassVar[ChallengerVerdict]
    CHALLENGER_VERDICT_OPEN: _ClassVar[ChallengerVerdict]
MODE_UNSPECIFIED: Mode
MODE_ACT: Mode
MODE_OBSERVE: Mode
FORGETTING_CLOCK_UNSPECIFIED: ForgettingClock
FORGETTING_CLOCK_TIME: ForgettingClock
FORGETTING_CLOCK_REQUESTS: ForgettingClock
PREFERENCE_LEARNING_UNSPECIFIED: PreferenceLearning
PREFERENCE_LEARNING_IGNORE: PreferenceLearning
PREFERENCE_LEARNING_AS_QUALITY: PreferenceLearning
PREFERENCE_LEARNING_AS_PAIRS: PreferenceLearning
WHEN_UNLOGGED_UNSPECIFIED: WhenUnlogged
WHEN_UNLOGGED_REJECT: WhenUnlogged
WHEN_UNLOGGED_FALLBACK: WhenUnlogged
ARM_STATE_UNSPECIFIED: ArmState
ARM_STATE_ACTIVE: ArmState
ARM_STATE_RETIRED: ArmState
ARM_STATE_REMOVED: ArmState
PREVIEW_BASIS_UNSPECIFIED: PreviewBasis
PREVIEW_BASIS_TRAFFIC: PreviewBasis
PREVIEW_BASIS_ESTIMATES: PreviewBasis
CHALLENGER_VERDICT_UNSPECIFIED: ChallengerVerdict
CHALLENGER_VERDICT_BETTER: ChallengerVerdict
CHALLENGER_VERDICT_WORSE: ChallengerVerdict
CHALLENGER_VERDICT_OPEN: ChallengerVerdict

class Policy(_message.Message):
    __slots__ = ("name", "algorithm", "features", "objective", "mode", "default_arm", "forgetting", "floor", "sticky_sessions", "quality_sources", "preference_learning", "arms", "revision", "etag", "create_time", "update_time", "when_unlogged", "feedback_horizon", "override_limits", "budgets", "challengers", "warm_start")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_ARM_FIELD_NUMBER: _ClassVar[int]
    FORGETTING_FIELD_NUMBER: _ClassVar[int]
    FLOOR_FIELD_NUMBER: _ClassVar[int]
    STICKY_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    QUALITY_SOURCES_FIELD_NUMBER: _ClassVar[int]
    PREFERENCE_LEARNING_FIELD_NUMBER: _ClassVar[int]
    ARMS_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    WHEN_UNLOGGED_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_HORIZON_FIELD_NUMBER: _ClassVar[int]
    OVERRIDE_LIMITS_FIELD_NUMBER: _ClassVar[int]
    BUDGETS_FIELD_NUMBER: _ClassVar[int]
    CHALLENGERS_FIELD_NUMBER: _ClassVar[int]
    WARM_START_FIELD_NUMBER: _ClassVar[int]
    name: str
    algorithm: Algorithm
    features: Features
    objective: Objective
    mode: Mode
    default_arm: str
    forgetting: Forgetting
    floor: float
    sticky_sessions: bool
    quality_sources: _containers.RepeatedScalarFieldContainer[_routing_pb2.FeedbackSource]
    preference_learning: PreferenceLearning
    arms: _containers.RepeatedCompositeFieldContainer[Arm]
    revision: int
    etag: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    when_unlogged: WhenUnlogged
    feedback_horizon: _duration_pb2.Duration
    override_limits: OverrideLimits
    budgets: _containers.RepeatedCompositeFieldContainer[_budget_pb2.Budget]
    challengers: _containers.RepeatedCompositeFieldContainer[Challenger]
    warm_start: WarmStart
    def __init__(self, name: _Optional[str] = ..., algorithm: _Optional[_Union[Algorithm, _Mapping]] = ..., features: _Optional[_Union[Features, _Mapping]] = ..., objective: _Optional[_Union[Objective, _Mapping]] = ..., mode: _Optional[_Union[Mode, str]] = ..., default_arm: _Optional[str] = ..., forgetting: _Optional[_Union[Forgetting, _Mapping]] = ..., floor: _Optional[float] = ..., sticky_sessions: bool = ..., quality_sources: _Optional[_Iterable[_Union[_routing_pb2.FeedbackSource, str]]] = ..., preference_learning: _Optional[_Union[PreferenceLearning, str]] = ..., arms: _Optional[_Iterable[_Union[Arm, _Mapping]]] = ..., revision: _Optional[int] = ..., etag: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., when_unlogged: _Optional[_Union[WhenUnlogged, str]] = ..., feedback_horizon: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., override_limits: _Optional[_Union[OverrideLimits, _Mapping]] = ..., budgets: _Optional[_Iterable[_Union[_budget_pb2.Budget, _Mapping]]] = ..., challengers: _Optional[_Iterable[_Union[Challenger, _Mapping]]] = ..., warm_start: _Optional[_Union[WarmStart, _Mapping]] = ...) -> None: ...

class Challenger(_message.Message):
    __slots__ = ("name", "algorithm", "objective", "floor", "share", "margin")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    FLOOR_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    name: str
    algorithm: Algorithm
    objective: Objective
    floor: float
    share: float
    margin: float
    def __init__(self, name: _Optional[str] = ..., algorithm: _Optional[_Union[Algorithm, _Mapping]] = ..., objective: _Optional[_Union[Objective, _Mapping]] = ..., floor: _Optional[float] = ..., share: _Optional[float] = ..., margin: _Optional[float] = ...) -> None: ...

class WarmStart(_message.Message):
    __slots__ = ("n_eff", "arms", "spread", "projection")
    class ArmsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ArmWarmStart
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ArmWarmStart, _Mapping]] = ...) -> None: ...
    N_EFF_FIELD_NUMBER: _ClassVar[int]
    ARMS_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    PROJECTION_FIELD_NUMBER: _ClassVar[int]
    n_eff: float
    arms: _containers.MessageMap[str, ArmWarmStart]
    spread: _containers.RepeatedScalarFieldContainer[float]
    projection: _containers.RepeatedCompositeFieldContainer[Row]
    def __init__(self, n_eff: _Optional[float] = ..., arms: _Optional[_Mapping[str, ArmWarmStart]] = ..., spread: _Optional[_Iterable[float]] = ..., projection: _Optional[_Iterable[_Union[Row, _Mapping]]] = ...) -> None: ...

class Row(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class ArmWarmStart(_message.Message):
    __slots__ = ("weights", "level", "n_eff", "ridge")
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    N_EFF_FIELD_NUMBER: _ClassVar[int]
    RIDGE_FIELD_NUMBER: _ClassVar[int]
    weights: _containers.RepeatedScalarFieldContainer[float]
    level: float
    n_eff: float
    ridge: float
    def __init__(self, weights: _Optional[_Iterable[float]] = ..., level: _Optional[float] = ..., n_eff: _Optional[float] = ..., ridge: _Optional[float] = ...) -> None: ...

class Algorithm(_message.Message):
    __slots__ = ("name", "settings")
    class SettingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    name: str
    settings: _containers.ScalarMap[str, float]
    def __init__(self, name: _Optional[str] = ..., settings: _Optional[_Mapping[str, float]] = ...) -> None: ...

class Features(_message.Message):
    __slots__ = ("text", "vector")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    text: TextFeatures
    vector: VectorFeatures
    def __init__(self, text: _Optional[_Union[TextFeatures, _Mapping]] = ..., vector: _Optional[_Union[VectorFeatures, _Mapping]] = ...) -> None: ...

class TextFeatures(_message.Message):
    __slots__ = ("dimensions", "readability", "labels")
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    READABILITY_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    dimensions: int
    readability: bool
    labels: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, dimensions: _Optional[int] = ..., readability: bool = ..., labels: _Optional[_Iterable[str]] = ...) -> None: ...

class VectorFeatures(_message.Message):
    __slots__ = ("dimension",)
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    dimension: int
    def __init__(self, dimension: _Optional[int] = ...) -> None: ...

class Objective(_message.Message):
    __slots__ = ("quality_per_usd", "quality_per_second", "quality_per_joule", "accuracy_energy_dial", "reference_joules", "latency_limit", "quality_at_latency_limit")
    QUALITY_PER_USD_FIELD_NUMBER: _ClassVar[int]
    QUALITY_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    QUALITY_PER_JOULE_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_ENERGY_DIAL_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_JOULES_FIELD_NUMBER: _ClassVar[int]
    LATENCY_LIMIT_FIELD_NUMBER: _ClassVar[int]
    QUALITY_AT_LATENCY_LIMIT_FIELD_NUMBER: _ClassVar[int]
    quality_per_usd: float
    quality_per_second: float
    quality_per_joule: float
    accuracy_energy_dial: float
    reference_joules: float
    latency_limit: _duration_pb2.Duration
    quality_at_latency_limit: float
    def __init__(self, quality_per_usd: _Optional[float] = ..., quality_per_second: _Optional[float] = ..., quality_per_joule: _Optional[float] = ..., accuracy_energy_dial: _Optional[float] = ..., reference_joules: _Optional[float] = ..., latency_limit: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., quality_at_latency_limit: _Optional[float] = ...) -> None: ...

class OverrideLimits(_message.Message):
    __slots__ = ("quality_per_usd", "quality_per_second", "quality_per_joule", "accuracy_energy_dial")
    QUALITY_PER_USD_FIELD_NUMBER: _ClassVar[int]
    QUALITY_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    QUALITY_PER_JOULE_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_ENERGY_DIAL_FIELD_NUMBER: _ClassVar[int]
    quality_per_usd: WeightRange
    quality_per_second: WeightRange
    quality_per_joule: WeightRange
    accuracy_energy_dial: WeightRange
    def __init__(self, quality_per_usd: _Optional[_Union[WeightRange, _Mapping]] = ..., quality_per_second: _Optional[_Union[WeightRange, _Mapping]] = ..., quality_per_joule: _Optional[_Union[WeightRange, _Mapping]] = ..., accuracy_energy_dial: _Optional[_Union[WeightRange, _Mapping]] = ...) -> None: ...

class WeightRange(_message.Message):
    __slots__ = ("min", "max")
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    min: float
    max: float
    def __init__(self, min: _Optional[float] = ..., max: _Optional[float] = ...) -> None: ...

class Forgetting(_message.Message):
    __slots__ = ("clock", "half_life", "half_life_requests")
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    HALF_LIFE_FIELD_NUMBER: _ClassVar[int]
    HALF_LIFE_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    clock: ForgettingClock
    half_life: _duration_pb2.Duration
    half_life_requests: float
    def __init__(self, clock: _Optional[_Union[ForgettingClock, str]] = ..., half_life: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., half_life_requests: _Optional[float] = ...) -> None: ...

class Arm(_message.Message):
    __slots__ = ("name", "model", "parameters", "prompt_version", "input_usd_per_million_tokens", "output_usd_per_million_tokens", "context_limit_tokens", "modalities", "tags", "declared_joules_per_output_token", "state", "embedding", "model_version", "version_position")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_VERSION_FIELD_NUMBER: _ClassVar[int]
    INPUT_USD_PER_MILLION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_USD_PER_MILLION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_LIMIT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MODALITIES_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    DECLARED_JOULES_PER_OUTPUT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    VERSION_POSITION_FIELD_NUMBER: _ClassVar[int]
    name: str
    model: str
    parameters: _struct_pb2.Struct
    prompt_version: str
    input_usd_per_million_tokens: float
    output_usd_per_million_tokens: float
    context_limit_tokens: int
    modalities: _containers.RepeatedScalarFieldContainer[_routing_pb2.Modality]
    tags: _containers.RepeatedScalarFieldContainer[str]
    declared_joules_per_output_token: float
    state: ArmState
    embedding: _containers.RepeatedScalarFieldContainer[float]
    model_version: str
    version_position: int
    def __init__(self, name: _Optional[str] = ..., model: _Optional[str] = ..., parameters: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., prompt_version: _Optional[str] = ..., input_usd_per_million_tokens: _Optional[float] = ..., output_usd_per_million_tokens: _Optional[float] = ..., context_limit_tokens: _Optional[int] = ..., modalities: _Optional[_Iterable[_Union[_routing_pb2.Modality, str]]] = ..., tags: _Optional[_Iterable[str]] = ..., declared_joules_per_output_token: _Optional[float] = ..., state: _Optional[_Union[ArmState, str]] = ..., embedding: _Optional[_Iterable[float]] = ..., model_version: _Optional[str] = ..., version_position: _Optional[int] = ...) -> None: ...

class CreatePolicyRequest(_message.Message):
    __slots__ = ("policy", "author")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    policy: Policy
    author: str
    def __init__(self, policy: _Optional[_Union[Policy, _Mapping]] = ..., author: _Optional[str] = ...) -> None: ...

class CreatePolicyResponse(_message.Message):
    __slots__ = ("policy",)
    POLICY_FIELD_NUMBER: _ClassVar[int]
    policy: Policy
    def __init__(self, policy: _Optional[_Union[Policy, _Mapping]] = ...) -> None: ...

class GetPolicyRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetPolicyResponse(_message.Message):
    __slots__ = ("policy",)
    POLICY_FIELD_NUMBER: _ClassVar[int]
    policy: Policy
    def __init__(self, policy: _Optional[_Union[Policy, _Mapping]] = ...) -> None: ...

class ListPoliciesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPoliciesResponse(_message.Message):
    __slots__ = ("policies", "next_page_token")
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    policies: _containers.RepeatedCompositeFieldContainer[Policy]
    next_page_token: str
    def __init__(self, policies: _Optional[_Iterable[_Union[Policy, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdatePolicyRequest(_message.Message):
    __slots__ = ("policy", "update_mask", "author")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    policy: Policy
    update_mask: _field_mask_pb2.FieldMask
    author: str
    def __init__(self, policy: _Optional[_Union[Policy, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., author: _Optional[str] = ...) -> None: ...

class UpdatePolicyResponse(_message.Message):
    __slots__ = ("policy", "learning_restarted")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RESTARTED_FIELD_NUMBER: _ClassVar[int]
    policy: Policy
    learning_restarted: bool
    def __init__(self, policy: _Optional[_Union[Policy, _Mapping]] = ..., learning_restarted: bool = ...) -> None: ...

class DeletePolicyRequest(_message.Message):
    __slots__ = ("name", "etag")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    etag: str
    def __init__(self, name: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class DeletePolicyResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AddArmRequest(_message.Message):
    __slots__ = ("policy", "arm", "etag", "author")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    ARM_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    policy: str
    arm: Arm
    etag: str
    author: str
    def __init__(self, policy: _Optional[str] = ..., arm: _Optional[_Union[Arm, _Mapping]] = ..., etag: _Optional[str] = ..., author: _Optional[str] = ...) -> None: ...

class AddArmResponse(_message.Message):
    __slots__ = ("policy",)
    POLICY_FIELD_NUMBER: _ClassVar[int]
    policy: Policy
    def __init__(self, policy: _Optional[_Union[Policy, _Mapping]] = ...) -> None: ...

class UpdateArmRequest(_message.Message):
    __slots__ = ("policy", "arm", "update_mask", "etag", "author")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    ARM_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    policy: str
    arm: Arm
    update_mask: _field_mask_pb2.FieldMask
    etag: str
    author: str
    def __init__(self, policy: _Optional[str] = ..., arm: _Optional[_Union[Arm, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., etag: _Optional[str] = ..., author: _Optional[str] = ...) -> None: ...

class UpdateArmResponse(_message.Message):
    __slots__ = ("policy", "learning_restarted")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RESTARTED_FIELD_NUMBER: _ClassVar[int]
    policy: Policy
    learning_restarted: bool
    def __init__(self, policy: _Optional[_Union[Policy, _Mapping]] = ..., learning_restarted: bool = ...) -> None: ...

class RetireArmRequest(_message.Message):
    __slots__ = ("policy", "arm", "etag", "author")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    ARM_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    policy: str
    arm: str
    etag: str
    author: str
    def __init__(self, policy: _Optional[str] = ..., arm: _Optional[str] = ..., etag: _Optional[str] = ..., author: _Optional[str] = ...) -> None: ...

class RetireArmResponse(_message.Message):
    __slots__ = ("policy",)
    POLICY_FIELD_NUMBER: _ClassVar[int]
    policy: Policy
    def __init__(self, policy: _Optional[_Union[Policy, _Mapping]] = ...) -> None: ...

class RemoveArmRequest(_message.Message):
    __slots__ = ("policy", "arm", "etag", "author")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    ARM_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    policy: str
    arm: str
    etag: str
    author: str
    def __init__(self, policy: _Optional[str] = ..., arm: _Optional[str] = ..., etag: _Optional[str] = ..., author: _Optional[str] = ...) -> None: ...

class RemoveArmResponse(_message.Message):
    __slots__ = ("policy",)
    POLICY_FIELD_NUMBER: _ClassVar[int]
    policy: Policy
    def __init__(self, policy: _Optional[_Union[Policy, _Mapping]] = ...) -> None: ...

class GetPolicyStateRequest(_message.Message):
    __slots__ = ("name", "min_position")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    name: str
    min_position: int
    def __init__(self, name: _Optional[str] = ..., min_position: _Optional[int] = ...) -> None: ...

class GetPolicyStateResponse(_message.Message):
    __slots__ = ("position", "state_hash", "arms", "feature_version", "head_position", "staleness", "replica")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    STATE_HASH_FIELD_NUMBER: _ClassVar[int]
    ARMS_FIELD_NUMBER: _ClassVar[int]
    FEATURE_VERSION_FIELD_NUMBER: _ClassVar[int]
    HEAD_POSITION_FIELD_NUMBER: _ClassVar[int]
    STALENESS_FIELD_NUMBER: _ClassVar[int]
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    position: int
    state_hash: str
    arms: _containers.RepeatedCompositeFieldContainer[ArmStatistics]
    feature_version: str
    head_position: int
    staleness: _duration_pb2.Duration
    replica: str
    def __init__(self, position: _Optional[int] = ..., state_hash: _Optional[str] = ..., arms: _Optional[_Iterable[_Union[ArmStatistics, _Mapping]]] = ..., feature_version: _Optional[str] = ..., head_position: _Optional[int] = ..., staleness: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., replica: _Optional[str] = ...) -> None: ...

class ArmStatistics(_message.Message):
    __slots__ = ("arm", "observations", "mean_quality", "mean_cost_usd", "mean_latency_seconds", "mean_energy_joules", "failure_share")
    ARM_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    MEAN_QUALITY_FIELD_NUMBER: _ClassVar[int]
    MEAN_COST_USD_FIELD_NUMBER: _ClassVar[int]
    MEAN_LATENCY_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MEAN_ENERGY_JOULES_FIELD_NUMBER: _ClassVar[int]
    FAILURE_SHARE_FIELD_NUMBER: _ClassVar[int]
    arm: str
    observations: float
    mean_quality: float
    mean_cost_usd: float
    mean_latency_seconds: float
    mean_energy_joules: float
    failure_share: float
    def __init__(self, arm: _Optional[str] = ..., observations: _Optional[float] = ..., mean_quality: _Optional[float] = ..., mean_cost_usd: _Optional[float] = ..., mean_latency_seconds: _Optional[float] = ..., mean_energy_joules: _Optional[float] = ..., failure_share: _Optional[float] = ...) -> None: ...

class GetPolicyHistoryRequest(_message.Message):
    __slots__ = ("name", "limit", "before_position")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    BEFORE_POSITION_FIELD_NUMBER: _ClassVar[int]
    name: str
    limit: int
    before_position: int
    def __init__(self, name: _Optional[str] = ..., limit: _Optional[int] = ..., before_position: _Optional[int] = ...) -> None: ...

class GetPolicyHistoryResponse(_message.Message):
    __slots__ = ("revisions",)
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    revisions: _containers.RepeatedCompositeFieldContainer[PolicyRevision]
    def __init__(self, revisions: _Optional[_Iterable[_Union[PolicyRevision, _Mapping]]] = ...) -> None: ...

class PolicyRevision(_message.Message):
    __slots__ = ("revision", "etag", "position", "create_time", "author", "learning_restarted", "changes", "reason")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RESTARTED_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    revision: int
    etag: str
    position: int
    create_time: _timestamp_pb2.Timestamp
    author: str
    learning_restarted: bool
    changes: _containers.RepeatedCompositeFieldContainer[FieldChange]
    reason: str
    def __init__(self, revision: _Optional[int] = ..., etag: _Optional[str] = ..., position: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., author: _Optional[str] = ..., learning_restarted: bool = ..., changes: _Optional[_Iterable[_Union[FieldChange, _Mapping]]] = ..., reason: _Optional[str] = ...) -> None: ...

class FieldChange(_message.Message):
    __slots__ = ("field", "old", "new")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    OLD_FIELD_NUMBER: _ClassVar[int]
    NEW_FIELD_NUMBER: _ClassVar[int]
    field: str
    old: str
    new: str
    def __init__(self, field: _Optional[str] = ..., old: _Optional[str] = ..., new: _Optional[str] = ...) -> None: ...

class PreviewPolicyRequest(_message.Message):
    __slots__ = ("policy", "update_mask", "decisions")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    policy: Policy
    update_mask: _field_mask_pb2.FieldMask
    decisions: int
    def __init__(self, policy: _Optional[_Union[Policy, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., decisions: _Optional[int] = ...) -> None: ...

class PreviewPolicyResponse(_message.Message):
    __slots__ = ("basis", "decisions", "left_out", "arms", "quality", "cost_usd", "latency_seconds", "energy_joules", "overlap", "objective", "budgets")
    BASIS_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    ARMS_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    LATENCY_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ENERGY_JOULES_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    BUDGETS_FIELD_NUMBER: _ClassVar[int]
    basis: PreviewBasis
    decisions: int
    left_out: int
    arms: _containers.RepeatedCompositeFieldContainer[ArmPreview]
    quality: AmountPreview
    cost_usd: AmountPreview
    latency_seconds: AmountPreview
    energy_joules: AmountPreview
    overlap: Overlap
    objective: Objective
    budgets: _containers.RepeatedCompositeFieldContainer[BudgetPreview]
    def __init__(self, basis: _Optional[_Union[PreviewBasis, str]] = ..., decisions: _Optional[int] = ..., left_out: _Optional[int] = ..., arms: _Optional[_Iterable[_Union[ArmPreview, _Mapping]]] = ..., quality: _Optional[_Union[AmountPreview, _Mapping]] = ..., cost_usd: _Optional[_Union[AmountPreview, _Mapping]] = ..., latency_seconds: _Optional[_Union[AmountPreview, _Mapping]] = ..., energy_joules: _Optional[_Union[AmountPreview, _Mapping]] = ..., overlap: _Optional[_Union[Overlap, _Mapping]] = ..., objective: _Optional[_Union[Objective, _Mapping]] = ..., budgets: _Optional[_Iterable[_Union[BudgetPreview, _Mapping]]] = ...) -> None: ...

class BudgetPreview(_message.Message):
    __slots__ = ("budget", "before", "after")
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    budget: str
    before: BudgetForecast
    after: BudgetForecast
    def __init__(self, budget: _Optional[str] = ..., before: _Optional[_Union[BudgetForecast, _Mapping]] = ..., after: _Optional[_Union[BudgetForecast, _Mapping]] = ...) -> None: ...

class BudgetForecast(_message.Message):
    __slots__ = ("resource", "allowed", "spent", "shadow_price", "exhausted_share", "when_exhausted", "why_not")
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    SPENT_FIELD_NUMBER: _ClassVar[int]
    SHADOW_PRICE_FIELD_NUMBER: _ClassVar[int]
    EXHAUSTED_SHARE_FIELD_NUMBER: _ClassVar[int]
    WHEN_EXHAUSTED_FIELD_NUMBER: _ClassVar[int]
    WHY_NOT_FIELD_NUMBER: _ClassVar[int]
    resource: _budget_pb2.Resource
    allowed: float
    spent: Interval
    shadow_price: float
    exhausted_share: float
    when_exhausted: _budget_pb2.WhenExhausted
    why_not: str
    def __init__(self, resource: _Optional[_Union[_budget_pb2.Resource, str]] = ..., allowed: _Optional[float] = ..., spent: _Optional[_Union[Interval, _Mapping]] = ..., shadow_price: _Optional[float] = ..., exhausted_share: _Optional[float] = ..., when_exhausted: _Optional[_Union[_budget_pb2.WhenExhausted, str]] = ..., why_not: _Optional[str] = ...) -> None: ...

class ArmPreview(_message.Message):
    __slots__ = ("arm", "before", "after")
    ARM_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    arm: str
    before: Interval
    after: Interval
    def __init__(self, arm: _Optional[str] = ..., before: _Optional[_Union[Interval, _Mapping]] = ..., after: _Optional[_Union[Interval, _Mapping]] = ...) -> None: ...

class AmountPreview(_message.Message):
    __slots__ = ("before", "after", "difference", "assumed_share")
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    ASSUMED_SHARE_FIELD_NUMBER: _ClassVar[int]
    before: Interval
    after: Interval
    difference: Interval
    assumed_share: float
    def __init__(self, before: _Optional[_Union[Interval, _Mapping]] = ..., after: _Optional[_Union[Interval, _Mapping]] = ..., difference: _Optional[_Union[Interval, _Mapping]] = ..., assumed_share: _Optional[float] = ...) -> None: ...

class Interval(_message.Message):
    __slots__ = ("value", "low", "high")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    value: float
    low: float
    high: float
    def __init__(self, value: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ...) -> None: ...

class Overlap(_message.Message):
    __slots__ = ("decisions", "effective_decisions", "quality_seen", "quality_after", "why_not")
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_DECISIONS_FIELD_NUMBER: _ClassVar[int]
    QUALITY_SEEN_FIELD_NUMBER: _ClassVar[int]
    QUALITY_AFTER_FIELD_NUMBER: _ClassVar[int]
    WHY_NOT_FIELD_NUMBER: _ClassVar[int]
    decisions: int
    effective_decisions: float
    quality_seen: Interval
    quality_after: Interval
    why_not: str
    def __init__(self, decisions: _Optional[int] = ..., effective_decisions: _Optional[float] = ..., quality_seen: _Optional[_Union[Interval, _Mapping]] = ..., quality_after: _Optional[_Union[Interval, _Mapping]] = ..., why_not: _Optional[str] = ...) -> None: ...

class GetChallengersRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetChallengersResponse(_message.Message):
    __slots__ = ("challengers",)
    CHALLENGERS_FIELD_NUMBER: _ClassVar[int]
    challengers: _containers.RepeatedCompositeFieldContainer[ChallengerStanding]
    def __init__(self, challengers: _Optional[_Iterable[_Union[ChallengerStanding, _Mapping]]] = ...) -> None: ...

class ChallengerStanding(_message.Message):
    __slots__ = ("challenger", "incumbent", "algorithm", "margin", "revision", "decisions", "judged_decisions", "difference", "verdict", "undecided_decisions", "stopped_position", "last_failure")
    CHALLENGER_FIELD_NUMBER: _ClassVar[int]
    INCUMBENT_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    JUDGED_DECISIONS_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    UNDECIDED_DECISIONS_FIELD_NUMBER: _ClassVar[int]
    STOPPED_POSITION_FIELD_NUMBER: _ClassVar[int]
    LAST_FAILURE_FIELD_NUMBER: _ClassVar[int]
    challenger: Contestant
    incumbent: Contestant
    algorithm: str
    margin: float
    revision: int
    decisions: int
    judged_decisions: int
    difference: Interval
    verdict: ChallengerVerdict
    undecided_decisions: int
    stopped_position: int
    last_failure: str
    def __init__(self, challenger: _Optional[_Union[Contestant, _Mapping]] = ..., incumbent: _Optional[_Union[Contestant, _Mapping]] = ..., algorithm: _Optional[str] = ..., margin: _Optional[float] = ..., revision: _Optional[int] = ..., decisions: _Optional[int] = ..., judged_decisions: _Optional[int] = ..., difference: _Optional[_Union[Interval, _Mapping]] = ..., verdict: _Optional[_Union[ChallengerVerdict, str]] = ..., undecided_decisions: _Optional[int] = ..., stopped_position: _Optional[int] = ..., last_failure: _Optional[str] = ...) -> None: ...

class Contestant(_message.Message):
    __slots__ = ("name", "share", "effective_decisions", "quality", "cost_usd", "latency_seconds", "energy_joules")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_DECISIONS_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    LATENCY_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ENERGY_JOULES_FIELD_NUMBER: _ClassVar[int]
    name: str
    share: float
    effective_decisions: float
    quality: Interval
    cost_usd: Interval
    latency_seconds: Interval
    energy_joules: Interval
    def __init__(self, name: _Optional[str] = ..., share: _Optional[float] = ..., effective_decisions: _Optional[float] = ..., quality: _Optional[_Union[Interval, _Mapping]] = ..., cost_usd: _Optional[_Union[Interval, _Mapping]] = ..., latency_seconds: _Optional[_Union[Interval, _Mapping]] = ..., energy_joules: _Optional[_Union[Interval, _Mapping]] = ...) -> None: ...

class PromoteChallengerRequest(_message.Message):
    __slots__ = ("policy", "challenger", "force", "etag", "author")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    CHALLENGER_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    policy: str
    challenger: str
    force: bool
    etag: str
    author: str
    def __init__(self, policy: _Optional[str] = ..., challenger: _Optional[str] = ..., force: bool = ..., etag: _Optional[str] = ..., author: _Optional[str] = ...) -> None: ...

class PromoteChallengerResponse(_message.Message):
    __slots__ = ("policy",)
    POLICY_FIELD_NUMBER: _ClassVar[int]
    policy: Policy
    def __init__(self, policy: _Optional[_Union[Policy, _Mapping]] = ...) -> None: ...
