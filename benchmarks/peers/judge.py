"""One judge for everybody: what the arms chosen earned, from the table they were chosen on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bandit_service.evaluation.intervals import known_over_seeds, over_seeds, paired_difference
from bandit_service.evaluation.optimal import optimal_arms
from bandit_service.evaluation.results import Difference, Mean
from bandit_service.evaluation.table import Array, Rows
from benchmarks.peers.streams import Choices, Stream

EARLY = 500  # queries


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """What one learner reached on one stream under S seeds: a number a seed, each (S,).

    quality       mean over the whole stream
    cost_usd      mean a query; NaN where the cost of a call is unknown
    early_regret  summed over the first 500 queries
    regret        summed, against the best arm of each query
    seconds       processor time, spent choosing and learning; NaN for references
    """

    seeds: tuple[int, ...]
    queries: int
    quality: Array
    cost_usd: Array
    early_regret: Array
    regret: Array
    seconds: Array

    @property
    def decisions_per_second(self) -> float:
        return float(self.queries * len(self.seeds) / self.seconds.sum())

    def means(self) -> dict[str, Mean | None]:
        """Each number's mean over seeds, None where it is unknown."""
        return {
            "quality": over_seeds(self.quality),
            "cost_usd": known_over_seeds(self.cost_usd),
            "early_regret": over_seeds(self.early_regret),
            "regret": over_seeds(self.regret),
        }


def score(stream: Stream, seeds: Sequence[int], choices: Choices) -> Score:
    """choices.arms[i] are those under seeds[i]."""
    rows = np.stack([stream.orders[seed] for seed in seeds])
    return _scored(stream, seeds, rows, choices.arms, choices.seconds)


def references(stream: Stream, seeds: Sequence[int]) -> dict[str, Score]:
    """What needs no learning: choosing evenly (by its mean), and, known in hindsight only, the arm
    best on average and the best arm of each query (the cheapest of those)."""
    rows = np.stack([stream.orders[seed] for seed in seeds])
    unknown = np.full(len(rows), np.nan)
    best = np.stack([np.argmax(stream.truth[row].mean(axis=0)).repeat(len(row)) for row in rows])
    oracle = np.argmax(optimal_arms(stream.truth, stream.table.cost_usd), axis=1)[rows]
    arms = range(len(stream.table.arms))
    always = [_scored(stream, seeds, rows, np.full_like(rows, arm), unknown) for arm in arms]
    return {
        "choosing evenly": _mean_of(always),
        "best single arm": _scored(stream, seeds, rows, best, unknown),
        "oracle": _scored(stream, seeds, rows, oracle, unknown),
    }


def _mean_of(scores: Sequence[Score]) -> Score:
    """What one expects of who plays one of these at each query, all equally often."""

    def mean(name: str) -> Array:
        values: Array = np.mean([getattr(each, name) for each in scores], axis=0)
        return values

    return replace(
        scores[0],
        quality=mean("quality"),
        cost_usd=mean("cost_usd"),
        early_regret=mean("early_regret"),
        regret=mean("regret"),
    )


def against(first: str, one: Score, second: str, other: Score) -> Difference:
    """Quality of `one` minus that of `other` over the seeds of both, with a 95 % interval."""
    common = [seed for seed in one.seeds if seed in other.seeds]
    mine, theirs = ([s.seeds.index(seed) for seed in common] for s in (one, other))
    return paired_difference(first, second, "quality", one.quality[mine] - other.quality[theirs])


def _scored(stream: Stream, seeds: Sequence[int], rows: Rows, arms: Rows, seconds: Array) -> Score:
    regrets = stream.truth[rows].max(axis=2) - stream.truth[rows, arms]
    return Score(
        seeds=tuple(seeds),
        queries=rows.shape[1],
        quality=stream.table.quality[rows, arms].mean(axis=1),
        cost_usd=stream.table.cost_usd[rows, arms].mean(axis=1),
        early_regret=regrets[:, :EARLY].sum(axis=1),
        regret=regrets.sum(axis=1),
        seconds=seconds,
    )
