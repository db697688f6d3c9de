"""The records and the vocabulary, shared by every part of the service.

Records are msgspec structs: frozen, quick to make, and written to the journal as
they are. Times are seconds since the epoch (UTC); `bytes` fields that hold numbers
are little-endian float64.
"""

from bandit_service.model.configuration import (
    Algorithm,
    Arm,
    ArmWarmStart,
    Config,
    Features,
    Forgetting,
    Objective,
    PolicyConfig,
    TextFeatures,
    VectorFeatures,
    WarmStart,
)
from bandit_service.model.decisions import Decision, Query, Routed
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
from bandit_service.model.views import (
    ArmExplanation,
    ArmStatistics,
    Explanation,
    PolicyView,
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
)

__all__ = [
    "Algorithm",
    "Arm",
    "ArmExplanation",
    "ArmState",
    "ArmStatistics",
    "ArmWarmStart",
    "Clock",
    "Comparison",
    "Config",
    "Decision",
    "Effect",
    "EnergySource",
    "Event",
    "Explanation",
    "Failure",
    "Features",
    "FeedbackEvent",
    "Forgetting",
    "JournalEntry",
    "Kind",
    "Learned",
    "Lesson",
    "Modality",
    "Mode",
    "Objective",
    "Outcome",
    "PolicyConfig",
    "PolicyView",
    "Preference",
    "PreferenceLearning",
    "Query",
    "Recorded",
    "RecordedFeedback",
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
    "WarmStart",
]
