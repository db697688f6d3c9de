"""Random journals for the engine to fold."""

from typing import Any

import msgspec
import numpy as np

from bandit_service.configuration import replaced
from bandit_service.model import (
    Algorithm,
    Arm,
    ArmState,
    Event,
    Forgetting,
    Lesson,
    PolicyConfig,
    Usage,
    UsageLesson,
)
from tests.builders import NOW, a_config, a_feedback_event, a_revision

replace = msgspec.structs.replace


class RandomJournal:
    """Events as a service would write them: values are taught, revised and withdrawn, and
    between them arms come and go and settings change."""

    def __init__(self, seed: int, algorithm: str, half_life: float | None = None) -> None:
        self.rng = np.random.default_rng(seed)
        forgetting = Forgetting(half_life) if half_life else None
        self.config = a_config(algorithm=Algorithm(name=algorithm), forgetting=forgetting)
        self.revision, self.epoch, self.clock = 1, 0, NOW
        self.events: list[Event] = [a_revision(self.config)]
        self.taught: list[Lesson] = []
        self.usages: dict[int, UsageLesson] = {}

    def write(self, count: int) -> list[Event]:
        for step in range(count):
            self.clock += float(self.rng.exponential(20.0))
            if step % 17 == 16:
                self.revise()
            else:
                self.teach()
        return self.events

    def teach(self) -> None:
        lesson = self._lesson()
        failed = lesson.arm if self.rng.random() < 0.2 else None
        event = a_feedback_event(lesson, time=self.clock, usage=self._usage(), failed_arm=failed)
        if failed is None:
            event = replace(event, served_arm=lesson.arm)
        self.events.append(event)

    def _lesson(self) -> Lesson:
        value = float(self.rng.random())
        kind = self.rng.random()
        if self.taught and kind < 0.3:
            earlier = self.taught.pop(int(self.rng.integers(len(self.taught))))
            lesson = replace(earlier, old=earlier.new, new=None if kind < 0.1 else value)
        else:
            context = np.append(self.rng.normal(size=2), 1.0).tobytes()
            clock = self.clock - float(self.rng.exponential(30.0))  # feedback comes late
            lesson = Lesson(self._some_arm(), context, clock, None, value)
        if lesson.new is not None:
            self.taught.append(lesson)
        return lesson

    def _usage(self) -> UsageLesson:
        arm = self._some_arm()
        old = self.usages[arm].new if arm in self.usages and self.rng.random() < 0.3 else None
        cost, seconds = (float(number) for number in self.rng.random(2))
        lesson = UsageLesson(arm, self.clock, old, Usage(cost_usd=cost, latency_seconds=seconds))
        self.usages[arm] = lesson
        return lesson

    def _some_arm(self) -> int:
        living = [i for i, arm in enumerate(self.config.arms) if arm.state is not ArmState.REMOVED]
        return int(self.rng.choice(living))

    def revise(self) -> None:
        changes: list[dict[str, Any]] = [
            {"floor": float(self.rng.random())},
            {"arms": (*self.config.arms, Arm(name=f"arm {self.revision}"))},
            {"arms": self._with_state(ArmState.RETIRED)},
            {"arms": self._with_state(ArmState.REMOVED)},
            {"arms": self._with_version()},
        ]
        choice = int(self.rng.integers(len(changes) + 1))
        afresh = choice == len(changes)
        self._revise_to(replace(self.config, **({} if afresh else changes[choice])), afresh)

    def _with_state(self, state: ArmState) -> tuple[Arm, ...]:
        slot = self._some_arm()
        arms = list(self.config.arms)
        if slot:  # the first one stays
            arms[slot] = replace(arms[slot], state=state)
        return tuple(arms)

    def _with_version(self) -> tuple[Arm, ...]:
        """Another model behind one of the arms, declared where the next event will stand."""
        slot, position = self._some_arm(), len(self.events) + 1
        arms = list(self.config.arms)
        version = f"as of {position}"
        arms[slot] = replace(arms[slot], model_version=version, version_position=position)
        return tuple(arms)

    def _revise_to(self, config: PolicyConfig, afresh: bool) -> None:
        gone = {i for i, arm in enumerate(config.arms) if arm.state is ArmState.REMOVED}
        gone |= set(replaced(self.config, config))
        self.taught = [one for one in self.taught if not afresh and one.arm not in gone]
        self.usages = {arm: one for arm, one in self.usages.items() if arm not in gone}
        self.config, self.revision, self.epoch = config, self.revision + 1, self.epoch + afresh
        self.events.append(a_revision(config, self.revision, self.epoch))
