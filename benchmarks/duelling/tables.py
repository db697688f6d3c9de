"""Duels on real answers: human verdicts, a model judge's, and scores of answers by task.

PandaLM     five models, 125 queries, three people a pair; served eight times over, each time
            judged by one of the three, in an order that no file decides
AlpacaEval  the eight best of the judge's table. Every answer was held against one baseline, so a
            duel of two is drawn from their odds against it. The judge likes length: what is
            learned here is what it likes
others      scores win, by Bradley and Terry

Where tasks are known, arms are embedded from 20 queries a task, which the stream leaves out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy.special import expit, logit

import policies
from bandit_service.evaluation.contexts import contexts_of
from bandit_service.evaluation.embedding_arms import embedded_arms, labelled_rows
from bandit_service.evaluation.loading import load
from bandit_service.evaluation.table import OutcomeTable
from bandit_service.evaluation.validation import with_arms
from bandit_service.evaluation.verdicts import Verdicts
from benchmarks.duelling.duellists import Chance, DoubleThompson, Duellist, Learner
from benchmarks.learning.kept import Kept
from policies.ccft import WAYS, Way
from policies.policy import Array

RANDOM, CONTEXT_FREE, GENERIC = (
    "random",
    "double Thompson, no context",
    "fgts_cdb, generic embeddings",
)
# Without embeddings every arm has weights of its own, and what is shrunk is those of features.
OWN: dict[str, dict[str, float]] = {
    "fgts_cdb, weights for each arm": {},
    "fgts_cdb, the same, not shrunk": {"feature_ridge": 1.0},
}
PASSES, BEST, QUERIES, LABELLED = 8, 8, 400, 20

Verdict = Callable[[int, int, int, float], float | None]  # row, two slots, luck
Made = Callable[[int], Duellist]  # of a seed


@dataclass(frozen=True, slots=True)
class Ground:
    """Where duels are fought. contexts (n, d), quality (n, K) with NaN where not offered."""

    contexts: Array
    quality: Array
    verdict: Verdict
    rows: Callable[[int], Array]  # of a seed: (T,)
    entries: Mapping[str, Made]


def regret(ground: Ground, name: str, seed: int) -> float:
    """Against the best answer to each query. Streams and verdicts are those of the seed."""
    rows = ground.rows(seed)
    verdict_luck = np.random.default_rng((seed, 2)).random(len(rows))
    luck, duellist, total = np.random.default_rng((seed, 1)), ground.entries[name](seed), 0.0
    for clock, row in enumerate(rows.tolist()):
        quality, x = ground.quality[row], ground.contexts[row]
        first, second = duellist.choose(luck, x, ~np.isnan(quality))
        total += float(np.nanmax(quality) - 0.5 * (quality[first] + quality[second]))
        if first != second:
            won = ground.verdict(row, first, second, float(verdict_luck[clock]))
            if won is not None:
                duellist.learn(first, second, x, won, float(clock))
    return total


def regrets(ground: Ground, seeds: int, title: str, kept: Kept) -> dict[str, Array]:
    """Name -> (seeds,)."""
    found = {}
    for name in ground.entries:
        some = []
        for seed in range(seeds):
            work = partial(_one, ground, name, seed)
            some += kept.numbers(f"duels {title} {name} {seed}", work)
        found[name] = np.array(some)
        print(f"{title}: {name}: {found[name].mean():.1f}", flush=True)
    return found


def _one(ground: Ground, name: str, seed: int) -> list[float]:
    return [regret(ground, name, seed)]


def pandalm(folder: Path) -> Ground:
    table = load(folder)
    verdicts = Verdicts.of(table, range(len(table.arms)))

    def rows(seed: int) -> Array:
        rng = np.random.default_rng(seed)
        return np.concatenate([rng.permutation(len(table)) for _ in range(PASSES)])

    return _ground(table, verdicts.preferred, rows)


def alpacaeval(folder: Path) -> Ground:
    table = load(folder)
    best = np.argsort(-np.nanmean(table.quality, axis=0))[:BEST]
    table = with_arms(table, np.sort(best))
    odds = logit(np.clip(table.quality, 0.02, 0.98))

    def verdict(row: int, first: int, second: int, luck: float) -> float:
        if first > second:
            return 1.0 - verdict(row, second, first, luck)
        return float(luck < expit(odds[row, first] - odds[row, second]))

    return _with_embeddings(table, verdict, ("excel_mask",))


def by_task(folder: Path) -> Ground:
    """Scores of answers; what they cost is known of all, or of none."""
    table = load(folder)
    verdicts = Verdicts.of(table, range(len(table.arms)))
    costs = not np.isnan(table.cost_usd[table.offered.all(axis=1)]).any()
    ways = tuple(way for way in WAYS if costs or way in ("perf", "excel_mask"))
    return _with_embeddings(table, verdicts.preferred, ways)


def _with_embeddings(table: OutcomeTable, verdict: Verdict, ways: tuple[Way, ...]) -> Ground:
    """Streams leave out the queries that the seed's embeddings are made from."""
    answered = np.flatnonzero(table.offered.all(axis=1))

    def rows(seed: int) -> Array:
        looked_at = np.concatenate(labelled_rows(table, LABELLED, seed)[1])
        left = np.setdiff1d(answered, looked_at)
        return np.random.default_rng(seed).permutation(left)[:QUERIES]

    ground = _ground(table, verdict, rows)
    entries = dict(ground.entries)
    entries[GENERIC] = _embedded(table, ground, "excel_mask", projected=False)
    for way in ways:
        entries[f"fgts_cdb, ccft {way}"] = _embedded(table, ground, way, projected=True)
    return Ground(ground.contexts, ground.quality, verdict, rows, entries)


def _embedded(table: OutcomeTable, ground: Ground, way: Way, *, projected: bool) -> Made:
    """What is learned is quality, so cost has no weight in the embeddings but where the way is
    made of it."""
    weight = 0.1 if "cost" in way else 0.0

    def made(seed: int) -> Duellist:
        arms = embedded_arms(
            table, way=way, seed=seed, cost_weight=weight, projected=projected, labelled=LABELLED
        )
        embeddings = tuple(arm.embedding for arm in arms)
        dim = ground.contexts.shape[1]
        return Learner(policies.build("fgts_cdb", dim=dim, embeddings=embeddings), len(arms))

    return made


def _own(dim: int, arms: int, settings: Mapping[str, float]) -> Made:
    policy = policies.build("fgts_cdb", dim=dim, settings=settings)
    return lambda _: Learner(policy, arms)


def _ground(table: OutcomeTable, verdict: Verdict, rows: Callable[[int], Array]) -> Ground:
    contexts, arms = contexts_of(table).matrix, len(table.arms)
    dim = contexts.shape[1]
    entries: dict[str, Made] = {
        RANDOM: lambda _: Chance(),
        CONTEXT_FREE: lambda _: DoubleThompson(arms),
    }
    for name, settings in OWN.items():
        entries[name] = _own(dim, arms, settings)
    return Ground(contexts, table.quality, verdict, rows, entries)


GROUNDS: dict[str, Callable[[Path], Ground]] = {
    "pandalm": pandalm,
    "alpacaeval": alpacaeval,
    "routerbench": by_task,
    "llmrouter": by_task,
}
