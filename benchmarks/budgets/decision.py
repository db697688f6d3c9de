"""What budgets and objectives add to a decision, as a ratio to the plain one in the same run.

    python -m benchmarks.budgets.decision [--json FILE]

The whole decision in process, its record included: of a policy with three budgets (dollars a day,
dollars a query, joules an hour) whose quality is weighed against cost, time and energy, and of the
same policy without any of that. Both heard the same outcomes, and after every decision (not
timed) another, so that what calls take is never the same twice. Seconds are those of the thread,
and means, for a controller that works in bursts has to pay for them; printed are medians of the
turns. At 64 features and 16 arms. Ends in about a minute.
"""

import argparse
import json
import os
from functools import partial
from pathlib import Path
from time import thread_time
from typing import cast

# Before numpy is loaded; see benchmarks.learners.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from bandit_service.configuration import Shape
from bandit_service.engine import PolicyEngine, Registry
from bandit_service.features import features_of
from bandit_service.ledger.account import Account
from bandit_service.model import (
    Algorithm,
    Arm,
    Ask,
    Budget,
    Decision,
    Effect,
    Features,
    FeedbackEvent,
    Grant,
    JournalEntry,
    Lesson,
    Objective,
    PolicyConfig,
    Query,
    Resource,
    RevisionEvent,
    Source,
    StoredPolicy,
    Usage,
    UsageLesson,
    VectorFeatures,
)
from bandit_service.ports import Store
from bandit_service.spending import Spending
from policies.policy import Array

FEATURES = 63  # and the constant
NAMES = "hierarchical_thompson", "linear_thompson", "linucb"  # the first is the default
WARM_UP, DECISIONS, TURNS, BATCH = 400, 150, 9, 32
NOW = 1.7e9
QUERY = Query("chat")
COSTS = np.geomspace(2e-5, 2e-2, 16)  # USD a call
JOULES = np.geomspace(20.0, 2_000.0, 16)
ARMS = tuple(
    Arm(
        name=f"arm {slot}",
        input_usd_per_million_tokens=float(usd * 500),
        output_usd_per_million_tokens=float(usd * 1_500),
        declared_joules_per_output_token=float(joules / 500),
    )
    for slot, (usd, joules) in enumerate(zip(COSTS, JOULES, strict=True))
)

BUDGETS = (
    Budget(resource=Resource.USD, amount=100.0, window=86_400.0, name="daily"),
    Budget(resource=Resource.USD, amount=2e-3, rate=True, name="each"),
    Budget(resource=Resource.JOULES, amount=7e5, window=3_600.0, name="energy"),
)
OBJECTIVE = Objective(quality_per_usd=5.0, quality_per_second=0.01, quality_per_joule=1e-5)


class House:
    """A policy in memory, taught at random."""

    def __init__(self, algorithm: str, objective: Objective, budgets: tuple[Budget, ...]) -> None:
        features = Features(vector=VectorFeatures(dimension=FEATURES))
        made = features_of(features)
        shape = Shape(made.version, made.dim)
        config = PolicyConfig(
            name="chat",
            arms=ARMS,
            features=features,
            algorithm=Algorithm(algorithm),
            objective=objective,
            budgets=budgets,
        )
        self.engine = PolicyEngine(StoredPolicy(1, "chat", bytes(32), NOW), lambda _: shape)
        self._tell(RevisionEvent(1, 1, 1, config, NOW))
        self._rng = np.random.default_rng(7)
        self.contexts: Array = self._rng.normal(size=(512, shape.dim)) / np.sqrt(FEATURES)
        self.contexts[:, -1] = 1.0
        self.decider = self.engine.decide
        if budgets:
            account = self.engine.account = Account(1, 1, config)
            account.take([_everything(ask) for ask in account.asks([0] * len(budgets))], ())
            # What is granted already is decided about without the ledger.
            spending = Spending(cast(Store, None), Registry())
            self.decider = partial(spending.decide, self.engine)
        for _ in range(WARM_UP):
            self.learn()

    def decide(self, first: int, count: int) -> list[Decision]:
        contexts = self.contexts.take(range(first, first + count), axis=0, mode="wrap")
        answers = self.decider([QUERY] * count, contexts, NOW)
        return [answer for answer in answers if isinstance(answer, Decision)]

    def undo(self, made: list[Decision]) -> None:
        """Gives back what they reserved: the budgets bind, and never run out."""
        if self.engine.account is not None:
            for one in made:
                self.engine.account.cancel(one)

    def learn(self) -> None:
        """One outcome of a call, of any arm alike."""
        rng, slot = self._rng, int(self._rng.integers(len(ARMS)))
        context = self.contexts[int(rng.integers(len(self.contexts)))]
        usage = Usage(
            cost_usd=float(COSTS[slot] * rng.uniform(0.5, 1.5)),
            energy_joules=float(JOULES[slot] * rng.uniform(0.5, 1.5)),
            latency_seconds=float(rng.uniform(0.2, 2.0)),
        )
        quality = float(rng.random() < 0.5 + 0.4 * slot / len(ARMS))
        event = FeedbackEvent(
            feedback_id="",
            decision_id="",
            source=Source.CHECK,
            time=NOW,
            effect=Effect.LEARNED,
            lessons=(Lesson(slot, context.tobytes(), NOW, None, quality),),
            usage=UsageLesson(slot, NOW, None, usage),
            served_arm=slot,
        )
        self._tell(event)

    def _tell(self, event: RevisionEvent | FeedbackEvent) -> None:
        self.engine.apply(JournalEntry(self.engine.position + 1, event))


def _everything(ask: Ask) -> Grant:
    """A lease on the whole budget, at the beginning of its window."""
    return Grant(
        budget=ask.budget,
        window=1,
        lease=1,
        granted=ask.amount,
        drawn=0,
        own_requests=0,
        amount=ask.amount,
        settled=0,
        overrun=0,
        pending=0,
        free=0,
        requests=0,
        elapsed=0.0,
        left=ask.seconds,
        last_rate=None if ask.seconds is None else 1.0,
    )


def measured(algorithm: str, count: int) -> dict[str, float]:
    """Microseconds a decision of `count` at once, plain and restrained, and their ratio."""
    houses = House(algorithm, Objective(), ()), House(algorithm, OBJECTIVE, BUDGETS)
    turns = []
    for turn in range(1 + TURNS):
        spent = [0.0, 0.0]
        for at in range(DECISIONS // count + 1):
            for side, house in enumerate(houses):
                start = thread_time()
                made = house.decide(at * count, count)
                spent[side] += thread_time() - start
                if len(made) != count:
                    raise AssertionError(f"{count - len(made)} queries were refused")
                house.undo(made)
                house.learn()
        if turn:
            turns.append([each / (at + 1) / count for each in spent])
    seconds = np.array(turns)
    plain, restrained = np.median(seconds, axis=0) * 1e6
    return {
        "plain_us": round(float(plain), 1),
        "restrained_us": round(float(restrained), 1),
        "ratio": round(float(np.median(seconds[:, 1] / seconds[:, 0])), 2),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    options = parser.parse_args(arguments)
    found: dict[str, dict[str, float]] = {}
    print("three budgets and four objectives against the plain decision, 64 features, 16 arms")
    for name in NAMES:
        for count in (1, BATCH):
            numbers = found[f"{name}, {count} at once"] = measured(name, count)
            cells = "  ".join(f"{key} {value:g}" for key, value in numbers.items())
            print(f"  {name:22} {count:3} at once  {cells}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
