"""Many runs at once: every process has the table and the policies, and is told which to run.

Runs do not depend on who runs them, or on what ran before in the same process.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache

from bandit_service.errors import BanditError, Exhausted
from bandit_service.evaluation.allowances import Allowance
from bandit_service.evaluation.arrivals import Arrivals
from bandit_service.evaluation.contestants import Entry
from bandit_service.evaluation.runs import Run
from bandit_service.evaluation.simulation import Simulation
from bandit_service.evaluation.table import OutcomeTable

Progress = Callable[[int, int], None]  # runs done, runs in all

# On shared cores a thread of BLAS that waits for another costs more than the whole product.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Job:
    """One run: `entry` is a place among the entries."""

    entry: int
    seed: int
    quality_per_usd: float | None = None
    allowance: Allowance | None = None


def run_all(
    table: OutcomeTable,
    entries: Sequence[Entry],
    arrivals: Arrivals,
    jobs: Sequence[Job],
    *,
    processes: int = 1,
    progress: Progress | None = None,
) -> list[Run]:
    """A run a job, in their order. With one process, in this one.

    Raises what a run raises, Exhausted where a process dies. An interrupt ends them all.
    """
    tell = progress or (lambda done, total: None)
    # Texts have become contexts, which the entries have.
    slim = replace(table, prompts=None, contexts=None)
    if processes == 1 or len(jobs) == 1:
        team, runs = Team(slim, entries, arrivals), []
        for job in jobs:
            runs.append(team.run(job))
            tell(len(runs), len(jobs))
        return runs
    with _pool(min(processes, len(jobs)), slim, entries, arrivals) as pool:
        with _quiet_children():
            futures = [pool.submit(_run, job) for job in jobs]
        try:
            for done, future in enumerate(as_completed(futures), 1):
                _run_of(future)
                tell(done, len(jobs))
        except BrokenProcessPool as broken:
            raise Exhausted(
                "a process of the simulation was killed, as happens where memory runs out; "
                "try fewer at once (--jobs)"
            ) from broken
        return [_run_of(future) for future in futures]


class Team:
    """The simulations of one process, each made when it is first wanted."""

    def __init__(self, table: OutcomeTable, entries: Sequence[Entry], arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._simulation = cache(lambda place: Simulation(table, entries[place]))

    def run(self, job: Job) -> Run:
        simulation = self._simulation(job.entry)
        return simulation.run(self._arrivals, job.seed, job.quality_per_usd, job.allowance)


_team: Team  # of a process of the pool


def _begin(table: OutcomeTable, entries: Sequence[Entry], arrivals: Arrivals) -> None:
    global _team
    _team = Team(table, entries, arrivals)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """An error of ours on its way home. Pickled as it is, it would be made anew by calling its
    class with its sentence alone, which most of the classes do not take."""

    kind: type[BanditError]
    sentence: str
    attributes: dict[str, object]

    def error(self) -> BanditError:
        made = self.kind.__new__(self.kind, self.sentence)
        made.__dict__.update(self.attributes)
        return made


def _run(job: Job) -> Run | _Refusal:
    try:
        return _team.run(job)
    except BanditError as error:
        return _Refusal(type(error), str(error), error.__dict__)


def _run_of(future: Future[Run | _Refusal]) -> Run:
    """Raises BanditError, BrokenProcessPool."""
    result = future.result()
    if isinstance(result, _Refusal):
        raise result.error()
    return result


@contextmanager
def _pool(
    processes: int, table: OutcomeTable, entries: Sequence[Entry], arrivals: Arrivals
) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with the block: at once if it ends with an error."""
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), _begin, (table, entries, arrivals)
    )
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        children = set(multiprocessing.active_children()) - others
        for child in children:
            child.terminate()
        for child in children:
            child.join()
        # The pool's own thread may be the one that hears of a child's end; then join() above
        # returned without knowing it.
        while set(multiprocessing.active_children()) - others:
            time.sleep(0.01)
        raise
    finally:
        pool.shutdown()


@contextmanager
def _quiet_children() -> Iterator[None]:
    """Processes started here have one thread of BLAS, and leave Ctrl-C to the one that started
    them: what a process ignores, its children ignore from their first instruction on."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    is_main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if is_main else None
    os.environ.update(_ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if is_main:
            signal.signal(signal.SIGINT, handler)
