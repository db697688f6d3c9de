"""How well joules are divided among concurrent requests.

    python -m benchmarks.energy [--seconds N] [--seeds N] [--json FILE]

A simulated GPU (benchmarks/decoding.py) serves one model at three rates, then two models at once,
one of them four times as dear a token. The meter sees its counter and the requests' token counts,
as `bandit-service meter` would: told while they are written, at the end only, or never. "naive" is
what a request finds if it reads the counter at its start and at its end; "less idle" knows the idle
power, too. Errors are relative to a request's true energy above idle. Ends in a few minutes.
"""

import argparse
import itertools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bandit_service.energy.attribution import Attribution
from bandit_service.energy.calls import Call
from bandit_service.energy.records import NANOJOULES, Window
from bandit_service.model import CallEnergy, EnergySource
from benchmarks.decoding import Request, Run, simulate

DEVICE = "GPU-0"
TICK, TOLD_EVERY = 0.5, 0.5
# Requests a second, and the share of them that goes to a model four times as dear.
LOADS = (0.3, 0.0), (1.5, 0.0), (6.0, 0.0), (1.5, 0.3)
NANO_PER_MILLI = 1_000_000


@dataclass(frozen=True)
class Row:
    """Relative errors of requests. `sum_ratio` is all that was given to requests over what they
    truly took above idle; `closure` the joules by which the books miss the counter."""

    rate: float
    large_share: float
    concurrency: float
    method: str
    requests: int
    median_error: float
    p90_error: float
    sum_ratio: float
    closure: float | None


def metered(run: Run, told: str) -> tuple[list[CallEnergy], Attribution]:
    """What the meter makes of a run. `told`: streamed, at_end or never."""
    meter = Attribution({DEVICE: None}, settle_seconds=600.0)
    events = _events(run, told)
    done: list[CallEnergy] = []
    for _, act in sorted(events, key=lambda event: event[0]):
        done += act(meter)
    return done, meter


Act = Callable[[Attribution], list[CallEnergy]]


def _events(run: Run, told: str) -> list[tuple[float, Act]]:
    events: list[tuple[float, Act]] = []
    for request in run.requests:
        events.append((request.start, _starts(request)))
        events.append((request.end, _ends(request, told)))
        if told == "streamed":
            count = math.ceil((request.end - request.first_token) / TOLD_EVERY - 1e-6)
            times = [request.first_token + TOLD_EVERY * each for each in range(count)]
            events += [(time, _tells(request, time)) for time in times]
    edges = np.arange(0.0, run.seconds + 2 * TICK, TICK)
    for start, end in itertools.pairwise(edges):
        taken = run.read(end) - run.read(start)
        window = Window(DEVICE, float(start), float(end), taken * NANO_PER_MILLI)
        events.append((float(end), lambda meter, w=window: meter.add(w, w.end)))  # type: ignore[misc]
    return events


def _starts(request: Request) -> Act:
    def act(meter: Attribution) -> list[CallEnergy]:
        meter.start(
            Call(
                request.name,
                request.name,
                request.model,
                (DEVICE,),
                request.start,
                input_tokens=request.input_tokens,
            )
        )
        return []

    return act


def _tells(request: Request, time: float) -> Act:
    return lambda meter: meter.tell(request.name, time, max(1, request.told_at(time)))


def _ends(request: Request, told: str) -> Act:
    def act(meter: Attribution) -> list[CallEnergy]:
        return meter.end(
            request.name,
            request.end,
            output_tokens=None if told == "never" else request.output_tokens,
            first_token_seconds=request.first_token - request.start if told == "at_end" else None,
        )

    return act


def naive(run: Run) -> dict[str, float]:
    """Counter at the end less counter at the start, in joules."""
    return {r.name: (run.read(r.end) - run.read(r.start)) / 1000 for r in run.requests}


def without_idle(run: Run, joules: dict[str, float]) -> dict[str, float]:
    """The same less the idle draw, which is known here, during each request."""
    watts = run.idle_joules / run.seconds
    return {r.name: joules[r.name] - watts * (r.end - r.start) for r in run.requests}


def closure(run: Run, meter: Attribution) -> float:
    """Joules by which calls, idle and unclaimed miss the counter."""
    books = meter.books[DEVICE]
    counted = int(run.counter[-1] - run.counter[0]) * NANO_PER_MILLI
    return abs(books.given + books.idle + books.unclaimed - counted) / NANOJOULES


def rows(load: tuple[float, float], seeds: int, seconds: float) -> list[Row]:
    rate, large_share = load
    runs = [simulate(seconds, rate, seed, large_share=large_share) for seed in range(seeds)]
    differences = [naive(run) for run in runs]
    above = [without_idle(run, each) for run, each in zip(runs, differences, strict=True)]
    made = [
        _row(load, runs, "naive", differences, None),
        _row(load, runs, "naive, less idle", above, None),
    ]
    for told in ("never", "at_end", "streamed"):
        results = [metered(run, told) for run in runs]
        found = [
            {c.call_id: c.energy_joules for c in calls if c.energy_joules is not None}
            for calls, _ in results
        ]
        for run, (calls, _) in zip(runs, results, strict=True):
            assert len(calls) == len(run.requests), "every request is settled"
            assert all(c.energy_source in tuple(EnergySource) for c in calls)
        missed = max(closure(run, meter) for run, (_, meter) in zip(runs, results, strict=True))
        made.append(_row(load, runs, f"tokens {told.replace('_', ' ')}", found, missed))
    return made


def _row(
    load: tuple[float, float],
    runs: Sequence[Run],
    method: str,
    found: Sequence[dict[str, float]],
    missed: float | None,
) -> Row:
    pairs = [
        (each[r.name], r.joules)
        for run, each in zip(runs, found, strict=True)
        for r in run.requests
    ]
    given, true = np.array(pairs).T
    errors = np.abs(given - true) / true
    busy = sum(r.end - r.start for run in runs for r in run.requests)
    return Row(
        rate=load[0],
        large_share=load[1],
        concurrency=float(busy / sum(run.seconds for run in runs)),
        method=method,
        requests=len(pairs),
        median_error=float(np.median(errors)),
        p90_error=float(np.quantile(errors, 0.9)),
        sum_ratio=float(given.sum() / true.sum()),
        closure=missed,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=150.0, help="of traffic a run")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    options = parser.parse_args(arguments)
    found = [row for load in LOADS for row in rows(load, options.seeds, options.seconds)]
    print("Energy of concurrent requests: relative error against the truth of a simulated GPU\n")
    heads = "models", "at once", "method", "requests", "median", "p90", "sum", "books"
    print("{:>6} {:>8} {:<18} {:>8} {:>8} {:>8} {:>7}  {}".format(*heads))
    for row in found:
        books = "" if row.closure is None else f"{row.closure:.1e} J"
        print(
            f"{1 + bool(row.large_share):6d} {row.concurrency:8.1f} {row.method:<18} "
            f"{row.requests:8d} {row.median_error:8.1%} {row.p90_error:8.1%} "
            f"{row.sum_ratio:6.2f}x  {books}"
        )
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in found], indent=2) + "\n")


if __name__ == "__main__":
    main()
