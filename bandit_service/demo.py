"""`bandit-service demo`: the real server, real outcomes over the wire, learning as it happens.

Starts `bandit-service serve` as a process on SQLite, asks it to route the bundled sample,
tells it how each answer was, and at the end kills it without warning and starts it again,
to see that it still knows what it learned.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bandit_service.client import AsyncClient, Choice
from bandit_service.rpc.pb import policy_pb2, policy_pb2_grpc, routing_pb2, routing_pb2_grpc
from bandit_service.sample import Sample, load_sample

POLICY = "demo"
# A dollar is worth two points of quality: at the sample's prices, the dearest model has to
# be better by .03 to be worth its cost, the middle one by .001.
QUALITY_PER_USD = 2.0
QUERIES_IN_FLIGHT = 8
REPORTS = 10


@dataclass(frozen=True)
class Result:
    """What the demo measured, over the queries it routed. Costs are USD a query."""

    queries: int
    algorithm: str
    quality: float
    cost_usd: float
    random_quality: float
    random_cost_usd: float
    best_single_arm: str
    best_single_quality: float
    best_single_cost_usd: float
    shares: dict[str, float]
    last_shares: dict[str, float]
    state_hash: str
    survived_kill: bool


@dataclass
class _Run:
    """The stream so far: which arm each query got, and with what probability."""

    sample: Sample
    arms: NDArray[np.intp]
    propensities: NDArray[np.float64]
    choices: list[Choice]

    def quality(self, start: int, end: int) -> float:
        return float(self.sample.quality[np.arange(start, end), self.arms[start:end]].mean())

    def cost(self, start: int, end: int) -> float:
        return float(self.sample.cost_usd[np.arange(start, end), self.arms[start:end]].mean())

    def shares(self, start: int, end: int) -> dict[str, float]:
        part = self.arms[start:end]
        return {name: float((part == slot).mean()) for slot, name in enumerate(self.sample.arms)}


def run_demo(
    *,
    queries: int = 1_000,
    algorithm: str = "hierarchical_thompson",
    as_json: bool = False,
    database: Path | None = None,
) -> int:
    """Runs it and prints. The exit code: 0 if what was learned survived the kill."""
    console = Console(stderr=as_json, highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        path = database or Path(folder, "demo.db")
        result = _demonstrate(console, path, Path(folder), min(queries, 1_000), algorithm)
    if as_json:
        print(json.dumps(asdict(result)))  # noqa: T201
    return 0 if result.survived_kill else 1


def _demonstrate(
    console: Console, database: Path, folder: Path, queries: int, algorithm: str
) -> Result:
    sample = load_sample()
    config = folder / "demo.yaml"
    config.write_text(json.dumps(_config(sample, algorithm)))  # JSON is YAML
    with _server(database, "--policy", str(config)) as (server, address):
        console.print(
            f"bandit-service on {address}, SQLite database {database.name}\n"
            f"policy {POLICY!r}: {algorithm}, {len(sample.arms)} arms; "
            f"a dollar is worth {QUALITY_PER_USD:g} points of quality\n",
            soft_wrap=True,
        )
        run = asyncio.run(_stream(console, sample, address, queries))
        before = _state(address)
        _explain(console, run, address)
        server.kill()
    with _server(database) as (_, address):
        after = _state(address)
    survived = (before.position, before.state_hash) == (after.position, after.state_hash)
    console.print(
        f"\nKilled (SIGKILL) and started again: state {after.state_hash[:12]}… "
        f"{'as' if survived else 'NOT AS'} before"
    )
    result = _result(run, queries, algorithm, before.state_hash, survived)
    _summarise(console, result)
    return result


def _config(sample: Sample, algorithm: str) -> dict[str, object]:
    prices = zip(
        sample.arms,
        sample.input_usd_per_million_tokens.tolist(),
        sample.output_usd_per_million_tokens.tolist(),
        strict=True,
    )
    return {
        "name": POLICY,
        "algorithm": {"name": algorithm},
        "features": {"vector": {"dimension": sample.embeddings.shape[1]}},
        "objective": {"quality_per_usd": QUALITY_PER_USD},
        "arms": [
            {
                "name": name,
                "input_usd_per_million_tokens": price_in,
                "output_usd_per_million_tokens": price_out,
            }
            for name, price_in, price_out in prices
        ],
    }


@contextmanager
def _server(database: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process and its address. Ended at the end, if it still runs."""
    command = [sys.executable, "-m", "bandit_service.cli", "serve", "--listen", "127.0.0.1:0"]
    command += ["--database", f"sqlite:///{database}", "--log-level", "warning", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
    assert process.stdout is not None
    try:
        yield process, _address(process.stdout)
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()


def _address(lines: Iterator[str]) -> str:
    for line in lines:
        if "listening on " in line:
            return line.split("listening on ")[1].split()[0]
    raise RuntimeError("the server ended before it listened; its message is above")


async def _stream(console: Console, sample: Sample, address: str, queries: int) -> _Run:
    """Routes the first `queries` of the sample and gives feedback on each."""
    run = _Run(sample, np.zeros(queries, dtype=np.intp), np.zeros(queries), [])
    slots = {name: slot for slot, name in enumerate(sample.arms)}
    every = max(1, queries // REPORTS)
    _print_header(console, sample)
    async with AsyncClient(address, policy=POLICY, timeout=10.0) as client:

        async def ask(index: int) -> None:
            choice = await client.route(vector=sample.embeddings[index].tolist())
            slot = run.arms[index] = slots[choice.arm]
            run.propensities[index] = choice.propensity or np.nan
            run.choices.append(choice)
            await client.feedback(
                choice,
                score=float(sample.quality[index, slot]),
                cost_usd=float(sample.cost_usd[index, slot]),
                source="judge",
            )

        for start in range(0, queries, QUERIES_IN_FLIGHT):
            end = min(start + QUERIES_IN_FLIGHT, queries)
            await asyncio.gather(*(ask(index) for index in range(start, end)))
            if end // every > start // every or end == queries:
                _print_progress(console, run, end, every)
    return run


def _print_header(console: Console, sample: Sample) -> None:
    names = " ".join(f"{_short(name):>12}" for name in sample.arms)
    console.print(f" query {names} qual.  random best  $/1000 chance")


def _print_progress(console: Console, run: _Run, end: int, every: int) -> None:
    """The last part of the stream: who was asked, how it went, and with what chance."""
    start = max(0, end - every)
    shares = " ".join(f"{_bar(share)} {share:>4.0%}" for share in run.shares(start, end).values())
    part = run.sample.quality[start:end]
    best = part[:, run.sample.quality.mean(axis=0).argmax()].mean()
    console.print(
        f"{end:>6} {shares}  {run.quality(start, end):.3f}  {part.mean():.3f} {best:.3f}"
        f" {1000 * run.cost(start, end):>6.2f}  {run.propensities[end - 1]:.3f}"
    )


def _bar(share: float) -> str:
    return f"{'█' * round(7 * share):<7}"


def _short(name: str) -> str:
    return name.rsplit("/", 1)[-1][:12]


def _state(address: str) -> policy_pb2.GetPolicyStateResponse:
    with grpc.insecure_channel(address) as channel:
        stub = policy_pb2_grpc.PolicyServiceStub(channel)
        asked = policy_pb2.GetPolicyStateRequest(name=POLICY)
        state: policy_pb2.GetPolicyStateResponse = stub.GetPolicyState(asked, timeout=10)
        return state


def _explain(console: Console, run: _Run, address: str) -> None:
    """The last decision, as `bandit-service decision` shows it."""
    asked = routing_pb2.GetDecisionRequest(decision_id=run.choices[-1].decision_id)
    with grpc.insecure_channel(address) as channel:
        stub = routing_pb2_grpc.RoutingServiceStub(channel)
        decision = stub.GetDecision(asked, timeout=10).decision
    table = Table(
        title=f"\nThe last decision, {decision.response.decision_id}", title_justify="left"
    )
    for column in ("arm", "probability", "quality", "±", "objective"):
        is_name = column == "arm"
        table.add_column(column, justify="left" if is_name else "right", no_wrap=True)
    for arm in decision.arms:
        chosen = "→ " if arm.arm == decision.response.arm else "  "
        table.add_row(
            chosen + arm.arm.rsplit("/", 1)[-1],
            f"{arm.probability:.4f}",
            f"{arm.quality:.3f}",
            f"{arm.quality_deviation:.3f}",
            f"{arm.objective_offset:+.4f}",
        )
    console.print(table)


def _result(run: _Run, queries: int, algorithm: str, state_hash: str, survived: bool) -> Result:
    quality, cost = run.sample.quality[:queries], run.sample.cost_usd[:queries]
    best = int(quality.mean(axis=0).argmax())
    return Result(
        queries=queries,
        algorithm=algorithm,
        quality=run.quality(0, queries),
        cost_usd=run.cost(0, queries),
        random_quality=float(quality.mean()),
        random_cost_usd=float(cost.mean()),
        best_single_arm=run.sample.arms[best],
        best_single_quality=float(quality[:, best].mean()),
        best_single_cost_usd=float(cost[:, best].mean()),
        shares=run.shares(0, queries),
        last_shares=run.shares(queries * 3 // 4, queries),
        state_hash=state_hash,
        survived_kill=survived,
    )


def _summarise(console: Console, result: Result) -> None:
    table = Table(title=f"\n{result.queries} queries, learned while served", title_justify="left")
    for column in ("", "quality", "USD/query"):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row("this policy", f"{result.quality:.4f}", f"{result.cost_usd:.6f}")
    best = f"best single: {result.best_single_arm}"
    table.add_row(best, f"{result.best_single_quality:.4f}", f"{result.best_single_cost_usd:.6f}")
    table.add_row("random", f"{result.random_quality:.4f}", f"{result.random_cost_usd:.6f}")
    console.print(table)
    share = result.quality / result.best_single_quality
    spent = result.cost_usd / result.best_single_cost_usd
    console.print(
        f"{share:.1%} of the best single model's quality at {spent:.1%} of its cost, cold start"
    )
