"""A place to plan feedback at, without a database."""

from typing import Any

from bandit_service.model import Decision, FeedbackEvent, Lesson, PolicyConfig
from bandit_service.planning import plan
from bandit_service.standing import Standing, Terms
from tests.builders import NOW, VERSION, a_config, a_decision, a_submission

CONTEXT = a_decision().context


class Desk:
    """Plans one submission after another, as a batch does."""

    def __init__(self, *decisions: Decision, config: PolicyConfig | None = None) -> None:
        self.decisions = {d.id: d for d in decisions or (a_decision(),)}
        self.config, self.epoch, self.version = config or a_config(), 0, VERSION
        self.started_epoch: int | None = None  # if not the same
        self.standing = Standing([], [])
        self.position = 1

    def hear(self, **fields: Any) -> FeedbackEvent:
        started = self.epoch if self.started_epoch is None else self.started_epoch
        terms = Terms(self.config, self.epoch, started, 0, self.version)
        position, submission = self.position + 1, a_submission(**fields)
        event = plan(submission, self.decisions, terms, self.standing, position, NOW + position)
        self.position = position
        return event


def lesson(arm: int, old: float | None, new: float, context: bytes = CONTEXT) -> Lesson:
    return Lesson(arm, context, NOW, old, new)


def duel() -> Decision:
    return a_decision(arm=0, second_arm=2)
