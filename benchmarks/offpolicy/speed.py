"""Rows a second, seconds of a bootstrap, and memory: in processes of their own."""

import resource
from collections.abc import Iterator
from time import perf_counter, process_time

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.logs.log import MEASURES
from bandit_service.evaluation.logs.rows import FLAGS, Batch
from bandit_service.evaluation.logs.traffic import Traffic
from bandit_service.evaluation.offpolicy import resampling
from bandit_service.evaluation.offpolicy.estimators import Terms
from bandit_service.evaluation.offpolicy.gathering import gather

Array = NDArray[np.float64]

DIM, ARMS = 64, 16
BATCH = 50_000


class Softmax:
    """A fixed target of the same shape as a linear policy: one product of matrices a block."""

    label, description, learns = "softmax", "fixed weights", False

    def __init__(self, weights: Array) -> None:
        self._weights = weights

    def fresh(self) -> "Softmax":
        return self

    def teach(self, block: object) -> None:
        """There is nothing to learn."""

    def probabilities(self, block: object) -> Array:
        return softmax(block.contexts @ self._weights)  # type: ignore[attr-defined]


def softmax(scores: Array) -> Array:
    made: Array = np.exp(scores - scores.max(axis=1, keepdims=True))
    made /= made.sum(axis=1, keepdims=True)
    return made


def batches(rows: int, dim: int = DIM, *, with_costs: bool = False) -> Iterator[Batch]:
    """Made as they are asked for, so that nothing but the reader remembers them."""
    names = tuple(f"arm-{slot}" for slot in range(ARMS))
    for start in range(0, rows, BATCH):
        rng, count = np.random.default_rng(start), min(BATCH, rows - start)
        contexts = rng.normal(size=(count, dim)) / np.sqrt(dim)
        chances = 0.5 / ARMS + 0.5 * softmax(contexts[:, :ARMS] * 3.0)
        reached = np.cumsum(chances, axis=1)
        drawn = np.minimum((rng.random(count)[:, None] > reached).sum(axis=1), ARMS - 1)
        unknown = np.full(count, np.nan)
        outcomes = dict.fromkeys(MEASURES, unknown)
        outcomes["quality"] = (rng.random(count) < 0.5).astype(np.float64)
        if with_costs:
            outcomes["cost_usd"] = rng.exponential(0.001, count)
        plain = np.zeros(count, dtype=np.bool_)
        yield Batch(
            lines=range(start + 1, start + count + 1),
            arms=[names[slot] for slot in drawn.tolist()],
            propensities=chances[np.arange(count), drawn],
            names=names,
            probabilities=chances,
            contexts=contexts,
            lengths=np.full(count, dim, dtype=np.intp),
            outcomes=outcomes,
            times=np.arange(start, start + count, dtype=np.float64),
            clusters=np.full(count, -1, dtype=np.int64),
            segments=np.full(count, "", dtype=np.object_),
            tokens=np.full((count, 2), np.nan),
            flags=dict.fromkeys(FLAGS, plain),
            policies=[""] * count,
            feature_versions=[""] * count,
            revisions=np.zeros(count, dtype=np.int64),
        )


def estimates(rows: int) -> dict[str, float]:
    """Weights, cross-fitted model and doubly robust terms of a log in memory, against the same work
    in plain numpy: two products of matrices, a softmax, and the sums of a ridge an arm."""
    traffic = Traffic("made up", lambda: batches(rows), keep=2**34)
    weights = np.random.default_rng(1).normal(size=(DIM, ARMS))
    start = process_time()
    gather(traffic, [Softmax(weights)], training=0, rows=BATCH)
    ours = process_time() - start
    start = process_time()
    for block in traffic.blocks(BATCH):
        _plainly(block.contexts, block.chosen, block.propensities, block.quality, weights)
    plain = process_time() - start
    return {
        "rows": rows,
        "rows_per_cpu_second": round(rows / ours),
        "numpy_rows_per_cpu_second": round(rows / plain),
        "times_numpy": ours / plain,
    }


def _plainly(
    contexts: Array, chosen: NDArray[np.intp], propensities: Array, quality: Array, weights: Array
) -> float:
    rows = np.arange(len(chosen))
    chances = softmax(contexts @ weights)
    expected = contexts @ weights
    for arm in range(ARMS):
        mine = contexts[chosen == arm]
        mine.T @ mine
    w = chances[rows, chosen] / propensities
    terms = (chances * expected).sum(axis=1) + w * (quality - expected[rows, chosen])
    return float(terms.mean())


def bootstrap(rows: int, resamples: int) -> dict[str, float]:
    values = np.random.default_rng(0).exponential(size=rows)
    start, worked = perf_counter(), process_time()
    resampling.resampled([Terms(None, values)], 0, resamples=resamples)
    return {"rows": rows, "resamples": resamples} | _since(start, worked)


def streamed(rows: int) -> dict[str, float]:
    """The most memory that this process ever had, after a whole comparison of a log of that length,
    which was never in memory: of quality and of costs, whose percentiles need whole columns."""
    from bandit_service.evaluation.offpolicy.comparison import compare
    from bandit_service.evaluation.offpolicy.settings import Settings

    start, worked = perf_counter(), process_time()
    traffic = Traffic("made up", lambda: batches(rows, with_costs=True))
    weights = np.random.default_rng(1).normal(size=(DIM, ARMS))
    compare(traffic, [Softmax(weights)], Settings(resamples=100))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"rows": rows, "peak_megabytes": peak / 1e6} | _since(start, worked)


def _since(start: float, worked: float) -> dict[str, float]:
    return {"seconds": perf_counter() - start, "cpu_seconds": process_time() - worked}
