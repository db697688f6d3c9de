"""Load for the wire benchmarks: h2load where it is installed, else a Python generator.

h2load (package nghttp2-client of Debian) is a native client, so the numbers are the
server's; the Python generator costs about as much CPU as the server and halves them. Ratios
hold either way, since the reference is measured by the same generator in the same run.
"""

import asyncio
import random
import shutil
import statistics
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import grpc


@dataclass(frozen=True)
class Load:
    """What came of one run: calls a second, and latencies in milliseconds."""

    calls_per_second: float
    p50_ms: float
    p99_ms: float


def generator() -> str:
    """Which one is used here."""
    return "h2load" if shutil.which("h2load") else "Python"


def unary(
    port: int, method: str, body: bytes, *, calls: int, in_flight: int, rate: int | None = None
) -> Load:
    """`calls` calls of one method, `in_flight` at a time, or at random times, `rate` a second.

    Raises RuntimeError if any call fails.
    """
    if rate is None and shutil.which("h2load"):
        return _h2load(port, method, body, calls, in_flight)
    # Paced by h2load, calls would come in bursts every 10 ms: a test of the queue.
    return asyncio.run(_python(port, method, body, calls, in_flight, rate))


def _h2load(port: int, method: str, body: bytes, calls: int, in_flight: int) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        data, log = Path(folder, "body"), Path(folder, "log")
        data.write_bytes(struct.pack(">BI", 0, len(body)) + body)
        command = ["h2load", "-c1", "-t1", f"-n{calls}", f"-m{in_flight}", f"--data={data}"]
        command += [
            f"--log-file={log}",
            "-H",
            "content-type: application/grpc",
            "-H",
            "te: trailers",
        ]
        run = subprocess.run(
            [*command, f"http://127.0.0.1:{port}{method}"],
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
        if f"{calls} succeeded" not in run.stdout:
            raise RuntimeError(f"h2load: {run.stdout[-600:]}")
        rows = [line.split("\t") for line in log.read_text().splitlines()]
    starts = [int(row[0]) for row in rows]
    micros = [int(row[2]) for row in rows]
    ends = [start + took for start, took in zip(starts, micros, strict=True)]
    seconds = (max(ends) - min(starts)) / 1e6
    return _load(calls / seconds, [m / 1000 for m in micros])


def _arrivals(calls: int, rate: int) -> list[float]:
    """Times of a Poisson process, in ms; the same ones each time."""
    luck = random.Random(calls)
    return list(accumulate(luck.expovariate(rate / 1000) for _ in range(calls)))


async def _python(
    port: int, method: str, body: bytes, calls: int, in_flight: int, rate: int | None
) -> Load:
    millis: list[float] = []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            method, request_serializer=lambda b: b, response_deserializer=lambda b: b
        )
        left = calls
        begin = time.perf_counter()
        due = _arrivals(calls, rate) if rate is not None else None

        async def worker() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                if due is not None:
                    at = begin + due[calls - left - 1] / 1000
                    await asyncio.sleep(max(0.0, at - time.perf_counter()))
                started = time.perf_counter()
                await call(body)
                millis.append(1000 * (time.perf_counter() - started))

        await asyncio.gather(*(worker() for _ in range(in_flight)))
        seconds = time.perf_counter() - begin
    return _load(calls / seconds, millis)


def _load(rate: float, millis: list[float]) -> Load:
    cuts = statistics.quantiles(millis, n=100)
    return Load(rate, cuts[49], cuts[98])
