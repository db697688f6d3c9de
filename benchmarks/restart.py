"""How long a start takes, and whom a checkpoint holds up: `python -m benchmarks.restart`.

First: from starting the process to serving, on an empty database, and with 64 dimensions, 16 arms,
a checkpoint and 10,000 events of tail, whatever lies in the journal before the checkpoint. Each
engine that starts so is compared with one that folded all of it.

Then, with 384 dimensions and 16 arms: what taking a snapshot costs the event loop, how long
anything on it has to wait while the checkpoint is written in its thread, and how long a `Route`
over the wire takes with and without a checkpoint every second.
"""

import argparse
import asyncio
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bandit_service.app import shape_of
from bandit_service.checkpoints import BY_SECRET, Keeper, fold, recover
from bandit_service.client import Client
from bandit_service.configuration import check
from bandit_service.engine import FOLD_VERSION, PolicyEngine
from bandit_service.model import (
    Arm,
    Effect,
    Event,
    Features,
    FeedbackEvent,
    JournalEntry,
    Lesson,
    PolicyConfig,
    RevisionEvent,
    Source,
    StoredPolicy,
    VectorFeatures,
)
from bandit_service.ports import Store
from bandit_service.store import open_store, rows
from benchmarks import processes

NAME, ARMS, TAIL = "chat", 16, 10_000
START_DIM, PAUSE_DIM = 64, 384
BEHIND, BEHIND_QUICK = (10_000, 1_000_000), (10_000,)
DIFFERENT = 1_000  # events; a journal says them again and again
STARTS = 5
ROUTES, WARM_UP = 3_000, 200
FEEDBACK_EVERY = 8
NOW = 1.7e9

Row = dict[str, Any]


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=sys.modules[__name__].__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    parser.add_argument("--quick", action="store_true", help="without the long journal")
    options = parser.parse_args(given)
    found: list[Row] = []
    for row in measure(options.quick):
        found.append(row)
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


def measure(quick: bool) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield served(f"sqlite:///{folder}/empty.db", "an empty database")
        for behind in BEHIND_QUICK if quick else BEHIND:
            yield from starts(Path(folder) / f"{behind}.db", behind)
        yield asyncio.run(pauses(Path(folder) / "pauses.db"))
        yield from routes(Path(folder), ROUTES // 10 if quick else ROUTES)


def a_config(dim: int) -> PolicyConfig:
    arms = tuple(Arm(name=f"arm {slot}") for slot in range(ARMS))
    features = Features(vector=VectorFeatures(dimension=dim - 1))  # and the constant
    return check(PolicyConfig(name=NAME, arms=arms, features=features), shape_of)


def some_feedback(dim: int, count: int) -> list[FeedbackEvent]:
    rng = np.random.default_rng(1)
    contexts = rng.normal(size=(count, dim)) / dim**0.5
    contexts[:, -1] = 1.0
    return [
        FeedbackEvent(
            feedback_id=f"f{place}",
            decision_id=f"d{place}",
            source=Source.USER,
            time=NOW,
            effect=Effect.LEARNED,
            lessons=(Lesson(place % ARMS, context.tobytes(), NOW, None, float(rng.random())),),
        )
        for place, context in enumerate(contexts)
    ]


# -- a start ----------------------------------------------------------------------------------


def starts(path: Path, behind: int) -> Iterator[Row]:
    url, first = f"sqlite:///{path}", RevisionEvent(1, 0, 0, a_config(START_DIM), NOW, FOLD_VERSION)
    store = open_store(url)
    with store.write() as tx:
        identity = tx.create_policy(NAME, bytes(32), NOW)
    told = some_feedback(START_DIM, DIFFERENT)
    write_journal(path, identity, first, told, behind + TAIL)
    keeper = Keeper(store.checkpoints, BY_SECRET)
    lease = store.leases.take("benchmark", "benchmark", 3_600.0)
    assert lease is not None
    engine = PolicyEngine(identity, shape_of)
    for position in range(1, behind + 1):
        engine.apply(JournalEntry(position, nth(first, told, position)))
    keeper.save(identity, engine.snapshot(), lease)
    for position in range(behind + 1, behind + TAIL + 1):
        engine.apply(JournalEntry(position, nth(first, told, position)))
    yield loaded(store, keeper, identity, behind, engine.state_hash())
    if behind == min(BEHIND):
        yield from_zero(store, identity, engine.state_hash())
    store.close()
    yield served(url, f"{behind:,} events, a checkpoint, {TAIL:,} events")


def nth(first: Event, told: Sequence[Event], position: int) -> Event:
    return first if position == 1 else told[position % len(told)]


def write_journal(
    path: Path, identity: StoredPolicy, first: Event, told: Sequence[Event], head: int
) -> None:
    """By the bare driver: through the store it would take many times as long."""
    written = {id(event): rows.journal_row(identity.id, JournalEntry(1, event))
               for event in (first, *told)}  # fmt: skip

    def lines() -> Iterator[tuple[Any, ...]]:
        for position in range(1, head + 1):
            policy_id, _, *rest = written[id(nth(first, told, position))]
            yield (policy_id, position, *rest)

    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO journal VALUES (?, ?, ?, ?, ?)", lines())
    connection.execute("UPDATE policy_head SET head = ?", (head,))
    connection.execute("COMMIT")
    connection.close()


def loaded(store: Store, keeper: Keeper, identity: StoredPolicy, behind: int, wanted: str) -> Row:
    started = time.perf_counter()
    recovered = recover(store, keeper, identity, shape_of)
    seconds = time.perf_counter() - started
    assert recovered.checkpoint is not None
    assert recovered.engine.state_hash() == wanted
    return {"what": "checkpoint and tail", "behind": behind, "seconds": round(seconds, 3)}


def from_zero(store: Store, identity: StoredPolicy, wanted: str) -> Row:
    engine, started = PolicyEngine(identity, shape_of), time.perf_counter()
    fold(store, engine)
    seconds = time.perf_counter() - started
    assert engine.state_hash() == wanted
    return {"what": "fold from zero", "behind": engine.position, "seconds": round(seconds, 3)}


def served(url: str, what: str) -> Row:
    """The best of several: the machine is shared."""
    seconds = []
    for _ in range(STARTS):
        started = time.perf_counter()
        with processes.service(url, options=("--checkpoint-seconds", "86400")):
            seconds.append(time.perf_counter() - started)
    return {"what": f"start to serving: {what}", "seconds": round(min(seconds), 3),
            "median": round(float(np.median(seconds)), 3)}  # fmt: skip


# -- a checkpoint -----------------------------------------------------------------------------


async def pauses(path: Path) -> Row:
    """Milliseconds on the event loop, at d = 384 and K = 16."""
    store = open_store(f"sqlite:///{path}")
    with store.write() as tx:
        identity = tx.create_policy(NAME, bytes(32), NOW)
    told, engine = some_feedback(PAUSE_DIM, DIFFERENT), PolicyEngine(identity, shape_of)
    first = RevisionEvent(1, 0, 0, a_config(PAUSE_DIM), NOW, FOLD_VERSION)
    for position in range(1, 500):
        engine.apply(JournalEntry(position, nth(first, told, position)))
    taking: list[float] = []
    writing: list[float] = []
    usual: list[float] = []
    for _ in range(20):
        taking.append(timed(engine.snapshot))
        for times in (writing, usual):  # the first one after it copies an arm's sums
            entry = JournalEntry(engine.position + 1, told[0])
            times.append(timed(lambda entry=entry: engine.apply(entry)))
    lease = store.leases.take("benchmark", "benchmark", 3_600.0)
    assert lease is not None
    keeper, snapshot = Keeper(store.checkpoints, BY_SECRET), engine.snapshot()
    alone = await gaps(asyncio.to_thread(time.sleep, 1.0))
    during = await gaps(asyncio.to_thread(keeper.save, identity, snapshot, lease))
    megabytes = keeper.of(identity.id)[0].size / 2**20
    store.close()
    return {
        "what": f"checkpoint of {megabytes:.1f} MB, ms on the loop",
        "snapshot": spread(taking),
        "first write after it": spread(writing),
        "another": spread(usual),
        "turns of the loop, alone": spread(alone),
        "while it is written": spread(during),
    }


def timed(call: Any) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


async def gaps(work: Any) -> list[float]:
    """How long the turns of the loop take until `work` is done: one every millisecond."""
    task, found = asyncio.ensure_future(work), []
    while not task.done():
        started = time.perf_counter()
        await asyncio.sleep(0.001)
        found.append(time.perf_counter() - started - 0.001)
    await task
    return found


def spread(seconds: Iterable[float]) -> dict[str, float]:
    found = np.array(list(seconds)) * 1e3
    return {
        "p50": round(float(np.median(found)), 3),
        "p99": round(float(np.quantile(found, 0.99)), 3),
        "max": round(float(found.max()), 3),
    }


def routes(folder: Path, count: int) -> Iterator[Row]:
    policy = folder / "policy.yaml"
    arms = ", ".join(f"{{name: arm {slot}}}" for slot in range(ARMS))
    policy.write_text(
        f"name: {NAME}\nfeatures: {{vector: {{dimension: {PAUSE_DIM - 1}}}}}\narms: [{arms}]\n"
    )
    for what, seconds in (("never", "86400"), ("every second", "1")):
        url = f"sqlite:///{folder}/routes {seconds}.db"
        with processes.service(url, policy, options=("--checkpoint-seconds", seconds)) as port:
            took = some_routes(port, count)
        store = open_store(url)
        made = sum(len(store.checkpoints.of(one.id)) for one in store.policies())
        store.close()
        yield {"what": "Route over the wire, ms", "checkpoints": what, "kept": made, **spread(took)}


def some_routes(port: int, count: int) -> list[float]:
    """One at a time, with feedback between them, so that there is something to checkpoint."""
    luck, took = random.Random(1), []
    with Client(f"127.0.0.1:{port}", policy=NAME, timeout=30.0) as client:
        for number in range(count + WARM_UP):
            vector = [luck.gauss(0.0, 0.05) for _ in range(PAUSE_DIM - 1)]
            started = time.perf_counter()
            choice = client.route(vector=vector)
            took.append(time.perf_counter() - started)
            if number % FEEDBACK_EVERY == 0:
                client.feedback(choice, score=luck.random())
    return took[WARM_UP:]


if __name__ == "__main__":
    main()
