"""The service over the wire, next to an empty grpc.aio server in the same run.

`python -m benchmarks.wire [--json FILE] [--quick]`

Every decision and every piece of feedback is durable before it is answered. The policy has
32-dimensional vectors and 8 arms unless a line says otherwise; `hierarchical_thompson` is what a
newcomer gets. Rounds of echo and service alternate, and each ratio is of medians over the rounds.
Of batches it says how many rows there are to an empty call, 64 of those in flight. The first line
is the disk by itself: no durable answer comes sooner, and none has a better 99th percentile.
"""

import argparse
import asyncio
import json
import os
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bandit_service.rpc.pb import routing_pb2 as pb
from benchmarks import load, processes
from benchmarks.load import Load
from benchmarks.traffic import (
    ALGORITHMS,
    ARMS,
    BATCH,
    BATCH_ROUTE,
    DIM,
    ROUTE,
    TEXT,
    feedback_rate,
    policy_files,
    route_request,
    teach,
)

ROUNDS = 3


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
        _print(disk := _disk(Path(folder)))
        yield disk
        files = policy_files(Path(folder))
        for database, url in urls.items():
            with processes.service(url, *files) as port:
                for row in _measure_one(database, port, echo_port, scale):
                    _print(row)
                    yield row


def _disk(folder: Path, writes: int = 500, size: int = 16_384) -> dict[str, Any]:
    """How long the disk takes to make one small write durable."""
    made_durable = getattr(os, "fdatasync", os.fsync)  # macOS has but the other
    took = []
    file = os.open(folder / "disk", os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        for number in range(writes):
            os.pwrite(file, bytes(size), number * size)
            began = time.perf_counter()
            made_durable(file)
            took.append(1e3 * (time.perf_counter() - began))
    finally:
        os.close(file)
    hundredths = statistics.quantiles(took, n=100)
    return {
        "what": f"The disk alone, {size // 1024} KiB made durable, p50 ms",
        "service": hundredths[49],
        "p50_ms": hundredths[49],
        "p99_ms": hundredths[98],
    }


def _measure_one(
    database: str, port: int, echo_port: int, scale: float
) -> Iterable[dict[str, Any]]:
    for algorithm in ALGORITHMS:
        body = route_request(algorithm)
        teach(port, algorithm)
        yield _saturated(f"{database}, {algorithm}", port, echo_port, body, scale)
        yield _alone(f"{database}, {algorithm}", port, echo_port, body, scale)
        yield _half(f"{database}, {algorithm}", port, echo_port, body, scale)
        yield _batches(f"{database}, {algorithm}", port, echo_port, algorithm, scale)
    body = pb.RouteRequest(policy="text", text=TEXT).SerializeToString()
    yield _saturated(f"{database}, text", port, echo_port, body, scale)
    yield _feedback(database, port, echo_port, scale)


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


def _batches(what: str, port: int, echo_port: int, algorithm: str, scale: float) -> dict[str, Any]:
    one = pb.RouteRequest.FromString(route_request(algorithm))
    body = pb.BatchRouteRequest(requests=[one] * BATCH).SerializeToString()
    calls = int(600 * scale)

    def rate() -> float:
        return load.unary(port, BATCH_ROUTE, body, calls=calls, in_flight=4).calls_per_second

    return _to_a_call(
        f"BatchRoute of {BATCH}, decisions/s ({what})", lambda: BATCH * rate(), echo_port, scale
    )


def _feedback(database: str, port: int, echo_port: int, scale: float) -> dict[str, Any]:
    """Every decision gets its first feedback: nothing is a repeat."""
    rows = int(20_000 * scale) // 512 * 512 or 512

    def rate() -> float:
        return asyncio.run(feedback_rate(port, rows))

    return _to_a_call(f"BatchFeedback of 512, rows/s ({database}, linucb)", rate, echo_port, scale)


def _to_a_call(
    what: str, rate: Callable[[], float], echo_port: int, scale: float
) -> dict[str, Any]:
    ours, reference = [], []
    for _ in range(ROUNDS):
        echoed = load.unary(
            echo_port, ROUTE, route_request("linucb"), calls=int(8_000 * scale), in_flight=64
        )
        reference.append(echoed.calls_per_second)
        ours.append(rate())
    service, echo = statistics.median(ours), statistics.median(reference)
    return {"what": what, "service": service, "reference": echo, "ratio": service / echo}


def _alternate(
    run: Callable[[int], Load], port: int, echo_port: int
) -> tuple[list[Load], list[Load]]:
    ours, reference = [], []
    for _ in range(ROUNDS):
        reference.append(run(echo_port))
        ours.append(run(port))
    return ours, reference


def _print(row: dict[str, Any]) -> None:
    reference = f"{row['reference']:>12,.2f}{row['ratio']:>8.2f}" if "ratio" in row else ""
    extra = "".join(
        f"  {name[:3]} {row[name]:.2f} ms" for name in ("p50_ms", "p99_ms") if name in row
    )
    print(f"{row['what']:<58}{row['service']:>12,.2f}{reference}{extra}", flush=True)


if __name__ == "__main__":
    main()
