"""Our policies through the same files as the peers' programs, decided by the engine that serves.

python -m benchmarks.peers.ours STREAM.npz OUT.npz --seeds 0 1 --settings '{"policy": "default"}'
"""

import os

# Before numpy is loaded, as in `serve`.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from bandit_service.evaluation.contestants import named
from bandit_service.evaluation.contexts import contexts_of
from bandit_service.evaluation.simulation import simulate
from bandit_service.evaluation.table import Array, OutcomeTable
from bandit_service.model import Arm
from benchmarks.peers.programs import protocol


def main() -> None:
    asked = protocol.asked()
    with np.load(asked.stream, allow_pickle=False) as stored:
        contexts, quality, cost_usd = stored["contexts"], stored["quality"], stored["cost_usd"]
        prices = stored["list_prices"]
        orders = dict(zip(stored["seeds"].tolist(), stored["orders"], strict=True))
    table = table_of(contexts[:, :-1], quality, cost_usd, prices)
    config = named(asked.settings["policy"]).config
    runs = []
    for seed in asked.seeds:
        served = table.rows(orders[seed])
        run = simulate(served, contexts_of(served), config, seed=seed, order="file")
        runs.append((run.arms, run.seconds))
    protocol.save(asked.out, runs)


def table_of(vectors: Array, quality: Array, cost_usd: Array, prices: Array) -> OutcomeTable:
    """A table of what the file holds. vectors: (n, d - 1), without the constant; prices: (K, 2)."""
    count, arms = quality.shape
    unknown = np.full(quality.shape, np.nan)
    return OutcomeTable(
        name="stream",
        query_ids=tuple(map(str, range(count))),
        tasks=("",) * count,
        arms=tuple(arm_of(slot, *prices[slot].tolist()) for slot in range(arms)),
        quality=quality,
        cost_usd=cost_usd,
        latency_seconds=unknown,
        energy_joules=unknown,
        input_tokens=unknown,
        output_tokens=unknown,
        contexts=vectors,
    )


def arm_of(slot: int, price_in: float, price_out: float) -> Arm:
    return Arm(
        name=f"arm-{slot}",
        input_usd_per_million_tokens=None if np.isnan(price_in) else price_in,
        output_usd_per_million_tokens=None if np.isnan(price_out) else price_out,
    )


if __name__ == "__main__":
    main()
