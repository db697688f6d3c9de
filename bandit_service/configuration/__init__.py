"""What a policy's configuration may be, and how one becomes the next. Pure.

A configuration is checked whole whenever it changes, so that nothing which cannot
route ever gets into a journal.
"""

from bandit_service.configuration.building import (
    build,
    dearness,
    learns_choices,
    preference_learning_of,
    understood,
)
from bandit_service.configuration.changing import (
    arm_added,
    arm_state_changed,
    arm_updated,
    clock_of,
    replaced,
    updated,
    with_versions,
)
from bandit_service.configuration.checking import check, restarts
from bandit_service.configuration.fields import MOST_ARMS, check_features
from bandit_service.configuration.shapes import Change, Shape, ShapeOf

__all__ = [
    "MOST_ARMS",
    "Change",
    "Shape",
    "ShapeOf",
    "arm_added",
    "arm_state_changed",
    "arm_updated",
    "build",
    "check",
    "check_features",
    "clock_of",
    "dearness",
    "learns_choices",
    "preference_learning_of",
    "replaced",
    "restarts",
    "understood",
    "updated",
    "with_versions",
]
