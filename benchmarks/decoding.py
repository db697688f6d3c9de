"""A simulated GPU that decodes several requests at once, and what an onlooker can see of it.

Time goes in steps of 10 ms. The power above idle saturates with the work at hand:
P = most * (1 - exp(-u / most)), u = a * input tokens/s + b * output tokens/s, plus noise. The true
energy of a request is its share of u in each step times the step's energy. An onlooker sees a
counter in whole millijoules that moves every 100 ms, and token counts; not a, b, nor P.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

STEP = 0.01  # seconds
COUNTER_STEPS = 10  # between two movements of the counter
LARGE = 4.0


@dataclass(frozen=True, slots=True)
class Gpu:
    """idle and most in watts; a, b in joules a token, while little runs."""

    idle_watts: float = 70.0
    most_watts: float = 450.0
    joules_per_input_token: float = 0.02
    joules_per_output_token: float = 0.35
    input_tokens_per_second: float = 6000.0
    output_tokens_per_second: float = 60.0  # of one request alone; a busy batch is slower
    noise: float = 0.03


@dataclass(slots=True)
class Request:
    """start, first_token, end in seconds; `written` output tokens at the end of each step.

    A token of the `large` model asks for LARGE times the joules of one of the `small`.
    """

    name: str
    start: float
    input_tokens: int
    output_tokens: int
    model: str = "small"
    first_token: float = 0.0
    end: float = 0.0
    joules: float = 0.0
    first_step: int = 0
    written: list[float] = field(default_factory=list)

    def told_at(self, time: float) -> int:
        """Output tokens written by then."""
        at = min(round(time / STEP) - self.first_step, len(self.written)) - 1
        return int(self.written[at]) if at >= 0 else 0


@dataclass(frozen=True, slots=True)
class Run:
    """requests that ended; `counter` millijoules (steps,), seen; `idle_joules` and
    `total_joules` as they were."""

    requests: list[Request]
    counter: NDArray[np.int64]
    idle_joules: float
    total_joules: float

    @property
    def seconds(self) -> float:
        return len(self.counter) * STEP

    def read(self, time: float) -> int:
        """The counter at that time, in millijoules."""
        return int(self.counter[min(round(time / STEP), len(self.counter) - 1)])


def simulate(
    seconds: float,
    per_second: float,
    seed: int,
    gpu: Gpu | None = None,
    quiet: float = 20.0,
    large_share: float = 0.0,
) -> Run:
    """Poisson arrivals after `quiet` seconds without any; lengths are log-normal."""
    gpu = gpu or Gpu()
    rng = np.random.default_rng(seed)
    waiting = _arrivals(rng, seconds, per_second, quiet)
    for request in waiting:
        request.model = "large" if rng.random() < large_share else "small"
    running: list[Request] = []
    done: list[Request] = []
    energy, total, idle = 0.0, 0.0, 0.0
    counter: list[int] = []
    step = 0
    while waiting or running:
        now = step * STEP
        while waiting and waiting[-1].start <= now:
            request = waiting.pop()
            request.start, request.first_step = now, step
            running.append(request)
        work = [_advance(request, gpu, len(running), now) for request in running]
        watts = gpu.most_watts * -np.expm1(-sum(work) / STEP / gpu.most_watts)
        above = watts * STEP * max(0.0, 1 + gpu.noise * rng.normal())
        for request, part in zip(running, work, strict=True):
            request.joules += above * part / sum(work) if part else 0.0
        energy += above + gpu.idle_watts * STEP
        total, idle = total + above + gpu.idle_watts * STEP, idle + gpu.idle_watts * STEP
        step += 1
        counter.append(
            int(energy * 1000) if step % COUNTER_STEPS == 0 or not counter else counter[-1]
        )
        done += [request for request in running if request.end]
        running = [request for request in running if not request.end]
    return Run(done, np.array(counter), idle, total)


def _arrivals(
    rng: np.random.Generator, seconds: float, per_second: float, quiet: float
) -> list[Request]:
    """Latest first."""
    count = rng.poisson(per_second * (seconds - quiet))
    starts = np.sort(rng.uniform(quiet, seconds, count))
    prompts = rng.lognormal(np.log(300), 0.8, count).astype(int) + 1
    answers = rng.lognormal(np.log(180), 0.6, count).astype(int) + 2
    listed = zip(starts, prompts, answers, strict=True)
    made = [
        Request(f"r{n}", float(start), int(i), int(o)) for n, (start, i, o) in enumerate(listed)
    ]
    return made[::-1]


def _advance(request: Request, gpu: Gpu, company: int, now: float) -> float:
    """One step of one request; the joules of work it asks for."""
    read_seconds = request.input_tokens / gpu.input_tokens_per_second
    reading = min(max(request.start + read_seconds - now, 0.0), STEP)
    times = LARGE if request.model == "large" else 1.0
    work = times * gpu.joules_per_input_token * gpu.input_tokens_per_second * reading
    before = request.written[-1] if request.written else 0.0
    speed = gpu.output_tokens_per_second / (1 + company / 40)
    written = min(before + speed * (STEP - reading), float(request.output_tokens))
    request.written.append(written)
    if written >= 1 and not request.first_token:
        request.first_token = now + STEP
    if written >= request.output_tokens:
        request.end = now + STEP
    return work + times * gpu.joules_per_output_token * (written - before)
