"""Learners in worlds that change and tell nobody: what they lose, and how long they take to notice.

Lost is, summed over the stream, what the best arm of each phase would have earned more. A learner
has recovered with the first of 50 requests in a row of which seven in ten go to an arm within .01
of the phase's best; where that does not come before the phase ends, the phase's length stands.

file order  the four snapshots of LLMDrift, task after task as the file has them
releases    two arms, each served from its release of March and from half on from the one of June
degraded    two of ParetoBandit's arms, the best and the cheapest: the best loses .3 for the middle
            third and then has it back
price       ParetoBandit's four at 20 points a USD: the best by these terms costs 20 times as much
            for the middle third. Prices are learned from bills
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np

from bandit_service.evaluation.contestants import Contestant, named
from bandit_service.evaluation.runs import Run
from bandit_service.evaluation.table import Rows
from bandit_service.evaluation.validation import with_arms
from benchmarks.learning.ground import Ground
from benchmarks.learning.kept import Kept
from policies.policy import Array

PLAIN = "linucb"
LEARNERS = {
    PLAIN: "linucb",
    "discounted": "d_linucb:half_life=250",
    "windowed": "sw_linucb:window=500",
    "alarmed": "alarmed_linucb",
    "default": "default",
    "default, half-life 250": "default:half_life=250",
}
SPAN, SHARE, NEAR = 50, 0.7, 0.01
WORTH, DEARER, WORSE = 20.0, 20.0, 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A stream as it is found: `value` (T, K) of each answer; phases begin at 0 and `changes`."""

    ground: Ground
    value: Array
    changes: tuple[int, ...]
    worth: float = 0.0

    def bounds(self) -> list[tuple[int, int]]:
        edges = (0, *self.changes, len(self.value))
        return list(pairwise(edges))

    def lost(self, arms: Rows) -> float:
        got = self.value[np.arange(len(arms)), arms]
        return sum(
            float(self.value[a:b].mean(axis=0).max() * (b - a) - got[a:b].sum())
            for a, b in self.bounds()
        )

    def waits(self, arms: Rows) -> list[float]:
        """Requests until recovery after each change."""
        return [self._wait(arms[a:b], self.value[a:b].mean(axis=0)) for a, b in self.bounds()[1:]]

    def _wait(self, arms: Rows, means: Array) -> float:
        good = (means >= means.max() - NEAR)[arms].astype(np.float64)
        span = min(SPAN, len(good))
        shares = np.convolve(good, np.ones(span) / span, mode="valid")
        found = np.flatnonzero(shares >= SHARE)
        return float(found[0]) if len(found) else float(len(arms))


def in_file_order(ground: Ground, seed: int) -> Scene:
    tasks = ground.table.tasks
    changes = tuple(row for row in range(1, len(tasks)) if tasks[row] != tasks[row - 1])
    return Scene(ground, ground.table.quality, changes)


def releases(ground: Ground, seed: int) -> Scene:
    """Arms "gpt-4" and "gpt-3.5-turbo", whose columns are those of March and then those of June."""
    made = _shuffled(ground, seed)
    names, half = made.table.arm_names, len(made.table) // 2
    early = [names.index(name) for name in ("gpt-4-0314", "gpt-3.5-turbo-0301")]
    late = [names.index(name) for name in ("gpt-4-0613", "gpt-3.5-turbo-0613")]
    table = with_arms(made.table, np.array(early))
    after = with_arms(made.table, np.array(late))

    def turned(before: Array, now: Array) -> Array:
        return np.concatenate((before[:half], now[half:]))

    quality, cost = turned(table.quality, after.quality), turned(table.cost_usd, after.cost_usd)
    table = replace(table, quality=quality, cost_usd=cost)
    return Scene(Ground(table, made.contexts), quality, (half,))


def degraded(ground: Ground, seed: int) -> Scene:
    made = _shuffled(ground, seed)
    quality = made.table.quality
    chosen = [int(quality.mean(axis=0).argmax()), int(made.table.cost_usd.mean(axis=0).argmin())]
    table = with_arms(made.table, np.array(chosen))
    third, quality = len(table) // 3, table.quality.copy()
    middle = quality[third : 2 * third, 0]
    quality[third : 2 * third, 0] = np.maximum(middle - WORSE, 0.0)
    table = replace(table, quality=quality)
    return Scene(Ground(table, made.contexts), quality, (third, 2 * third))


def priced(ground: Ground, seed: int) -> Scene:
    made = _shuffled(ground, seed)
    table, third = made.table, len(made.table) // 3
    best = int((table.quality - WORTH * table.cost_usd).mean(axis=0).argmax())
    cost = table.cost_usd.copy()
    cost[third : 2 * third, best] *= DEARER
    table = replace(table, cost_usd=cost)
    value = table.quality - WORTH * cost
    return Scene(Ground(table, made.contexts), value, (third, 2 * third), WORTH)


SCENES: dict[str, tuple[str, Callable[[Ground, int], Scene]]] = {
    "file order": ("llmdrift", in_file_order),
    "releases": ("llmdrift", releases),
    "degraded": ("paretobandit", degraded),
    "price": ("paretobandit", priced),
}


def _shuffled(ground: Ground, seed: int) -> Ground:
    return ground.of_rows(np.random.default_rng((seed, 4)).permutation(len(ground.table)))


def contestant(learner: str, worth: float) -> Contestant:
    said = LEARNERS[learner]
    if worth:
        said += f"{',' if ':' in said else ':'}quality_per_usd={worth:g}"
    return named(said)


def run(scene: Scene, learner: str, seed: int) -> list[float]:
    """What was lost, and the wait after each change."""
    made: Run = scene.ground.run(contestant(learner, scene.worth), seed)
    return [scene.lost(made.arms), *scene.waits(made.arms)]


def phases(ground: Ground, name: str) -> list[int]:
    """Lengths of the phases after each change: the wait of a learner that never recovered."""
    return [end - begin for begin, end in SCENES[name][1](ground, 0).bounds()[1:]]


def measured(ground: Ground, name: str, seeds: int, kept: Kept) -> dict[str, Array]:
    """Learner -> (seeds, 1 + changes): lost, and the waits."""
    make = SCENES[name][1]
    found: dict[str, list[list[float]]] = {}
    for seed in range(seeds):
        scene = make(ground, seed)
        for learner in LEARNERS:
            work = partial(run, scene, learner, seed)
            numbers = kept.numbers(f"drift {name} {learner} {seed}", work)
            found.setdefault(learner, []).append(numbers)
    return {learner: np.array(numbers) for learner, numbers in found.items()}
