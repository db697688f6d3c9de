"""How fast the policies are, as ratios to minimal numpy that does the same work in the same run.

    python -m benchmarks.learners [--json FILE]

Candidate and reference take turns in short blocks, so that a busy neighbour slows both; printed are
medians. The references keep no data sums, check nothing and forget nothing: they are the
floor of what numpy can do, not a product. Ends in about half a minute.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Before numpy is loaded: on shared cores a BLAS thread that waits for a descheduled one costs
# milliseconds, in candidate and reference alike.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.linalg.blas import dger
from scipy.special import ndtr

from policies import CATALOGUE, build
from policies.policy import Array

SIZES = ((16, 5), (64, 64), (384, 16))
WARM_UP = 400  # observations before anything is timed


class MinimalLinUCB:
    """One product over the stacked inverses, one rank-one step in place."""

    def __init__(self, dim: int, arms: int, width: float) -> None:
        self.inverse = np.stack([np.eye(dim)] * arms)
        self.flat = self.inverse.reshape(arms * dim, dim)
        self.columns = [matrix.T for matrix in self.inverse]
        self.response, self.theta = np.zeros((arms, dim)), np.zeros((arms, dim))
        self.arms, self.dim, self.width = arms, dim, width

    def scores(self, x: Array) -> tuple[Array, Array]:
        reach = (self.flat @ x).reshape(self.arms, self.dim)
        return self.theta @ x, self.width * np.sqrt(reach @ x)

    def select(self, x: Array) -> Any:
        means, bonus = self.scores(x)
        return (means + bonus).argmax()

    def update(self, arm: int, x: Array, quality: float) -> None:
        v = self.inverse[arm] @ x
        dger(-1.0 / (1.0 + v @ x), v, v, a=self.columns[arm], overwrite_a=1)
        self.response[arm] += quality * x
        self.theta[arm] = self.inverse[arm] @ self.response[arm]


class MinimalThompson(MinimalLinUCB):
    """The same with exact chances: equal steps of a quarter of the narrowest deviation."""

    def select(self, x: Array) -> Any:
        mean, deviation = self.scores(x)
        low, high = (mean - 7.7 * deviation).max(), (mean + 7.7 * deviation).max()
        grid = np.arange(low, high, 0.25 * deviation.min())
        z = (grid - mean[:, None]) / deviation[:, None]
        below = ndtr(z)
        chances = (np.exp(-0.5 * z * z) / below) @ below.prod(axis=0) / deviation
        return chances / chances.sum()


def world(dim: int, count: int = 512) -> tuple[Array, Array]:
    rng = np.random.default_rng(dim)
    X = rng.normal(size=(count, dim)) / np.sqrt(dim)
    X[:, -1] = 1.0
    return X, rng.random(count)


def seconds(run: Callable[[int], object], calls: int, first: int = 0) -> float:
    """Median time of one call."""
    times = np.empty(calls)
    clock = time.perf_counter
    for i in range(calls):
        start = clock()
        run(first + i)
        times[i] = clock() - start
    return float(np.median(times))


def versus(
    candidate: list[Callable[[int], object]],
    reference: list[Callable[[int], object]],
    calls: int,
    repetitions: int = 9,
) -> dict[str, float]:
    """Summed median times of the steps in microseconds, and the median ratio of the turns."""
    turns = np.array(
        [
            [
                sum(seconds(step, calls, turn * calls) for step in side)
                for side in (candidate, reference)
            ]
            for turn in range(repetitions)
        ]
    )
    microseconds, ratio = np.median(turns, axis=0) * 1e6, np.median(turns[:, 0] / turns[:, 1])
    return {
        "us": round(float(microseconds[0]), 2),
        "reference_us": round(float(microseconds[1]), 2),
        "ratio": round(float(ratio), 3),
    }


def pair(name: str, dim: int, arms: int) -> tuple[list[Any], list[Any]]:
    """[select, update] of a policy and of its reference, equally taught."""
    X, r = world(dim)
    plain = {"ridge": 1.0, "intercept_ridge": 1.0, "prior_mean": 0.0, "width": 0.5}
    policy = build(name, dim=dim, settings=plain)
    state = policy.start(arms)
    thompson = name == "linear_thompson"
    noise = getattr(policy, "noise", 1.0) if thompson else 1.0
    minimal = (MinimalThompson if thompson else MinimalLinUCB)(dim, arms, 0.5 * noise)
    rows = [x[None] for x in X]
    policy.probabilities(state, rows[0])
    for i in range(WARM_UP):
        policy.update(state, i % arms, X[i], r[i])
        minimal.update(i % arms, X[i], r[i])
    if thompson:
        gap = policy.probabilities(state, rows[0])[0] - minimal.select(X[0])
        if np.abs(gap).max() > 1e-9:
            raise AssertionError(f"reference and policy disagree by {np.abs(gap).max()}")
    return (
        [
            lambda i: policy.probabilities(state, rows[i % 512]),
            lambda i: policy.update(state, i % arms, X[i % 512], r[i % 512]),
        ],
        [
            lambda i: minimal.select(X[i % 512]),
            lambda i: minimal.update(i % arms, X[i % 512], r[i % 512]),
        ],
    )


def cycles() -> dict[str, Any]:
    """Select and update against minimal numpy."""
    results = {}
    for name in ("linucb", "linear_thompson"):
        for dim, arms in SIZES:
            calls = 40 if dim * dim * arms > 1e6 else 300
            candidate, reference = pair(name, dim, arms)
            key = f"{name} {dim}x{arms}"
            results[key] = versus(candidate, reference, calls)
            for step, at in (("select", 0), ("update", 1)):
                part = versus(candidate[at : at + 1], reference[at : at + 1], calls, 5)
                results[key][step] = part["ratio"]
    return results


def batches() -> dict[str, Any]:
    """Chances for 32 contexts against one plain matrix product of the same shape."""
    results = {}
    for name in ("linucb", "linear_thompson"):
        for dim, arms in (*SIZES, (32, 8)):
            X, r = world(dim)
            policy = build(name, dim=dim)
            state = policy.start(arms)
            for i in range(WARM_UP):
                policy.update(state, i % arms, X[i], r[i])
            flat = np.random.default_rng(0).normal(size=(arms * (dim + 1), dim))
            result = versus(
                [lambda i, p=policy, s=state, X=X: p.probabilities(s, X[:32])],  # type: ignore[misc]
                [lambda i, X=X, flat=flat: X[:32] @ flat.T],  # type: ignore[misc]
                calls=10,
            )
            results[f"{name} {dim}x{arms}"] = result | {"us_a_row": round(result["us"] / 32, 2)}
    return results


def growth() -> dict[str, Any]:
    """Microseconds of one decision and its update as the number of arms or features grows."""
    results: dict[str, Any] = {}
    by_arms = [(32, arms) for arms in (4, 16, 64, 256)]
    by_dim = [(dim, 8) for dim in (16, 64, 256, 1024)]
    for name in ("linucb", "linear_thompson"):
        for dim, arms in by_arms + by_dim:
            X, r = world(dim)
            policy = build(name, dim=dim)
            state = policy.start(arms)
            for i in range(64):
                policy.update(state, i % arms, X[i], r[i])
            policy.probabilities(state, X[:1])
            decide = seconds(lambda i: policy.probabilities(state, X[i % 512][None]), 40)  # noqa: B023
            learn = seconds(lambda i: policy.update(state, i % arms, X[i % 512], 0.5), 40)  # noqa: B023
            key = f"{name} {dim}x{arms}"
            results[key] = {"select_us": round(decide * 1e6, 1), "update_us": round(learn * 1e6, 1)}
    return results


def memory() -> dict[str, Any]:
    """Kilobytes of a state: what is checkpointed, and with its caches."""
    results = {}
    for name in CATALOGUE:
        policy = build(name, dim=65)
        state = policy.start(8)
        canonical = sum(array.nbytes for array in state.canonical().values())
        # One set of inverses, or one for each ridge.
        parts = getattr(state, "members", [state])
        held = [getattr(part, cache, None) for part in parts for cache in ("blocks", "common")]
        caches = sum(array.nbytes for array in held if array is not None)
        results[f"{name} 65x8"] = {
            "canonical_kb": round(canonical / 1e3, 1),
            "total_kb": round((canonical + caches) / 1e3, 1),
        }
    return results


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the results to this file as well")
    target = parser.parse_args(arguments).json
    results = {}
    for measure in (cycles, batches, growth, memory):
        start = time.perf_counter()
        found = results[measure.__name__] = measure()
        print(f"\n{measure.__doc__}  ({time.perf_counter() - start:.0f} s)")
        for key, values in found.items():
            print(f"  {key:26}", "  ".join(f"{name} {value}" for name, value in values.items()))
    if target is not None:
        target.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
