"""The policies in question: what each of them would do on every logged query."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

import policies
from bandit_service import configuration
from bandit_service.eligibility import Eligibility, Exclusion
from bandit_service.engine import PolicyEngine
from bandit_service.errors import BadInput, InvalidField
from bandit_service.evaluation.contestants import Contestant, named, shape_of
from bandit_service.evaluation.logs.log import Log
from bandit_service.evaluation.offpolicy.fitting import fitting
from bandit_service.model import (
    Arm,
    Clock,
    Effect,
    EnergySource,
    Features,
    FeedbackEvent,
    JournalEntry,
    Lesson,
    Mode,
    Objective,
    PolicyConfig,
    Query,
    RevisionEvent,
    StoredPolicy,
    Usage,
    UsageLesson,
    VectorFeatures,
)
from bandit_service.offsets import Offsets, offsets

Array = NDArray[np.float64]

ARM, CHALLENGER = "arm:", "challenger:"
_START = 0.0
_NOTHING = Usage()


class Target(Protocol):
    """A policy that is asked what it would do.

    learns   whether what it does depends on what it was taught
    """

    label: str
    description: str
    learns: bool

    def fresh(self) -> "Target":
        """The same before it was taught anything."""
        ...

    def teach(self, block: Log) -> None:
        """Learns from logged decisions, in order."""
        ...

    def probabilities(self, block: Log) -> Array:
        """Its chance of every arm of the log, (n, K), as far as it has been taught. Raises BadInput
        where it could not have served a query."""
        ...


class OneArm:
    """Always the same arm."""

    learns = False

    def __init__(self, arm: str, arms: Sequence[str]) -> None:
        if arm not in arms:
            raise InvalidField(f"policy {ARM + arm!r}", f"there is no arm {arm!r}; {_known(arms)}")
        self.label, self.description = ARM + arm, f"always {arm}"
        self._slot = list(arms).index(arm)

    def fresh(self) -> Target:
        return self

    def teach(self, block: Log) -> None:
        """There is nothing to learn."""

    def probabilities(self, block: Log) -> Array:
        _check_served(self.label, block.eligible[:, [self._slot]], len(block))
        chances = np.zeros((len(block), len(block.arms)))
        chances[:, self._slot] = 1.0
        return chances


class Logged:
    """The incumbent, or a challenger, by the chances that were logged of it: nothing is computed
    again, and what it had learned by then is in them."""

    learns = False

    def __init__(self, name: str) -> None:
        self.label = CHALLENGER + name
        self.description = f"{name}, as it decided beside the others when the log was written"
        self._name = name

    def fresh(self) -> Target:
        return self

    def teach(self, block: Log) -> None:
        """It has learned by itself."""

    def probabilities(self, block: Log) -> Array:
        known = block.asides.get(self._name)
        missing = len(block) if known is None else int(np.isnan(known).any(axis=1).sum())
        if known is None or missing:
            raise InvalidField(
                f"policy {self.label!r}",
                f"of {missing} decisions its probabilities were not logged; leave out those of "
                "before it came, with --since, or before it last failed",
            )
        return known


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
            _check_served(self.label, eligible[:, [served]], len(block))
            mine = np.zeros(eligible.shape)
            mine[:, served] = 1.0
        else:
            _check_served(self.label, eligible, len(block))
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
        if quality is None and usage == _NOTHING:
            return None
        context = fitting(block.contexts[row : row + 1], self.engine.shape.dim).tobytes()
        lessons = () if quality is None else (Lesson(slot, context, self._clock, None, quality),)
        name = f"row-{self._taught}"
        return FeedbackEvent(
            name,
            name,
            self._config.quality_sources[0],
            self._clock,
            Effect.LEARNED if lessons else Effect.RECORDED,
            lessons,
            None,
            None if usage == _NOTHING else UsageLesson(slot, self._clock, None, usage),
            None,
            slot,
        )


def target(text: str, arms: Sequence[str], dim: int, seed: int = 0) -> Target:
    """A target by name: `arm:NAME`, or a policy as `contestants.named` has them.

    Raises InvalidField, which says what is known.
    """
    if text.startswith(ARM):
        return OneArm(text.removeprefix(ARM), arms)
    return Learner(named(text), arms, dim, seed)


def _fitted(
    contestant: Contestant, arms: Sequence[str], dim: int
) -> tuple[list[int], PolicyConfig]:
    """The log's column of each of its slots, and the configuration with arms and features."""
    where = f"policy {contestant.label!r}"
    config = contestant.config
    chosen = config.arms or tuple(Arm(name=name) for name in arms)
    for arm in chosen:
        if arm.name not in arms:
            raise InvalidField(where, f"its arm {arm.name!r} is not in the log; {_known(arms)}")
    features = Features(vector=VectorFeatures(dimension=dim))
    try:
        config = replace(config, arms=chosen, features=features)
        config = configuration.check(config, shape_of)
    except BadInput as error:
        raise InvalidField(where, str(error)) from error
    return [list(arms).index(arm.name) for arm in chosen], config


def _check_served(label: str, eligible: Any, count: int) -> None:
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


def _known(arms: Sequence[str]) -> str:
    return f"known: {', '.join(arms)}"
