"""What every program of a peer does: read a stream, play it seed by seed, write the arms chosen.

    python -m benchmarks.peers.programs.NAME STREAM.npz OUT.npz --seeds 0 1 2 --settings JSON

STREAM holds contexts (n, d) whose last column is the constant 1, quality and cost_usd (n, K),
list_prices (K, 2), seeds (S,) and orders (S, T): the row served at each step under each seed. OUT
gets arms (s, T) and seconds (s,) for the s seeds asked for. The loop is the whole of it: choose an
arm, see its quality, learn.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """What a learner is told before it starts: all contexts, so that it can put them into its own
    form off the clock, the number of arms, what they list a million tokens in and out at, and a
    seed for its luck. Costs are there for who keeps a budget, to be looked at after the call."""

    contexts: NDArray[np.float64]
    arms: int
    seed: int
    list_prices: NDArray[np.float64]
    costs: NDArray[np.float64]


class Learner(Protocol):
    """One bandit. `row` is a row of World.contexts."""

    def choose(self, row: int) -> int: ...

    def learn(self, row: int, arm: int, quality: float) -> None: ...


Settings = Mapping[str, Any]
Maker = Callable[[World, Settings], Learner]


def play(
    learner: Learner, order: NDArray[np.intp], quality: NDArray[np.float64]
) -> tuple[NDArray[np.intp], float]:
    """The arms chosen, (T,), and the processor time it took to choose and learn, in seconds.

    Processor time, as in our own simulation: a busy neighbour does not make anybody slow.
    """
    rows, outcomes = order.tolist(), quality.tolist()
    choose, learn = learner.choose, learner.learn
    arms = []
    start = time.thread_time()
    for row in rows:
        arm = choose(row)
        learn(row, arm, outcomes[row][arm])
        arms.append(arm)
    seconds = time.thread_time() - start
    return np.array(arms, dtype=np.intp), seconds


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line."""

    stream: Path
    out: Path
    seeds: list[int]
    settings: Settings


def asked(arguments: list[str] | None = None) -> Asked:
    parser = argparse.ArgumentParser()
    parser.add_argument("stream", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--settings", type=json.loads, default={})
    return Asked(**vars(parser.parse_args(arguments)))


def save(out: Path, runs: Sequence[tuple[NDArray[np.intp], float]]) -> None:
    """Arms and seconds of each seed asked for."""
    arms, seconds = zip(*runs, strict=True)
    np.savez_compressed(out, arms=np.stack(arms), seconds=np.array(seconds))


def main(make: Maker, arguments: list[str] | None = None) -> None:
    words = asked(arguments)
    with np.load(words.stream, allow_pickle=False) as stored:
        contexts, quality = stored["contexts"], stored["quality"]
        prices, costs = stored["list_prices"], stored["cost_usd"]
        orders = dict(zip(stored["seeds"].tolist(), stored["orders"], strict=True))
    arms = quality.shape[1]
    worlds = [World(contexts, arms, seed, prices, costs) for seed in words.seeds]
    save(
        words.out,
        [play(make(world, words.settings), orders[world.seed], quality) for world in worlds],
    )
