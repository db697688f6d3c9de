"""The service over the wire, next to an empty grpc.aio server in the same run.

`python -m benchmarks.wire [--json FILE] [--quick]`

Every decision and every piece of feedback is durable before it is answered. The policy has
32-dimensional vectors and 8 arms unless a line says otherwise. Rounds of echo and service
alternate, and each ratio is of medians over the rounds.
"""

import argparse
import array
import asyncio
import json
import random
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc

from bandit_service.rpc.pb import routing_pb2 as pb
from benchmarks import load, processes
from benchmarks.load import Load

ROUTE = "/bandit.v1.RoutingService/Route"
BATCH_ROUTE = "/bandit.v1.RoutingService/BatchRoute"
BATCH_FEEDBACK = "/bandit.v1.RoutingService/BatchFeedback"

DIM, ARMS, BATCH = 32, 8, 64
TEXT = "Write a python function that returns the n-th Fibonacci number, and explain its complexity."
ALGORITHMS = ("linucb", "linear_thompson")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls, SQLite only")
    options = parser.parse_args(arguments)
    rows = list(measure(options.quick))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def measure(quick: bool) -> Iterable[dict[str, Any]]:
    """Prints the table and yields its rows."""
    scale = 0.1 if quick else 1.0
    print(f"\nOver the wire (load by {load.generator()}; d = {DIM}, K = {ARMS}, durable)")
    print(f"{'what':<58}{'service':>12}{'reference':>12}{'ratio':>8}")
    with (
        TemporaryDirectory() as folder,
        processes.databases(with_postgres=not quick) as urls,
        processes.echo_server() as echo_port,
    ):
        files = _policies(Path(folder))
        for database, url in urls.items():
            with processes.service(url, *files) as port:
                for row in _measure_one(database, port, echo_port, scale):
                    _print(row)
                    yield row


def _measure_one(
    database: str, port: int, echo_port: int, scale: float
) -> Iterable[dict[str, Any]]:
    for algorithm in ALGORITHMS:
        body = _route(algorithm)
        _teach(port, algorithm)
        yield _saturated(f"{database}, {algorithm}", port, echo_port, body, scale)
        yield _alone(f"{database}, {algorithm}", port, echo_port, body, scale)
        yield _half(f"{database}, {algorithm}", port, echo_port, body, scale)
        yield _batches(f"{database}, {algorithm}", port, algorithm, scale)
    body = pb.RouteRequest(policy="text", text=TEXT).SerializeToString()
    yield _saturated(f"{database}, text", port, echo_port, body, scale)
    yield _feedback(database, port, scale)


def _saturated(what: str, port: int, echo_port: int, body: bytes, scale: float) -> dict[str, Any]:
    calls = int(8_000 * scale)

    def run(at: int) -> Load:
        return load.unary(at, ROUTE, body, calls=calls, in_flight=64)

    ours, reference = _alternate(run, port, echo_port)
    rate = statistics.median(r.calls_per_second for r in ours)
    echoed = statistics.median(r.calls_per_second for r in reference)
    return {
        "what": f"Route, 64 in flight, calls/s ({what})",
        "service": rate,
        "reference": echoed,
        "ratio": rate / echoed,
        "p50_ms": statistics.median(r.p50_ms for r in ours),
        "p99_ms": statistics.median(r.p99_ms for r in ours),
    }


def _alone(what: str, port: int, echo_port: int, body: bytes, scale: float) -> dict[str, Any]:
    def run(at: int) -> Load:
        return load.unary(at, ROUTE, body, calls=int(2_000 * scale), in_flight=1)

    ours, reference = _alternate(run, port, echo_port)
    p50 = statistics.median(r.p50_ms for r in ours)
    echoed = statistics.median(r.p50_ms for r in reference)
    return {
        "what": f"Route, one at a time, p50 ms ({what})",
        "service": p50,
        "reference": echoed,
        "ratio": p50 / echoed,
        "p99_ms": statistics.median(r.p99_ms for r in ours),
    }


def _half(what: str, port: int, echo_port: int, body: bytes, scale: float) -> dict[str, Any]:
    calls = int(8_000 * scale)
    full = load.unary(port, ROUTE, body, calls=calls, in_flight=64).calls_per_second
    rate = int(full / 2)

    def run(at: int) -> Load:
        return load.unary(at, ROUTE, body, calls=calls // 2, in_flight=64, rate=rate)

    ours, reference = _alternate(run, port, echo_port)
    p99 = statistics.median(r.p99_ms for r in ours)
    echoed = statistics.median(r.p99_ms for r in reference)
    return {
        "what": f"Route at half of saturation ({rate}/s), p99 ms ({what})",
        "service": p99,
        "reference": echoed,
        "ratio": p99 / echoed,
        "p50_ms": statistics.median(r.p50_ms for r in ours),
    }


def _batches(what: str, port: int, algorithm: str, scale: float) -> dict[str, Any]:
    one = pb.RouteRequest.FromString(_route(algorithm))
    body = pb.BatchRouteRequest(requests=[one] * BATCH).SerializeToString()
    rates = [
        BATCH
        * load.unary(port, BATCH_ROUTE, body, calls=int(600 * scale), in_flight=4).calls_per_second
        for _ in range(3)
    ]
    return {
        "what": f"BatchRoute of {BATCH}, decisions/s ({what})",
        "service": statistics.median(rates),
    }


def _feedback(database: str, port: int, scale: float) -> dict[str, Any]:
    """Every decision gets its first feedback: nothing is a repeat."""
    rate = asyncio.run(_feedback_rate(port, int(20_000 * scale) // 512 * 512 or 512))
    return {"what": f"BatchFeedback of 512, rows/s ({database}, linucb)", "service": rate}


async def _feedback_rate(port: int, rows: int) -> float:
    luck = random.Random(1)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        route = channel.unary_unary(
            BATCH_ROUTE,
            request_serializer=pb.BatchRouteRequest.SerializeToString,
            response_deserializer=pb.BatchRouteResponse.FromString,
        )
        send = channel.unary_unary(
            BATCH_FEEDBACK,
            request_serializer=lambda raw: raw,
            response_deserializer=pb.BatchFeedbackResponse.FromString,
        )
        bodies = []
        for _ in range(rows // 512):
            asked = [pb.RouteRequest.FromString(_route("linucb")) for _ in range(512)]
            results = (await route(pb.BatchRouteRequest(requests=asked))).results
            given = [
                pb.FeedbackRequest(
                    decision_id=result.response.decision_id,
                    success=luck.random() < 0.5,
                    usage=pb.Usage(cost_usd=0.001),
                )
                for result in results
            ]
            bodies.append(pb.BatchFeedbackRequest(requests=given).SerializeToString())
        started = time.perf_counter()
        answers = await _in_turn(send, bodies)
        seconds = time.perf_counter() - started
    if any(result.HasField("error") for answer in answers for result in answer.results):
        raise RuntimeError("feedback was refused")
    return rows / seconds


async def _in_turn(send: Callable[[bytes], Any], bodies: list[bytes]) -> list[Any]:
    """Four calls in flight at any time."""
    free = asyncio.Semaphore(4)

    async def one(body: bytes) -> Any:
        async with free:
            return await send(body)

    return await asyncio.gather(*map(one, bodies))


def _alternate(
    run: Callable[[int], Load], port: int, echo_port: int, rounds: int = 3
) -> tuple[list[Load], list[Load]]:
    ours, reference = [], []
    for _ in range(rounds):
        reference.append(run(echo_port))
        ours.append(run(port))
    return ours, reference


def _route(policy: str) -> bytes:
    luck = random.Random(7)
    vector = array.array("d", [luck.gauss(0, DIM**-0.5) for _ in range(DIM)])
    return pb.RouteRequest(policy=policy, packed_vector=vector.tobytes()).SerializeToString()


def _teach(port: int, policy: str) -> None:
    """2,000 pieces of feedback: what is measured is a policy that has learned something."""
    luck = random.Random(3)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        route = channel.unary_unary(
            BATCH_ROUTE,
            request_serializer=pb.BatchRouteRequest.SerializeToString,
            response_deserializer=pb.BatchRouteResponse.FromString,
        )
        send = channel.unary_unary(
            BATCH_FEEDBACK,
            request_serializer=pb.BatchFeedbackRequest.SerializeToString,
            response_deserializer=pb.BatchFeedbackResponse.FromString,
        )
        for _ in range(4):
            asked = []
            for _ in range(500):
                vector = array.array("d", [luck.gauss(0, DIM**-0.5) for _ in range(DIM)])
                asked.append(pb.RouteRequest(policy=policy, packed_vector=vector.tobytes()))
            given = []
            for result in route(pb.BatchRouteRequest(requests=asked)).results:
                chance = 0.4 + 0.05 * int(result.response.arm[-1])
                given.append(
                    pb.FeedbackRequest(
                        decision_id=result.response.decision_id, success=luck.random() < chance
                    )
                )
            send(pb.BatchFeedbackRequest(requests=given))


def _policies(folder: Path) -> list[Path]:
    arms = [{"name": f"arm-{number}"} for number in range(ARMS)]
    vector = {"vector": {"dimension": DIM}}
    configs: list[dict[str, Any]] = [
        {"name": name, "algorithm": {"name": name}, "features": vector, "arms": arms}
        for name in ALGORITHMS
    ]
    configs.append({"name": "text", "arms": arms})
    files = []
    for config in configs:
        files.append(folder / f"{config['name']}.yaml")
        files[-1].write_text(json.dumps(config))  # JSON is YAML
    return files


def _print(row: dict[str, Any]) -> None:
    reference = f"{row['reference']:>12,.2f}{row['ratio']:>8.2f}" if "ratio" in row else ""
    extra = "".join(
        f"  {name[:3]} {row[name]:.2f} ms" for name in ("p50_ms", "p99_ms") if name in row
    )
    print(f"{row['what']:<58}{row['service']:>12,.2f}{reference}{extra}", flush=True)


if __name__ == "__main__":
    main()
