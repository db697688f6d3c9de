"""An arm that nobody has asked anything yet, among arms that are known: its first 50 requests.

Each arm of a set takes its turn as the unseen one. The others start from the outcomes of a training
part; the unseen one from nothing, from the mean of all others, or from its metadata (list price,
size, family by name), which is learned from the others.
"""

import csv
import re
from functools import partial
from pathlib import Path

import numpy as np

from bandit_service.evaluation.table import OutcomeTable
from bandit_service.evaluation.warm_start import (
    Metadata,
    from_metadata,
    from_outcomes,
    from_siblings,
)
from bandit_service.model import WarmStart
from benchmarks.learning.ground import Ground, regrets, started
from benchmarks.learning.kept import Kept
from policies.policy import Array

SETS = "llmrouter", "routerbench"
TRAINING, LIVE = 500, 50
N_EFF = 100.0
LEARNERS = "default", "linucb"
COLD, MEAN, METADATA = "cold", "mean of the others", "metadata"
STARTS = COLD, MEAN, METADATA
ENTRIES = {f"{learner}, {which}": (learner, which) for learner in LEARNERS for which in STARTS}


def about(folder: Path, table: OutcomeTable) -> dict[str, Metadata]:
    """Metadata of every arm; its family is the first word of its name."""
    with (folder / "models.csv").open(encoding="utf-8", newline="") as file:
        sizes = {row["model"]: row["params_b"] for row in csv.DictReader(file)}
    made = {}
    for arm in table.arms:
        prices = arm.input_usd_per_million_tokens, arm.output_usd_per_million_tokens
        word = re.match(r"[a-z]+", arm.name.rpartition("/")[2].lower())
        made[arm.name] = Metadata(
            usd=None if None in prices else sum(price or 0.0 for price in prices),
            size=float(sizes[arm.name]) if sizes.get(arm.name) else None,
            family=word[0] if word else "",
        )
    return made


def start(known: WarmStart, which: str, arm: str, metadata: dict[str, Metadata]) -> WarmStart:
    """The others' priors, and what the unseen arm is given."""
    if which == MEAN:
        return from_siblings(known, tuple(known.arms), arm)
    if which == METADATA:
        return from_metadata(known, metadata, {arm: metadata[arm]})
    return known


def lost(ground: Ground, metadata: dict[str, Metadata], label: str, seed: int) -> list[float]:
    """Regret over the first requests, with each arm as the unseen one."""
    learner, which = ENTRIES[label]
    rows = np.random.default_rng((seed, 3)).permutation(len(ground.table))
    training, live = ground.of_rows(rows[:TRAINING]), ground.of_rows(rows[TRAINING:][:LIVE])
    every = from_outcomes(training.table, training.contexts.matrix, n_eff=N_EFF)
    found = []
    for arm in ground.table.arm_names:
        others = {key: prior for key, prior in every.arms.items() if key != arm}
        known = WarmStart(arms=others, n_eff=every.n_eff, spread=every.spread)
        warm = start(known, which, arm, metadata)
        run = live.run(started(learner, warm), seed)
        found.append(float(regrets(live.table, run).sum()))
    return found


def measured(ground: Ground, folder: Path, name: str, seeds: int, kept: Kept) -> dict[str, Array]:
    """Learner and start -> regret over the first requests, mean over the arms, (seeds,)."""
    metadata = about(folder, ground.table)
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        for label in ENTRIES:
            work = partial(lost, ground, metadata, label, seed)
            numbers = kept.numbers(f"unseen {name} {label} {seed}", work)
            found.setdefault(label, []).append(float(np.mean(numbers)))
    return {label: np.array(some) for label, some in found.items()}
