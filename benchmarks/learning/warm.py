"""Starts from preferences, beside starts from nothing: regret over the first requests.

Preferences are derived: on each query of a training part two pairs of arms are drawn evenly, and
the higher quality wins. They do not say how good the arms are in the middle, so that is the mean
quality of the training part. The stream is another part of the same set.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from bandit_service.evaluation.contestants import Contestant
from bandit_service.evaluation.table import Rows
from bandit_service.evaluation.warm_start import (
    Strength,
    Verdicts,
    from_outcomes,
    from_preferences,
    from_preferences_as_pilot,
)
from benchmarks.learning.ground import Ground, regrets, started
from benchmarks.learning.kept import Kept
from policies.policy import Array

SETS = "routellm", "llmrouter"
TRAINING, LIVE, PAIRS = 1000, 1000, 2
SPANS = 200, 1000
N_EFF = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known before the stream: the training part, and the verdicts on its queries."""

    ground: Ground
    verdicts: Verdicts

    def pool_quality(self) -> float:
        return float(self.ground.table.quality.mean())


def verdicts_on(ground: Ground, seed: int) -> Verdicts:
    """PAIRS verdicts on every query: the higher quality wins, equal ones tie."""
    rng = np.random.default_rng((seed, 2))
    quality, arms = ground.table.quality, len(ground.table.arms)
    rows = np.repeat(np.arange(len(quality)), PAIRS)
    first = rng.integers(arms, size=len(rows))
    second = (first + rng.integers(1, arms, size=len(rows))) % arms
    lead = quality[rows, first] - quality[rows, second]
    return Verdicts(ground.table.arm_names, first, second, rows, 0.5 + 0.5 * np.sign(lead))


def as_pilot(known: Known, *, is_cosine: bool) -> Contestant:
    warm = from_preferences_as_pilot(
        known.verdicts,
        known.ground.contexts.matrix,
        n_eff=N_EFF,
        strength=Strength.INVERSE_ACCURACY if is_cosine else Strength.N_EFF,
        pool_quality=known.pool_quality(),
        is_cosine=is_cosine,
    )
    return started("pilot_published" if is_cosine else "pilot", warm)


def by_preferences(known: Known, name: str) -> Contestant:
    contexts, quality = known.ground.contexts.matrix, known.pool_quality()
    warm = from_preferences(known.verdicts, contexts, n_eff=N_EFF, pool_quality=quality)
    return started(name, warm)


def by_outcomes(known: Known, name: str) -> Contestant:
    warm = from_outcomes(known.ground.table, known.ground.contexts.matrix, n_eff=N_EFF)
    return started(name, warm)


COLD = "pilot, cold"
ENTRIES: dict[str, Callable[[Known], Contestant]] = {
    COLD: lambda _: started("pilot", None),
    "pilot, preferences": lambda known: as_pilot(known, is_cosine=False),
    "pilot_published, cold": lambda _: started("pilot_published", None),
    "pilot_published, preferences": lambda known: as_pilot(known, is_cosine=True),
    "default, cold": lambda _: started("default", None),
    "default, preferences": lambda known: by_preferences(known, "default"),
    "default, outcomes": lambda known: by_outcomes(known, "default"),
}


def measured(ground: Ground, name: str, seeds: int, kept: Kept) -> dict[int, dict[str, Array]]:
    """Span -> entry -> regret over the first so many requests, (seeds,)."""
    found: dict[int, dict[str, list[float]]] = {span: {} for span in SPANS}
    for seed in range(seeds):
        parts = _Parts(ground, seed)
        for label in ENTRIES:
            work = partial(parts.totals, label)
            total = kept.numbers(f"warm {name} {label} {seed}", work)
            for span, regret in zip(SPANS, total, strict=True):
                found[span].setdefault(label, []).append(regret)
    return {span: {k: np.array(v) for k, v in some.items()} for span, some in found.items()}


class _Parts:
    """The two parts of a seed; nothing is worked out before it is needed."""

    def __init__(self, ground: Ground, seed: int) -> None:
        self._ground, self._seed = ground, seed
        self._known: Known | None = None
        self._rows: Rows = np.random.default_rng((seed, 1)).permutation(len(ground.table))

    def totals(self, label: str) -> list[float]:
        if self._known is None:
            training = self._ground.of_rows(self._rows[:TRAINING])
            self._known = Known(training, verdicts_on(training, self._seed))
        live = self._ground.of_rows(self._rows[TRAINING : TRAINING + LIVE])
        lost = regrets(live.table, live.run(ENTRIES[label](self._known), self._seed))
        return [float(lost[:span].sum()) for span in SPANS]
