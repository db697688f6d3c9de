"""One pass over a log: what every estimator needs of each row, for every candidate at once.

Contexts are read, used and let go: what stays is a few numbers a row, in columns that spill to
disk, so a log of any width and length takes the memory of some blocks.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.logs.log import MEASURES, Log
from bandit_service.evaluation.logs.traffic import Traffic
from bandit_service.evaluation.offpolicy.adaptive import spread_of
from bandit_service.evaluation.offpolicy.direct import RidgeByArm, means_so_far, mrdr_weights
from bandit_service.evaluation.offpolicy.duels import DuelsSoFar
from bandit_service.evaluation.offpolicy.fitting import with_constant
from bandit_service.evaluation.offpolicy.loggers import Loggers
from bandit_service.evaluation.offpolicy.moments import Moments
from bandit_service.evaluation.offpolicy.propensity import LogLoss, PropensityModel
from bandit_service.evaluation.offpolicy.spooling import Column
from bandit_service.evaluation.offpolicy.targets import Logged, Target

STRANGE = 0.01  # of a candidate's choices, that may go to arms whose cost was never told

Array = NDArray[np.float64]
Slots = NDArray[np.intp]


def _columns() -> dict[str, Column]:
    return {name: Column() for name in MEASURES}


@dataclass(slots=True)
class Shared:
    """What does not depend on the candidate. n judged rows, K arms, B blocks."""

    arms: tuple[str, ...]
    outcomes: dict[str, Column]  # (n,), NaN where unknown
    modelled: dict[str, Column]  # (n,)
    taught: dict[str, Column]  # (n,) bool
    clusters: Column = field(default_factory=Column)
    segments: Column = field(default_factory=Column)  # (n,) places in segment_names
    segment_names: dict[str, int] = field(default_factory=dict)
    drawn: Array = field(default_factory=lambda: np.zeros(0))  # (K,) times drawn
    least: Array = field(default_factory=lambda: np.zeros(0))  # (K,) least propensity
    inverse: Array = field(default_factory=lambda: np.zeros(0))  # (K,) sum of 1/p where drawn
    squares: Array = field(default_factory=lambda: np.zeros(0))  # (K,) sum of 1/p^2 where drawn
    possible: Array = field(default_factory=lambda: np.zeros(0))  # (K,) rows where it had a chance
    rows: int = 0
    is_full: bool = False  # whether every arm's chance was logged

    segment_rows: Counter[str] = field(default_factory=Counter)
    known: dict[str, int] = field(default_factory=dict)  # rows of each measure
    heard: dict[str, Array] = field(default_factory=dict)  # (K,) the same by arm
    estimated: LogLoss = field(default_factory=LogLoss)  # propensities, if they are
    taught_rows: dict[str, int] = field(default_factory=dict)  # those whose model knew something

    def measures(self, one: "Gathered | None" = None) -> list[str]:
        """Those that are known of any row; and, for a candidate, of the arms that it chooses."""
        known = [name for name in MEASURES if self.known.get(name)]
        if one is None:
            return known
        return [name for name in known if name == "quality" or self.unheard(one, name) <= STRANGE]

    def unheard(self, one: "Gathered", measure: str) -> float:
        """Share of what a candidate would choose that goes to arms of which it was never told.

        Rows of which it was told are then no sample of what the candidate would do: its few calls
        of other arms would stand for all of them.
        """
        return float(one.chosen[self.heard[measure] == 0.0].sum()) / self.rows


@dataclass(slots=True)
class Gathered:
    """What depends on the candidate."""

    target: Target
    weights: Column = field(default_factory=Column)  # (n,)
    expected: dict[str, Column] = field(default_factory=dict)  # (n,) each
    robust: tuple[Column, Column] | None = None  # q(x, a) and its mean, by the MRDR model
    chosen: Array = field(default_factory=lambda: np.zeros(0))  # (K,) sum of its chances
    overlap: float = 0.0  # sum over rows of the share that could have been drawn
    most: float = 0.0  # the largest weight that any draw could have had
    spreads: list[float] = field(default_factory=list)  # (B,)
    moments: Moments = field(default_factory=Moments)  # of its weights
    powers: Counter[int] = field(default_factory=Counter)  # weights by powers of two, 0 apart
    largest: dict[str, float] = field(default_factory=dict)  # weight where a measure is known

    @property
    def drifts(self) -> bool:
        """Whether it went on learning while it was logged: then it was no one policy."""
        return isinstance(self.target, Logged)

    @property
    def effective_size(self) -> float:
        squares = self.moments.sum_of_squares
        return self.moments.sum**2 / squares if squares else 0.0


class Gathering:
    """Fills the above, block after block. See `gather`."""

    def __init__(
        self,
        traffic: Traffic,
        targets: Sequence[Target],
        robust: bool,
        propensities: PropensityModel | None,
        loggers: Loggers | None,
    ) -> None:
        arms, dim = len(traffic.arms), traffic.dim
        self._propensities, self._loggers = propensities, loggers
        self._models = {name: RidgeByArm(arms, dim) for name in MEASURES}
        self.shared = Shared(traffic.arms, _columns(), _columns(), _columns())
        self.shared.drawn, self.shared.inverse = np.zeros((2, arms))
        self.shared.squares, self.shared.possible = np.zeros((2, arms))
        self.shared.is_full = traffic.knows_all
        self.duels = DuelsSoFar(arms)
        self.shared.least = np.full(arms, np.inf)
        self.each = [Gathered(target, chosen=np.zeros(arms)) for target in targets]
        for one in self.each:
            one.expected = _columns()
            one.robust = (Column(), Column()) if robust else None
        self._robust = [RidgeByArm(arms, dim) for _ in targets] if robust else []
        self._known = [name for name in MEASURES if traffic.known_outcomes.get(name)]

    def teach(self, block: Log) -> None:
        """Decisions that are not judged: everybody learns from them."""
        for one in self.each:
            if one.target.learns:
                one.target.teach(block)
        self._learn(block)

    def _with_propensities(self, block: Log) -> Log:
        """Estimated ones, where that is asked for."""
        if self._propensities is None:
            return block
        chances = self._propensities.predict(block.contexts)
        self.shared.estimated.add(chances, block.chosen)
        return replace(block, propensities=chances[np.arange(len(block)), block.chosen])

    def _learn(self, block: Log) -> None:
        if self._propensities is not None:
            self._propensities.learn(block.contexts, block.chosen)
        for name in self._known:
            self._models[name].learn(block.contexts, block.chosen, block.outcomes[name])

    def judge(self, block: Log) -> None:
        """Everybody says what they would do; the models learn only afterwards."""
        block = self._with_propensities(block)
        shared, rows = self.shared, np.arange(len(block))
        expectations = {}
        for name in self._known:
            model = self._models[name]
            expectations[name] = (
                model.predict(block.contexts)
                if model.is_taught
                else means_so_far(block.chosen, block.outcomes[name], len(block.arms))
            )
            shared.outcomes[name].add(block.outcomes[name])
            told = ~np.isnan(block.outcomes[name])
            heard = int(told.sum())
            by_arm = np.bincount(block.chosen[told], minlength=len(block.arms)).astype(np.float64)
            shared.heard[name] = shared.heard.get(name, 0.0) + by_arm
            shared.known[name] = shared.known.get(name, 0) + heard
            if model.is_taught:
                shared.taught_rows[name] = shared.taught_rows.get(name, 0) + heard
            shared.modelled[name].add(expectations[name][rows, block.chosen])
            shared.taught[name].add(np.full(len(block), model.is_taught))
        shared.clusters.add(block.clusters)
        shared.segments.add(self._places(block))
        met = (block.seconds >= 0) & ~np.isnan(block.preferences)
        pairs = block.chosen[met], block.seconds[met]
        self.duels.add(*pairs, block.pairs[met], block.preferences[met])
        self._count(block)
        drawn = block if self._loggers is None else self._loggers.balanced(block)
        for at, one in enumerate(self.each):
            chances = one.target.probabilities(block)
            self._weigh(one, drawn, chances)
            for name, expectation in expectations.items():
                one.expected[name].add(np.einsum("nk,nk->n", chances, expectation))
            if one.robust is not None:
                model, target = self._robust[at], chances[rows, block.chosen]
                expectation = model.predict(block.contexts)
                one.robust[0].add(expectation[rows, block.chosen])
                one.robust[1].add(np.einsum("nk,nk->n", chances, expectation))
                weights = mrdr_weights(target, drawn.propensities)
                model.learn(block.contexts, block.chosen, block.quality, weights)
        self._learn(block)

    def _places(self, block: Log) -> NDArray[np.int32]:
        names, said = self.shared.segment_names, list(map(str, block.segments.tolist()))
        self.shared.segment_rows.update(said)
        for name in said:
            names.setdefault(name, len(names))
        return np.array(list(map(names.__getitem__, said)), dtype=np.int32)

    def _count(self, block: Log) -> None:
        shared, chosen, arms = self.shared, block.chosen, len(block.arms)
        inverse = 1.0 / block.propensities
        shared.drawn += np.bincount(chosen, minlength=arms)
        shared.inverse += np.bincount(chosen, weights=inverse, minlength=arms)
        shared.squares += np.bincount(chosen, weights=inverse**2, minlength=arms)
        shared.possible += (
            float(len(block)) if block.probabilities is None else (block.probabilities > 0).sum(0)
        )
        np.fmin.at(shared.least, chosen, block.propensities)
        shared.rows += len(block)

    def _weigh(self, one: Gathered, block: Log, chances: Array) -> None:
        rows = np.arange(len(block))
        weights = chances[rows, block.chosen] / block.propensities
        one.weights.add(weights)
        one.moments.add(weights)
        if not np.isnan(weights).any():
            one.powers.update((np.frexp(weights[weights > 0.0])[1] - 1).tolist())
        for name in self._known:
            heard = weights[~np.isnan(block.outcomes[name])]
            one.largest[name] = max(one.largest.get(name, 0.0), float(heard.max(initial=0.0)))
        one.chosen += chances.sum(axis=0)
        if block.probabilities is not None:
            possible = block.probabilities > 0.0
            one.overlap += float(chances[possible].sum())
            ratio = chances / np.where(possible, block.probabilities, np.inf)
            one.most = max(one.most, float(ratio.max()))
            one.spreads.append(spread_of(chances, block.probabilities))


def gather(
    traffic: Traffic,
    targets: Sequence[Target],
    *,
    training: int,
    rows: int,
    robust: bool = False,
    propensities: PropensityModel | None = None,
    loggers: Loggers | None = None,
) -> Gathering:
    """The first `training` decisions teach, the others are judged, `rows` at a time. With a model
    of propensities, its estimates stand in for those that the log lacks; with loggers, their
    mixture for those of each."""
    made = Gathering(traffic, targets, robust, propensities, loggers)
    seen = 0
    for block in traffic.blocks(rows):
        cut = min(max(training - seen, 0), len(block))
        if cut:
            made.teach(block.rows(slice(0, cut)))
        if cut < len(block):
            made.judge(block.rows(slice(cut, None)))
        seen += len(block)
    if not traffic.knows_all:
        for one in made.each:
            ever = made.shared.drawn > 0
            one.overlap = float(one.chosen[ever].sum())
    return made


def dim_of(traffic: Traffic) -> int:
    """Numbers that a policy is given beside the constant, at least 1."""
    block = next(traffic.blocks(1000))
    given = traffic.dim - 1 if with_constant(block.contexts) else traffic.dim
    return max(1, given)
