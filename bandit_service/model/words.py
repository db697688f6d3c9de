"""The words of the vocabulary that have a fixed set of values."""

from enum import StrEnum


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


class OtherKind(StrEnum):
    """Why a call was made beside the arm's own, for the same decision."""

    RETRY = "retry"
    CASCADE = "cascade"
    JUDGE = "judge"


class Mode(StrEnum):
    """Whether the learner's choice is served."""

    ACT = "act"
    OBSERVE = "observe"


class Clock(StrEnum):
    """What forgetting counts: seconds, or decisions of the policy."""

    TIME = "time"
    REQUESTS = "requests"


class PreferenceLearning(StrEnum):
    """How preferences teach: not at all; the better as 1 and the worse as 0; or as what they are,
    to an algorithm that learns pairs."""

    IGNORE = "ignore"
    AS_QUALITY = "as_quality"
    AS_PAIRS = "as_pairs"


class WhenUnlogged(StrEnum):
    """What is answered once no more decisions can be kept for the log."""

    REJECT = "reject"
    FALLBACK = "fallback"


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
    MODEL_REPLACED = "model_replaced"


class Kind(StrEnum):
    """What a piece of feedback says."""

    SUCCESS = "success"
    SCORE = "score"
    PREFERENCE = "preference"
    FAILURE = "failure"
    USAGE = "usage"


class Resource(StrEnum):
    """What a budget limits."""

    USD = "usd"
    JOULES = "joules"


class WhenExhausted(StrEnum):
    """What happens to a query that no arm can be paid for."""

    CHEAPEST = "cheapest"  # served all the same, by what takes least; the excess is reported
    FALLBACK = "fallback"  # served by a named arm, as one the budget does not limit
    REFUSE = "refuse"
