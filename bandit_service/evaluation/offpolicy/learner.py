"""A policy as the service would run it, taught by a log and asked about it."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

import policies
from bandit_service import configuration
from bandit_service.eligibility import Eligibility, Exclusion
from bandit_service.engine import PolicyEngine
from bandit_service.errors import BadInput, InvalidField
from bandit_service.evaluation.contestants import Contestant, shape_of
from bandit_service.evaluation.logs.log import Log
from bandit_service.evaluation.offpolicy.fitting import fitting
from bandit_service.model import (
    Arm,
    Clock,
    Comparison,
    Effect,
    EnergySource,
    Features,
    FeedbackEvent,
    JournalEntry,
    Lesson,
    Mode,
    Objective,
    PolicyConfig,
    PreferenceLearning,
    Query,
    RevisionEvent,
    StoredPolicy,
    Usage,
    UsageLesson,
    VectorFeatures,
)
from bandit_service.offsets import Offsets, offsets

Array = NDArray[np.float64]

_START = 0.0
_NOTHING = Usage()


class Learner:
    """A policy as the service would run it: its own learner, objective and floor.

    It sees the log's contexts as they are. Its arms are the log's, or those of them that it names.
    """

    def __init__(self, contestant: Contestant, arms: Sequence[str], dim: int, seed: int) -> None:
        self.label, self.description = contestant.label, contestant.description
        self._made_of = contestant, arms, dim, seed
        self._columns, config = _fitted(contestant, arms, dim)
        self._slots = {column: slot for slot, column in enumerate(self._columns)}
        self.learns = config.algorithm.name != "uniform" or config.mode is Mode.OBSERVE
        engine = PolicyEngine(StoredPolicy(1, config.name, b"replay %d" % seed, _START), shape_of)
        engine.apply(JournalEntry(1, RevisionEvent(1, 0, 0, config, _START)))
        self._serve(engine, 0.0)

    def _serve(self, engine: PolicyEngine, clock: float) -> None:
        """As the engine would, but that retired arms may still be taught."""
        self.engine, self._config, self._clock, self._taught = engine, engine.config, clock, 0
        self._open = Eligibility(engine.config).everything == Exclusion.NONE

    def fresh(self) -> "Learner":
        return Learner(*self._made_of)

    def teach(self, block: Log) -> None:
        """Raises InvalidField where it learns from chances that the log does not tell."""
        for row in range(len(block)):
            self._taught += 1
            slot = self._slots.get(int(block.chosen[row]))
            if slot is None:
                continue
            self._clock = self._moment(block, row)
            event = self._lesson(block, row, slot)
            if event is not None:
                self.engine.apply(JournalEntry(self.engine.position + 1, event))

    def probabilities(self, block: Log, price: float = 0.0) -> Array:
        """With a dollar worth `price` points of quality more than its objective says."""
        engine, config = self.engine, self._config
        eligible = block.eligible[:, self._columns] & self._open
        if config.mode is Mode.OBSERVE:
            served = engine.names.index(config.default_arm)
            check_served(self.label, eligible[:, [served]], len(block))
            mine = np.zeros(eligible.shape)
            mine[:, served] = 1.0
        else:
            check_served(self.label, eligible, len(block))
            open_arms = None if eligible.all() else eligible
            queries = _queries(block)
            weighed = _sum(
                offsets(objective, config.arms, engine.calls, queries)
                for objective in (config.objective, Objective(quality_per_usd=price))
            )
            learner = engine.policy.probabilities(
                engine.state,
                fitting(block.contexts, engine.shape.dim),
                eligible=open_arms,
                offsets=weighed,
                clock=self._clock,
            )
            mine = policies.with_floor(learner, open_arms, config.floor)
        chances = np.zeros((len(block), len(block.arms)))
        chances[:, self._columns] = mine
        return chances

    def _moment(self, block: Log, row: int) -> float:
        """The decision's clock: its time where known, else its number."""
        time = float(block.times[row])
        if configuration.clock_of(self._config) is Clock.REQUESTS or np.isnan(time):
            return float(self._taught)
        return time

    def _lesson(self, block: Log, row: int, slot: int) -> FeedbackEvent | None:
        """What the journal would keep of what came of a decision."""
        quality, cost, latency, joules = (
            None if np.isnan(values[row]) else float(values[row])
            for values in block.outcomes.values()
        )
        source = None if joules is None else EnergySource.ESTIMATED
        usage = Usage(cost, None, None, latency, None, joules, source)
        context = fitting(block.contexts[row : row + 1], self.engine.shape.dim).tobytes()
        lessons: tuple[Lesson, ...] = ()
        if quality is not None:
            chances = self._chances(block, row)
            lessons = (Lesson(slot, context, self._clock, None, quality, chances=chances),)
        verdict = self._verdict(block, row, slot, context)
        if not lessons and verdict is None and usage == _NOTHING:
            return None
        name = f"row-{self._taught}"
        return FeedbackEvent(
            name,
            name,
            self._config.quality_sources[0],
            self._clock,
            Effect.LEARNED if lessons or verdict else Effect.RECORDED,
            lessons,
            verdict,
            None if usage == _NOTHING else UsageLesson(slot, self._clock, None, usage),
            None,
            slot,
        )

    def _verdict(self, block: Log, row: int, slot: int, context: bytes) -> Comparison | None:
        """Of a duel, for who learns from those."""
        other = self._slots.get(int(block.seconds[row]))
        preferred = float(block.preferences[row])
        learns = self._config.preference_learning is PreferenceLearning.AS_PAIRS
        if other is None or np.isnan(preferred) or not learns:
            return None
        name = f"row-{self._taught}"
        sides = slot, context, other, context
        return Comparison(*sides, name, self._clock, preferred, is_taught=True, is_ordered=True)

    def _chances(self, block: Log, row: int) -> bytes:
        """Those that its own arms were drawn by, as one of them was; as the service has it, none
        for who does not learn from them, and of a duel."""
        policy = self.engine.policy
        if not isinstance(policy, policies.LearnsChoices) or block.seconds[row] >= 0:
            return b""
        if block.probabilities is None:
            if not policy.follows_choices():
                return b""
            raise InvalidField(
                f"policy {self.label!r}",
                "learns from the chances that all arms had, and the log tells only that of the arm "
                "drawn: log `probabilities`, or leave it out",
            )
        mine: Array = block.probabilities[row, self._columns]
        mine = mine / mine.sum()
        return mine.tobytes()


def _fitted(
    contestant: Contestant, arms: Sequence[str], dim: int
) -> tuple[list[int], PolicyConfig]:
    """The log's column of each of its slots, and the configuration with arms and features."""
    where = f"policy {contestant.label!r}"
    config = contestant.config
    chosen = config.arms or tuple(Arm(name=name) for name in arms)
    for arm in chosen:
        if arm.name not in arms:
            raise InvalidField(where, f"its arm {arm.name!r} is not in the log; {listed(arms)}")
    features = Features(vector=VectorFeatures(dimension=dim))
    try:
        config = replace(config, arms=chosen, features=features)
        config = configuration.check(config, shape_of)
    except BadInput as error:
        raise InvalidField(where, str(error)) from error
    return [list(arms).index(arm.name) for arm in chosen], config


def check_served(label: str, eligible: Any, count: int) -> None:
    lost = int((~eligible.any(axis=1)).sum())
    if lost:
        raise InvalidField(
            f"policy {label!r}",
            f"none of its arms could be chosen on {lost:,} of {count:,} logged decisions",
        )


def _sum(weighed: Iterable[Offsets | None]) -> Array | None:
    added = [each.added for each in weighed if each is not None]
    return sum(added[1:], added[0]) if added else None


def _queries(block: Log) -> list[Query]:
    if np.isnan(block.tokens).all():
        return [Query("")] * len(block)
    return [
        Query(
            "",
            input_tokens=None if np.isnan(read) else int(read),
            output_tokens=None if np.isnan(written) else int(written),
        )
        for read, written in block.tokens.tolist()
    ]


def listed(arms: Sequence[str]) -> str:
    return f"known: {', '.join(arms)}"
