"""How fast policies are simulated: decisions a second on one core, each learned before the next.

    python -m benchmarks.simulation [--json FILE]

At 65 features and 11 arms. The reference, "policy alone", is a loop of nothing but the same
policy's `probabilities`, one draw and `update`: no engine, no journal events, no log of beliefs.
Both take turns, so that a busy neighbour slows both, and both count the CPU seconds of their
thread; printed are medians. A ratio of 1 would be an engine that costs nothing. Ends in about a
minute.
"""

import argparse
import json
import os
from pathlib import Path
from time import thread_time

# Before numpy is loaded; see benchmarks.learners.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from bandit_service import configuration
from bandit_service.evaluation.arrivals import Arrivals
from bandit_service.evaluation.contestants import Entry, entered, named
from bandit_service.evaluation.simulation import Simulation
from bandit_service.evaluation.table import OutcomeTable
from bandit_service.model import Arm

QUERIES, ARMS, FEATURES = 2000, 11, 65  # the constant included
TURNS = 3
# Forgetting has work of its own at every step, whatever the algorithm.
NAMES = "default", "default:half_life=300", "linucb", "beta_thompson", "uniform"
PRICED = 20.0  # points of quality a USD: the objective costs time of its own


def world() -> OutcomeTable:
    """Binary outcomes around a logistic truth, with costs and tokens, as routing sets have them."""
    rng = np.random.default_rng(0)
    shape = QUERIES, ARMS
    vectors = rng.normal(size=(QUERIES, FEATURES - 1))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    logits = vectors @ rng.normal(size=(FEATURES - 1, ARMS)) * 2.0 + rng.normal(size=ARMS)
    unknown = np.full(shape, np.nan)
    return OutcomeTable(
        name="benchmark",
        query_ids=tuple(map(str, range(QUERIES))),
        tasks=("",) * QUERIES,
        arms=tuple(Arm(name=f"arm {slot}") for slot in range(ARMS)),
        quality=(rng.random(shape) < 1.0 / (1.0 + np.exp(-logits))).astype(np.float64),
        cost_usd=rng.random(shape) * np.geomspace(1e-5, 1e-2, ARMS),
        latency_seconds=unknown,
        energy_joules=unknown,
        input_tokens=rng.integers(1, 500, shape).astype(np.float64),
        output_tokens=rng.integers(1, 500, shape).astype(np.float64),
        contexts=vectors,
    )


def alone(table: OutcomeTable, entry: Entry, seed: int) -> float:
    """Decisions a second of the policy without an engine."""
    contexts = entry.contexts.matrix
    policy = configuration.build(entry.config, dim=contexts.shape[1])
    state = policy.start(len(table.arms))
    rows = [contexts[row : row + 1] for row in range(len(table))]
    order = np.random.default_rng(seed).permutation(len(table)).tolist()
    draws = np.random.default_rng(seed + 1).random(len(table)).tolist()
    qualities = table.quality.tolist()
    last = len(table.arms) - 1
    start = thread_time()
    for step, row in enumerate(order):
        context, clock = rows[row], float(step + 1)  # in requests, of which this is one
        chances = policy.probabilities(state, context, clock=clock)
        arm = min(int(chances[0].cumsum().searchsorted(draws[step])), last)
        policy.update(state, arm, context[0], qualities[row][arm], clock=clock)
    return len(table) / (thread_time() - start)


def measured(table: OutcomeTable, name: str) -> dict[str, float]:
    (entry,) = entered([named(name)], table)
    simulation = Simulation(table, entry)
    turns = []
    for seed in range(TURNS):
        plain, priced = (simulation.run(Arrivals(), seed, dial) for dial in (None, PRICED))
        reference = alone(table, entry, seed)
        turns.append((len(table) / plain.seconds, len(table) / priced.seconds, reference))
    per_second = np.array(turns)
    plain_median, priced_median, reference_median = np.median(per_second, axis=0)
    return {
        "decisions_per_second": round(float(plain_median)),
        "with_a_price": round(float(priced_median)),
        "policy_alone": round(float(reference_median)),
        "ratio": round(float(np.median(per_second[:, 0] / per_second[:, 2])), 3),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    options = parser.parse_args(arguments)
    table = world()
    found = {name: measured(table, name) for name in NAMES}
    print(f"simulation, {FEATURES} features, {ARMS} arms, decisions/s on one core")
    for name, numbers in found.items():
        rate, priced, reference, ratio = numbers.values()
        print(
            f"  {name:<21} {rate:>7,} ({priced:,} with a price); policy alone {reference:,}; "
            f"ratio {ratio:.2f}"
        )
    print("  load average {:.1f} {:.1f} {:.1f}".format(*os.getloadavg()))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
