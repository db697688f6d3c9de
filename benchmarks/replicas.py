"""One policy, served by one replica and by three on one Postgres: `python -m benchmarks.replicas`.

`Route` with 64 calls in flight in all, `BatchRoute` of 64 and `BatchFeedback` of 512, each durable
before it is answered, with the calls shared among the replicas; d = 32, K = 8. Rounds alternate,
and each number is the median over the rounds. All of it runs on the cores at hand, so three
replicas can be quicker than one only where there are cores for them.
"""

import argparse
import asyncio
import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bandit_service.rpc.pb import routing_pb2 as pb
from benchmarks import load, processes, traffic

ROUNDS, REPLICAS, IN_FLIGHT = 3, 3, 64
POLICY = "linucb"
Rate = Callable[[Sequence[int], float], float]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls")
    options = parser.parse_args(arguments)
    rows = list(measure(0.1 if options.quick else 1.0))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def measure(scale: float) -> Iterator[dict[str, Any]]:
    """Prints the table and yields its rows."""
    print(
        f"\nReplicas on one Postgres (one policy; d = {traffic.DIM}, K = {traffic.ARMS}, durable)"
    )
    print(f"{'what':<40}{'one':>12}{REPLICAS:>12}{'ratio':>8}")
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder, ExitStack() as stack:
        url = stack.enter_context(processes.postgres(Path(folder)))
        files = traffic.policy_files(Path(folder))
        ports = [stack.enter_context(processes.service(url, *files)) for _ in range(REPLICAS)]
        traffic.teach(ports[0], POLICY)
        for what, rate in _RATES.items():
            row = _measure_one(what, rate, ports, scale)
            print(f"{what:<40}{row['one']:>12,.0f}{row['three']:>12,.0f}{row['ratio']:>8.2f}")
            yield row


def _measure_one(what: str, rate: Rate, ports: list[int], scale: float) -> dict[str, Any]:
    alone, together = [], []
    for _ in range(ROUNDS):
        alone.append(rate(ports[:1], scale))
        together.append(rate(ports, scale))
    one, three = statistics.median(alone), statistics.median(together)
    return {"what": what, "one": one, "three": three, "ratio": three / one}


def _routes(ports: Sequence[int], scale: float) -> float:
    calls, share = int(8_000 * scale), len(ports)
    body = traffic.route_request(POLICY)

    def run(port: int) -> float:
        return load.unary(
            port, traffic.ROUTE, body, calls=calls // share, in_flight=IN_FLIGHT // share
        ).calls_per_second

    return _sum(run, ports)


def _batches(ports: Sequence[int], scale: float) -> float:
    calls, share = int(600 * scale), len(ports)
    one = pb.RouteRequest.FromString(traffic.route_request(POLICY))
    body = pb.BatchRouteRequest(requests=[one] * traffic.BATCH).SerializeToString()

    def run(port: int) -> float:
        return load.unary(
            port, traffic.BATCH_ROUTE, body, calls=calls // share, in_flight=4
        ).calls_per_second

    return traffic.BATCH * _sum(run, ports)


def _feedback(ports: Sequence[int], scale: float) -> float:
    rows = int(20_000 * scale / len(ports)) // 512 * 512 or 512

    async def all_of_them() -> list[float]:
        return await asyncio.gather(*(traffic.feedback_rate(port, rows) for port in ports))

    return sum(asyncio.run(all_of_them()))


def _sum(run: Callable[[int], float], ports: Sequence[int]) -> float:
    """Of rates that are measured at the same time."""
    with ThreadPoolExecutor(len(ports)) as pool:
        return sum(pool.map(run, ports))


_RATES: dict[str, Rate] = {
    f"Route, {IN_FLIGHT} in flight, calls/s": _routes,
    f"BatchRoute of {traffic.BATCH}, decisions/s": _batches,
    "BatchFeedback of 512, rows/s": _feedback,
}


if __name__ == "__main__":
    main()
