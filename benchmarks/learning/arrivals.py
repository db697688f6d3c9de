"""An arm that is added while others serve: is a better one used soon, and a worse one dropped?

The stream begins without the arm and adds it after 600 requests, as an operator would. Of the
requests from the 150th after its arrival to the 300th, an arm that was adopted has at least half,
and one that was dropped at most a tenth. "Given a chance": the operator says of the new arm that it
is perfect, at the strength of ten requests (a warm start), so as many have to say otherwise.
"""

from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b

import numpy as np
from msgspec.structs import replace as configured_with

from bandit_service.engine import PolicyEngine
from bandit_service.evaluation.contestants import entry, named, shape_of
from bandit_service.evaluation.simulation import Simulation
from bandit_service.evaluation.validation import with_arms
from bandit_service.model import (
    ArmWarmStart,
    Decision,
    JournalEntry,
    Query,
    RevisionEvent,
    StoredPolicy,
    WarmStart,
)
from benchmarks.learning.ground import Ground
from benchmarks.learning.kept import Kept
from policies.policy import Array

BEFORE, AFTER = 600, 300
LATER, HALF, TENTH = slice(150, 300), 0.5, 0.1
LEARNERS = {
    "default": "default",
    "linucb": "linucb",
    "linear_thompson": "linear_thompson",
    "paretobandit": "paretobandit",
    "squarecb": "squarecb",
    "linucb, given a chance": "linucb",
    "default, given a chance": "default",
}
GIVEN = ", given a chance"
PERFECT = ArmWarmStart(level=1.0, n_eff=10.0)


@dataclass(frozen=True, slots=True)
class Arrival:
    """The set, and the arm that comes late."""

    data: str
    arm: str
    is_better: bool


ARRIVALS = (
    Arrival("routerbench", "gpt-4-1106-preview", True),
    Arrival("llmrouter", "llama-3.1-nemotron-51b-instruct", True),
    Arrival("routerbench", "claude-v2", False),
    Arrival("llmrouter", "llama3-chatqa-1.5-8b", False),
)


def last(ground: Ground, arm: str) -> Ground:
    """The same with this arm as the last slot."""
    names = ground.table.arm_names
    slots = [slot for slot, name in enumerate(names) if name != arm] + [names.index(arm)]
    return replace(ground, table=with_arms(ground.table, np.array(slots)))


def taken(ground: Ground, learner: str, seed: int) -> Array:
    """Whether each request after the arrival went to the new arm, (AFTER,)."""
    rows = np.random.default_rng((seed, 5)).permutation(len(ground.table))[: BEFORE + AFTER]
    live = ground.of_rows(rows)
    full = entry(named(LEARNERS[learner]), live.table, live.contexts)
    simulation, config = Simulation(live.table, full), full.config
    secret = blake2b(b"arrival %d" % seed, digest_size=32).digest()
    engine = PolicyEngine(StoredPolicy(1, config.name, secret, 0.0), shape_of)
    fewer = configured_with(config, arms=config.arms[:-1])
    engine.apply(JournalEntry(1, RevisionEvent(1, 0, 0, fewer, 0.0)))
    newest, found = len(config.arms) - 1, np.zeros(AFTER)
    for step in range(len(rows)):
        now = step + 1.0
        if step == BEFORE:
            if learner.endswith(GIVEN):
                warm = WarmStart(arms={config.arms[-1].name: PERFECT})
                config = configured_with(config, warm_start=warm)
            event = RevisionEvent(2, 0, 0, config, now)
            engine.apply(JournalEntry(engine.position + 1, event))
        context = live.contexts.matrix[step : step + 1]
        (decision,) = engine.decide([Query(config.name)], context, now, [f"query-{step}"])
        assert isinstance(decision, Decision)
        if step >= BEFORE:
            found[step - BEFORE] = decision.arm == newest
        for heard in simulation.heard(decision, step, True, 0.5, now):
            engine.apply(JournalEntry(engine.position + 1, heard))
    return found


def share(ground: Ground, learner: str, seed: int) -> list[float]:
    """Of the later requests."""
    return [float(taken(ground, learner, seed)[LATER].mean())]


def measured(ground: Ground, arrival: Arrival, seeds: int, kept: Kept) -> dict[str, Array]:
    """Learner -> (seeds,): the new arm's share of the later requests."""
    ordered, found = last(ground, arrival.arm), {}
    for learner in LEARNERS:
        shares = []
        for seed in range(seeds):
            name = f"arrival {arrival.data} {arrival.arm} {learner} {seed}"
            shares += kept.numbers(name, partial(share, ordered, learner, seed))
        found[learner] = np.array(shares)
    return found
