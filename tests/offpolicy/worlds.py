"""Logs whose truth is known: every arm's outcome on every query is there to be counted."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.logs.rows import Row
from bandit_service.evaluation.offpolicy.evidence import Evidence

Array = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """n queries, K arms: what each would earn on average, what logs it, and what is asked about."""

    contexts: Array
    means: Array
    logger: Array
    target: Array

    @property
    def truth(self) -> float:
        return float((self.target * self.means).sum(axis=1).mean())

    def logged(self, seed: int) -> tuple[NDArray[np.intp], Array]:
        """Arms drawn and successes seen, (n,) each."""
        rng = np.random.default_rng(seed)
        reached = np.cumsum(self.logger, axis=1)
        arms = (rng.random(len(reached))[:, None] > reached).sum(axis=1)
        arms = np.minimum(arms, self.means.shape[1] - 1)
        wins = rng.random(len(arms)) < self.means[np.arange(len(arms)), arms]
        return arms, wins.astype(np.float64)

    def evidence(self, seed: int, model: Array | None = None) -> Evidence:
        """With `model` (n, K) as what is expected of each arm."""
        arms, wins = self.logged(seed)
        rows = np.arange(len(arms))
        weights = self.target[rows, arms] / self.logger[rows, arms]
        if model is None:
            return Evidence.plain(weights, wins)
        expected = (self.target * model).sum(axis=1)
        taught = np.ones(len(arms), dtype=np.bool_)
        return Evidence(weights, wins, model[rows, arms], expected, taught)


def a_world(count: int = 400, arms: int = 4, seed: int = 0, floor: float = 0.1) -> World:
    """A logger that leans one way and a target that leans another."""
    rng = np.random.default_rng(seed)
    contexts = rng.normal(size=(count, 3))
    means = 1.0 / (1.0 + np.exp(-(contexts @ rng.normal(size=(3, arms)))))
    logger = floor / arms + (1.0 - floor) * softmax(contexts @ rng.normal(size=(3, arms)))
    target = softmax(3.0 * means)
    return World(contexts, means, logger, target)


def softmax(scores: Array) -> Array:
    made: Array = np.exp(scores - scores.max(axis=1, keepdims=True))
    made /= made.sum(axis=1, keepdims=True)
    return made


def rows_of(world: World, seed: int, **changes: Any) -> list[Any]:
    """The same as rows of a log."""
    arms, wins = world.logged(seed)
    names = [f"arm-{slot}" for slot in range(world.means.shape[1])]
    return [
        Row(
            **{
                "arm": names[arm],
                "propensity": float(chances[arm]),
                "probabilities": dict(zip(names, chances.tolist(), strict=True)),
                "context": [*context.tolist(), 1.0],
                "quality": win,
                "create_time": 1e9 + at,
                **changes,
            }
        )
        for at, (arm, win, chances, context) in enumerate(
            zip(arms.tolist(), wins.tolist(), world.logger, world.contexts, strict=True)
        )
    ]
