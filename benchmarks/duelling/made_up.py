"""Duels in a world whose truth is known: embeddings of eight arms, weights of length 2.

Contexts have length 1, verdicts follow Bradley and Terry, regret is that of the mean of both arms.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.special import expit

from benchmarks.duelling.duellists import Chance, DoubleThompson, Duellist, Learner
from benchmarks.duelling.variants import FixedStep, OwnArm
from benchmarks.learning.kept import Kept
from policies.fgts_cdb import FGTSCDB
from policies.policy import Array

ARMS, DIM, ROUNDS, LENGTH = 8, 12, 600, 2.0
RANDOM = "random"
EVERYBODY = np.ones(ARMS)

Table = tuple[tuple[float, ...], ...]


def _fgts(kind: type[FGTSCDB] = FGTSCDB, **settings: float) -> Callable[[Table], Duellist]:
    def made(embeddings: Table) -> Duellist:
        policy = kind(dim=DIM, embeddings=embeddings, horizon=ROUNDS, norm=LENGTH, **settings)  # type: ignore[arg-type]
        return Learner(policy, ARMS)

    return made


ENTRIES: dict[str, Callable[[Table], Duellist]] = {
    RANDOM: lambda _: Chance(),
    "double Thompson, no context": lambda _: DoubleThompson(ARMS),
    "fgts_cdb": _fgts(),
    "fgts_cdb, eta .25": _fgts(eta=0.25),
    "fgts_cdb, mu 0": _fgts(mu=0.0),
    "fgts_cdb, mu .05": _fgts(mu=0.05),
    "own arm, mu .05": _fgts(OwnArm, mu=0.05),
    "fgts_cdb, mu .5": _fgts(mu=0.5),
    "own arm, mu .5": _fgts(OwnArm, mu=0.5),
    "fixed step .1": _fgts(FixedStep),
}


def regret(name: str, seed: int) -> float:
    """Of one run; runs of one seed have the same arms, weights and contexts."""
    world = np.random.default_rng(seed)
    embeddings, truth = world.normal(size=(ARMS, DIM)), world.normal(size=DIM)
    truth *= LENGTH / np.linalg.norm(truth)
    contexts = world.normal(size=(ROUNDS, DIM))
    contexts /= np.linalg.norm(contexts, axis=1, keepdims=True)
    luck, total = np.random.default_rng((seed, 1)), 0.0
    duellist = ENTRIES[name](tuple(map(tuple, embeddings.tolist())))
    for clock, x in enumerate(contexts):
        utility: Array = (embeddings * x) @ truth
        first, second = duellist.choose(luck, x, EVERYBODY)
        total += float(utility.max() - 0.5 * (utility[first] + utility[second]))
        if first != second:
            won = float(luck.random() < expit(utility[first] - utility[second]))
            duellist.learn(first, second, x, won, float(clock))
    return total


def regrets(seeds: int, kept: Kept) -> dict[str, Array]:
    """Name -> (seeds,)."""
    found = {}
    for name in ENTRIES:
        some = []
        for seed in range(seeds):
            some += kept.numbers(f"duels made up {name} {seed}", partial(_one, name, seed))
        found[name] = np.array(some)
        print(f"made up: {name}: {found[name].mean():.1f}", flush=True)
    return found


def _one(name: str, seed: int) -> list[float]:
    return [regret(name, seed)]
