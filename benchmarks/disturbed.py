"""How long a `Route` takes while something else is going on: `python -m benchmarks.disturbed`.

    plain               nothing but calls, and feedback on some of them
    during checkpoints  the same, with a checkpoint every second
    during migrations   the same, while columns with a constraint are added to a table of decisions
                        that is full already, one migration after another, as `migrate` does it

With 384 dimensions and 16 arms, so that a checkpoint is of 19 MB; calls come at a fixed rate, each
when it is due, whatever became of the ones before (a Poisson process). SQLite is migrated with the
service stopped, so there is nothing to measure there. Rounds of the three alternate; each number is
the median over the rounds.
"""

import argparse
import array
import asyncio
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import numpy as np

from bandit_service.draw import new_ids
from bandit_service.model import Decision
from bandit_service.rpc.pb import routing_pb2 as pb
from bandit_service.rpc.pb.routing_pb2_grpc import RoutingServiceStub
from bandit_service.store import open_store, schema
from benchmarks import processes

NAME, DIM, ARMS = "chat", 384, 16
RATE = 100.0  # calls a second: far below what one replica can do
TAUGHT = 0.2  # of the calls: what has changed is saved
WARM_UP = 100  # calls
ROUNDS, SECONDS, ROWS, STEPS = 3, 20.0, 200_000, 20
QUICK = (1, 2.0, 2_000, 3)

MIGRATION = """
from bandit_service.store import steps
revision, down_revision = {name!r}, {before!r}
BYTES = {{"sqlite": "BLOB", "postgresql": "BYTEA"}}
def upgrade():
    steps.add_checked_column("decision", "later_{name}", BYTES, "length(later_{name}) < 9")
    steps.serve(revision)
"""
MIGRATE = """
import sys
from pathlib import Path
from bandit_service.store import migrate, schema
schema.migrations_folder = lambda: Path(sys.argv[2])
migrate(sys.argv[1])
"""

Row = dict[str, Any]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    parser.add_argument("--quick", action="store_true", help="a tenth of it: no numbers to keep")
    options = parser.parse_args(arguments)
    rows = list(measure(options.quick))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def measure(quick: bool) -> Iterator[Row]:
    """Prints the table and yields its rows."""
    rounds, seconds, filled, steps = QUICK if quick else (ROUNDS, SECONDS, ROWS, STEPS)
    print(f"\nRoute, disturbed (d = {DIM}, K = {ARMS}, {RATE:.0f} calls/s; ms)")
    print(f"{'what':<34}{'p50':>9}{'p99':>9}{'max':>9}{'calls':>8}")
    with TemporaryDirectory() as folder, processes.databases() as urls:
        policy = Path(folder) / "policy.yaml"
        policy.write_text(json.dumps(_policy()))  # JSON is YAML
        for database, url in urls.items():
            house = House(url, policy, Path(folder) / "migrations", seconds, steps)
            conditions: dict[str, Callable[[], list[float]]] = {
                "plain": house.calls,
                "during checkpoints": partial(house.calls, checkpoint_seconds=1),
            }
            if database == "Postgres":
                fill(url, policy, filled)
                conditions["during migrations"] = house.calls_during_migrations
            found: dict[str, list[list[float]]] = {name: [] for name in conditions}
            for _ in range(rounds):
                for name, run in conditions.items():
                    found[name].append(run())
            for name, times in found.items():
                yield _told(f"{database}, {name}", times)


class House:
    """One database, and what is done to it."""

    def __init__(self, url: str, policy: Path, folder: Path, seconds: float, steps: int) -> None:
        self._url, self._policy, self._folder = url, policy, folder
        self._seconds, self._steps = seconds, steps
        self._migrations = 0

    def calls(self, checkpoint_seconds: int = 86_400) -> list[float]:
        """Seconds that each call took."""

        def begin() -> Callable[[], bool]:
            until = time.perf_counter() + self._seconds
            return lambda: time.perf_counter() > until

        with self._service(checkpoint_seconds) as port:
            return asyncio.run(traffic(port, begin))

    def calls_during_migrations(self) -> list[float]:
        """Of those calls that were under way while there was something to migrate."""
        command = [sys.executable, "-c", MIGRATE, self._url, str(self._folder)]
        started: list[subprocess.Popen[bytes]] = []

        def begin() -> Callable[[], bool]:
            started.append(subprocess.Popen(command))
            return lambda: started[0].poll() is not None

        self._write_migrations()
        with self._service(86_400) as port:
            took = asyncio.run(traffic(port, begin))
        if started[0].returncode:
            raise RuntimeError("the migration failed")
        return took

    def _service(self, checkpoint_seconds: int) -> Any:
        options = ("--checkpoint-seconds", str(checkpoint_seconds), "--log-level", "error")
        return processes.service(self._url, self._policy, options=options)

    def _write_migrations(self) -> None:
        """More of them, after all there have been."""
        if not self._folder.exists():
            shutil.copytree(schema.migrations_folder(), self._folder)
        versions = self._folder / "versions"
        last = max(path.name[:4] for path in versions.glob("[0-9]*.py"))
        for _ in range(self._steps):
            self._migrations += 1
            name = f"9{self._migrations:03}"
            (versions / f"{name}_later.py").write_text(MIGRATION.format(name=name, before=last))
            last = name


async def traffic(port: int, begin: Callable[[], Callable[[], bool]]) -> list[float]:
    """Seconds from when each call was due until it was answered.

    `begin` is called after some that do not count; what it returns says when it is over.
    """
    luck, took = random.Random(1), []
    answers: asyncio.Queue[pb.RouteResponse] = asyncio.Queue()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = RoutingServiceStub(channel)

        async def call(due: float) -> None:
            answer = await stub.Route(_query(luck))
            took.append(time.perf_counter() - due)
            if luck.random() < TAUGHT:
                answers.put_nowait(answer)

        async def teach() -> None:
            while True:
                told = (await answers.get()).decision_id
                await stub.Feedback(pb.FeedbackRequest(decision_id=told, score=luck.random()))

        for _ in range(WARM_UP):
            await call(time.perf_counter())
        took.clear()
        teacher = asyncio.create_task(teach())
        is_over, due, calls = begin(), time.perf_counter(), []
        while not is_over():
            due += luck.expovariate(RATE)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            calls.append(asyncio.create_task(call(due)))
        await asyncio.gather(*calls)
        teacher.cancel()
        with suppress(asyncio.CancelledError):
            await teacher
    return took


def fill(url: str, policy: Path, rows: int) -> None:
    """So many decisions: what a constraint has to be checked against."""
    with processes.service(url, policy, options=("--log-level", "error")):
        pass  # which makes the policy
    store = open_store(url)
    (identity,) = store.policies()
    numbers, now = np.full(ARMS, 1.0 / ARMS).tobytes(), time.time()
    for start in range(0, rows, 2_000):
        names = new_ids(min(2_000, rows - start), now)
        made = [
            Decision(
                id=name,
                policy_id=identity.id,
                revision=1,
                position=1,
                create_time=now,
                clock=now,
                feature_version="of the benchmark",
                context=bytes(8 * DIM),
                arm=0,
                propensity=1.0 / ARMS,
                probabilities=numbers,
                means=numbers,
                deviations=numbers,
                exclusions=bytes(ARMS),
            )
            for name in names
        ]
        with store.write() as tx:
            tx.add_decisions(made)
    store.close()


def _query(luck: random.Random) -> pb.RouteRequest:
    vector = array.array("d", [luck.gauss(0, DIM**-0.5) for _ in range(DIM - 1)])
    return pb.RouteRequest(policy=NAME, packed_vector=vector.tobytes())


def _policy() -> dict[str, Any]:
    return {
        "name": NAME,
        "algorithm": {"name": "linucb"},
        "features": {"vector": {"dimension": DIM - 1}},  # and the constant
        "arms": [{"name": f"arm-{number}"} for number in range(ARMS)],
    }


def _told(what: str, rounds: list[list[float]]) -> Row:
    quantiles = [1e3 * np.quantile(one, (0.5, 0.99, 1.0)) for one in rounds]
    p50, p99, most = np.median(quantiles, axis=0).tolist()
    calls = sum(map(len, rounds))
    print(f"{what:<34}{p50:>9.2f}{p99:>9.2f}{most:>9.2f}{calls:>8}", flush=True)
    return {"what": what, "p50_ms": p50, "p99_ms": p99, "max_ms": most, "calls": calls}


if __name__ == "__main__":
    main()
