"""Warm starts from what is known beforehand: outcomes, preferences, sibling arms, arms' metadata.

Each gives a `WarmStart`, the part of a policy's configuration that its learner starts from.
"""

from bandit_service.evaluation.warm_start.metadata import Metadata, from_metadata, metadata_of
from bandit_service.evaluation.warm_start.outcomes import from_outcomes
from bandit_service.evaluation.warm_start.pilot import Strength, from_preferences_as_pilot
from bandit_service.evaluation.warm_start.preferences import (
    Verdicts,
    from_preferences,
    verdicts_of,
)
from bandit_service.evaluation.warm_start.siblings import from_siblings

__all__ = [
    "Metadata",
    "Strength",
    "Verdicts",
    "from_metadata",
    "from_outcomes",
    "from_preferences",
    "from_preferences_as_pilot",
    "from_siblings",
    "metadata_of",
    "verdicts_of",
]
