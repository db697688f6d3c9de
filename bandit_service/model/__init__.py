"""The records and the vocabulary, shared by every part of the service.

Records are msgspec structs: frozen, quick to make, and written to the journal as
they are. Times are seconds since the epoch (UTC); `bytes` fields that hold numbers
are little-endian float64.
"""

from bandit_service.model.configuration import (
    Algorithm,
    Arm,
    Config,
    Features,
    Forgetting,
    Objective,
    PolicyConfig,
    TextFeatures,
    VectorFeatures,
)
from bandit_service.model.decisions import Claim, Decision, Query, Routed
from bandit_service.model.energy import (
    ArmAccount,
    CallEnergy,
    DeviceAccount,
    EnergyAccounts,
    RecordedEnergy,
)
from bandit_service.model.events import (
    Comparison,
    Event,
    FeedbackEvent,
    JournalEntry,
    Lesson,
    RevisionEvent,
    UsageLesson,
)
from bandit_service.model.feedback import (
    Learned,
    Outcome,
    Preference,
    Recorded,
    RecordedFeedback,
    Submission,
    Usage,
)
from bandit_service.model.ids import moment_of, smallest_id
from bandit_service.model.retention import Limits, Pruned
from bandit_service.model.views import (
    ArmExplanation,
    ArmStatistics,
    Explanation,
    Freshness,
    PolicyView,
    ReplicaHealth,
    StateView,
    StoredPolicy,
)
from bandit_service.model.words import (
    ArmState,
    Clock,
    Effect,
    EnergySource,
    Failure,
    Kind,
    Modality,
    Mode,
    PreferenceLearning,
    Source,
    WhenUnlogged,
)

__all__ = [
    "Algorithm",
    "Arm",
    "ArmAccount",
    "ArmExplanation",
    "ArmState",
    "ArmStatistics",
    "CallEnergy",
    "Claim",
    "Clock",
    "Comparison",
    "Config",
    "Decision",
    "DeviceAccount",
    "Effect",
    "EnergyAccounts",
    "EnergySource",
    "Event",
    "Explanation",
    "Failure",
    "Features",
    "FeedbackEvent",
    "Forgetting",
    "Freshness",
    "JournalEntry",
    "Kind",
    "Learned",
    "Lesson",
    "Limits",
    "Modality",
    "Mode",
    "Objective",
    "Outcome",
    "PolicyConfig",
    "PolicyView",
    "Preference",
    "PreferenceLearning",
    "Pruned",
    "Query",
    "Recorded",
    "RecordedEnergy",
    "RecordedFeedback",
    "ReplicaHealth",
    "RevisionEvent",
    "Routed",
    "Source",
    "StateView",
    "StoredPolicy",
    "Submission",
    "TextFeatures",
    "Usage",
    "UsageLesson",
    "VectorFeatures",
    "WhenUnlogged",
    "moment_of",
    "smallest_id",
]
