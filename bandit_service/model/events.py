"""The journal: feedback and revisions, with all that the fold of them needs."""

import msgspec

from bandit_service.model.configuration import PolicyConfig
from bandit_service.model.feedback import Usage
from bandit_service.model.words import Effect, Source


class Lesson(msgspec.Struct, frozen=True, array_like=True):
    """A change of one arm's quality: `old` None is new, `new` None is withdrawn.

    `chances` (K,) float64 are those that the arm was drawn by, for policies that learn from them;
    empty for others.
    `position` is where its decision was made; written where the policy has challengers, which
    learn from what was decided after they came.
    """

    arm: int
    context: bytes
    clock: float
    old: float | None
    new: float | None
    chances: bytes = b""
    position: int | None = None


class UsageLesson(msgspec.Struct, frozen=True, array_like=True):
    """A change of what one call of an arm is known to have taken."""

    arm: int
    clock: float
    old: Usage | None
    new: Usage


class Comparison(msgspec.Struct, frozen=True, array_like=True):
    """A preference with both its sides, for learners of preferences.

    `first_preferred` is 1, 0, or 0.5 for a tie. `is_taught` where the policy learned pairs, and
    learned this one; `old` is the value that it then took the place of. `is_ordered` where both
    came in one decision, whose first arm is the one to show first.
    """

    first_arm: int
    first_context: bytes
    second_arm: int
    second_context: bytes
    second_decision_id: str
    clock: float
    first_preferred: float
    is_taught: bool = False
    old: float | None = None
    is_ordered: bool = False


class FeedbackEvent(msgspec.Struct, frozen=True, tag="feedback"):
    """One piece of feedback in the journal, with all that the fold needs.

    `failed_arm` and `served_arm` are slots whose call is known by now to have failed, or to have
    answered. `recounted` where the call counts already, as the opposite.
    """

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
    recounted: bool = False


class RevisionEvent(msgspec.Struct, frozen=True, tag="revision"):
    """A policy's configuration from here on.

    `epoch` rises when learning restarts, and when it forgets at another pace from here on;
    `started_epoch` is the one in which learning last began. `fold_version` is that of the program
    that wrote it; the first one did not say so yet. `author` is who made the change, where somebody
    said, and `reason` why. `promoted` is the challenger that takes the incumbent's place, with
    all that it has learned.
    """

    revision: int
    epoch: int
    started_epoch: int
    config: PolicyConfig
    time: float
    fold_version: int = 1
    author: str = ""
    reason: str = ""
    promoted: str = ""


class Unread(msgspec.Struct, frozen=True):
    """An event that a newer program wrote and this one does not understand; never stored."""

    why: str


Event = FeedbackEvent | RevisionEvent


class JournalEntry(msgspec.Struct, frozen=True):
    """An event at its place in a policy's journal."""

    position: int
    event: Event | Unread
