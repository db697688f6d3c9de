"""The records and the vocabulary, shared by every part of the service.

Records are msgspec structs: frozen, quick to make, and written to the journal as
they are. Times are seconds since the epoch (UTC); `bytes` fields that hold numbers
are little-endian float64.
"""

from enum import StrEnum
from typing import Any

import msgspec


class Modality(StrEnum):
    """What an arm can read."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    FILE = "file"


class Source(StrEnum):
    """Who gives feedback, the most trusted first."""

    EXPERT = "expert"
    USER = "user"
    CHECK = "check"
    JUDGE = "judge"
    IMPLICIT = "implicit"


class Failure(StrEnum):
    """How a call to an arm failed. Moves availability, never quality."""

    TIMEOUT = "timeout"
    RATE_LIMIT = "rate_limit"
    ERROR = "error"
    REFUSAL = "refusal"


class EnergySource(StrEnum):
    """Where a number of joules comes from."""

    MEASURED = "measured"
    SAMPLED = "sampled"
    ESTIMATED = "estimated"


class Mode(StrEnum):
    """Whether the learner's choice is served."""

    ACT = "act"
    OBSERVE = "observe"


class Clock(StrEnum):
    """What forgetting counts: seconds, or decisions of the policy."""

    TIME = "time"
    REQUESTS = "requests"


class PreferenceLearning(StrEnum):
    """How preferences teach: not at all, or the better as 1 and the worse as 0."""

    IGNORE = "ignore"
    AS_QUALITY = "as_quality"


class ArmState(StrEnum):
    """Where an arm is in its life."""

    ACTIVE = "active"
    RETIRED = "retired"
    REMOVED = "removed"


class Effect(StrEnum):
    """What feedback did to the learned state."""

    LEARNED = "learned"
    RECORDED = "recorded"
    OUTRANKED = "outranked"
    NOT_CONFIGURED = "not_configured"
    OTHER_FEATURES = "other_features"
    ARM_REMOVED = "arm_removed"


class Kind(StrEnum):
    """What a piece of feedback says."""

    SUCCESS = "success"
    SCORE = "score"
    PREFERENCE = "preference"
    FAILURE = "failure"
    USAGE = "usage"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of what users write in YAML: a name nobody knows is a typo, so an error."""


class Arm(Config, frozen=True):
    """Something that can be chosen. `name` is unique in its policy for ever."""

    name: str
    model: str = ""
    parameters: dict[str, Any] = {}
    prompt_version: str = ""
    input_usd_per_million_tokens: float | None = None
    output_usd_per_million_tokens: float | None = None
    context_limit_tokens: int | None = None
    modalities: tuple[Modality, ...] = (Modality.TEXT,)
    tags: tuple[str, ...] = ()
    declared_joules_per_output_token: float | None = None
    state: ArmState = ArmState.ACTIVE


class Algorithm(Config, frozen=True):
    """A learning algorithm by its catalogue name, with its settings."""

    name: str = "hierarchical_thompson"
    settings: dict[str, float] = {}


class TextFeatures(Config, frozen=True):
    """Text, embedded offline; `dimensions` of the embedding's 256 are kept."""

    dimensions: int = 64


class VectorFeatures(Config, frozen=True):
    """The caller's own numbers, `dimension` of them."""

    dimension: int


class Features(Config, frozen=True):
    """How a query becomes numbers: exactly one of the two is set."""

    text: TextFeatures | None = None
    vector: VectorFeatures | None = None


class Objective(Config, frozen=True):
    """What a unit of each resource is worth in points of quality, >= 0."""

    quality_per_usd: float = 0.0
    quality_per_second: float = 0.0
    quality_per_joule: float = 0.0


class Forgetting(Config, frozen=True):
    """Old feedback counts half after every `half_life` (seconds or requests)."""

    half_life: float
    clock: Clock = Clock.TIME


class PolicyConfig(Config, frozen=True):
    """Everything that can be set about a policy. An arm's index is its slot, for ever."""

    name: str
    arms: tuple[Arm, ...]
    algorithm: Algorithm = Algorithm()
    features: Features = Features(text=TextFeatures())
    objective: Objective = Objective()
    mode: Mode = Mode.ACT
    default_arm: str = ""
    forgetting: Forgetting | None = None
    floor: float = 0.01
    sticky_sessions: bool = True
    quality_sources: tuple[Source, ...] = tuple(Source)
    preference_learning: PreferenceLearning = PreferenceLearning.IGNORE


class Query(msgspec.Struct, frozen=True, gc=False):
    """One request for a choice, well-formed, not yet checked against a policy."""

    policy: str
    text: str | None = None
    vector: bytes | None = None
    request_id: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    required_tags: tuple[str, ...] = ()
    required_modalities: tuple[Modality, ...] = ()
    allowed_arms: tuple[str, ...] = ()
    session: str = ""
    subject: str = ""
    duel: bool = False


class Decision(msgspec.Struct, frozen=True, gc=False):
    """One choice and all it was made from. Slots are indices into the policy's arms.

    context        (d,) float64
    probabilities  (K,) float64, over all slots of that revision; in observe mode the
                   default arm's is 1
    shadow         (K,) float64, what the learner would have drawn from (observe mode)
    means, deviations, offsets  (K,) float64, the learner's estimates of quality and
                   what the objective added; NaN where there is none
    exclusions     (K,) uint8, an engine.Exclusion a slot, 0 where eligible
    """

    id: str
    policy_id: int
    revision: int
    position: int
    create_time: float
    clock: float
    feature_version: str
    context: bytes
    arm: int
    propensity: float
    probabilities: bytes
    means: bytes
    deviations: bytes
    exclusions: bytes
    second_arm: int | None = None
    shadow: bytes | None = None
    offsets: bytes | None = None
    forced: bool = False
    sticky: bool = False
    observed: bool = False
    degraded: bool = False
    request_id: str | None = None
    request_digest: bytes | None = None
    session_hash: bytes | None = None
    subject_hash: bytes | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a call took. None is unknown, never zero."""

    cost_usd: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_seconds: float | None = None
    time_to_first_token_seconds: float | None = None
    energy_joules: float | None = None
    energy_source: EnergySource | None = None


class Preference(msgspec.Struct, frozen=True):
    """Which of two was better: arms of a duel, or this decision and another."""

    preferred_arm: str = ""
    other_decision_id: str = ""
    preferred_decision_id: str = ""
    tie: bool = False


class Submission(msgspec.Struct, frozen=True):
    """Feedback as it was sent, well-formed, not yet checked against its decision."""

    decision_id: str
    feedback_id: str
    source: Source = Source.USER
    success: bool | None = None
    score: float | None = None
    preference: Preference | None = None
    failure: Failure | None = None
    usage: Usage | None = None
    arm: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """One value of feedback that stands, keyed by (decision, arm slot, kind, source)."""

    decision_id: str
    arm: int
    kind: Kind
    source: Source
    position: int
    update_time: float
    value: float | None = None
    failure: Failure | None = None
    usage: Usage | None = None


class Learned(msgspec.Struct, frozen=True):
    """The quality that the state holds for one arm of one decision.

    `epoch` is that of the policy when it was learned; see RevisionEvent.
    """

    decision_id: str
    arm: int
    value: float
    epoch: int


class Lesson(msgspec.Struct, frozen=True, array_like=True):
    """A change of one arm's quality: `old` None is new, `new` None is withdrawn."""

    arm: int
    context: bytes
    clock: float
    old: float | None
    new: float | None


class UsageLesson(msgspec.Struct, frozen=True, array_like=True):
    """A change of what one call of an arm is known to have taken."""

    arm: int
    clock: float
    old: Usage | None
    new: Usage


class Comparison(msgspec.Struct, frozen=True, array_like=True):
    """A preference with both its sides, for learners of preferences.

    `first_preferred` is 1, 0, or 0.5 for a tie.
    """

    first_arm: int
    first_context: bytes
    second_arm: int
    second_context: bytes
    second_decision_id: str
    clock: float
    first_preferred: float


class FeedbackEvent(msgspec.Struct, frozen=True, tag="feedback"):
    """One piece of feedback in the journal, with all that the fold needs."""

    feedback_id: str
    decision_id: str
    source: Source
    time: float
    effect: Effect
    lessons: tuple[Lesson, ...] = ()
    comparison: Comparison | None = None
    usage: UsageLesson | None = None
    failed_arm: int | None = None
    served_arm: int | None = None


class RevisionEvent(msgspec.Struct, frozen=True, tag="revision"):
    """A policy's configuration from here on.

    `epoch` rises when learning restarts, and when it forgets at another pace from here on;
    `started_epoch` is the one in which learning last began.
    """

    revision: int
    epoch: int
    started_epoch: int
    config: PolicyConfig
    time: float


Event = FeedbackEvent | RevisionEvent


class JournalEntry(msgspec.Struct, frozen=True):
    """An event at its place in a policy's journal."""

    position: int
    event: Event


class RecordedFeedback(msgspec.Struct, frozen=True):
    """What the service answered to a feedback id, for when it is sent again."""

    feedback_id: str
    digest: bytes
    position: int
    effect: Effect


class StoredPolicy(msgspec.Struct, frozen=True):
    """A policy's identity. `secret` keys its draws and its hashes of people."""

    id: int
    name: str
    secret: bytes
    create_time: float


class Routed(msgspec.Struct, frozen=True, gc=False):
    """A decision with the names that go back to the caller."""

    decision: Decision
    arm: str
    second_arm: str = ""


class Recorded(msgspec.Struct, frozen=True):
    """What became of a submission."""

    feedback_id: str
    position: int
    effect: Effect
    duplicate: bool = False


class PolicyView(msgspec.Struct, frozen=True):
    """A policy as its operator sees it."""

    config: PolicyConfig
    revision: int
    etag: str
    create_time: float
    update_time: float


class ArmStatistics(msgspec.Struct, frozen=True):
    """What was learned of one arm, without context. None is unknown."""

    arm: str
    observations: float
    mean_quality: float | None = None
    mean_cost_usd: float | None = None
    mean_latency_seconds: float | None = None
    mean_energy_joules: float | None = None
    failure_share: float | None = None


class StateView(msgspec.Struct, frozen=True):
    """What a policy has learned at one journal position."""

    position: int
    state_hash: str
    feature_version: str
    arms: tuple[ArmStatistics, ...]


class ArmExplanation(msgspec.Struct, frozen=True):
    """What one arm looked like to a decision."""

    arm: str
    probability: float
    ineligible_reason: str
    quality: float | None
    quality_deviation: float | None
    objective_offset: float
    shadow_probability: float | None


class Explanation(msgspec.Struct, frozen=True):
    """A decision, explained. `outcomes` are paired with the name of their arm."""

    policy: str
    routed: Routed
    context: tuple[float, ...]
    arms: tuple[ArmExplanation, ...]
    outcomes: tuple[tuple[str, Outcome], ...]
