"""Runs learners as programs, several at a time, each on one thread of BLAS."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from benchmarks.peers.judge import Score, score
from benchmarks.peers.streams import Stream, read_choices

ROOT = Path(__file__).parents[2]
PATIENCE = 3600.0  # s, for one learner on one stream


class Failed(Exception):
    """Why a program gave no result, in a line."""


@dataclass(frozen=True, slots=True)
class Job:
    """One learner on one stream under some seeds. `module` is run by `python -m`."""

    label: str
    python: Path
    module: str
    settings: tuple[tuple[str, Any], ...]
    stream: str
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Workshop:
    """The streams, by name, in a folder where their files are.

    kept   where what ended stays, for who is broken off and starts anew; None: nowhere
    """

    folder: Path
    streams: Mapping[str, Stream]
    at_a_time: int
    kept: Path | None = None

    def stream_file(self, name: str) -> Path:
        """Numbered, as a name may be that of anybody's folder."""
        return self.folder / f"stream-{list(self.streams).index(name)}.npz"

    def run_all(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Score | Failed]]:
        """Each job with its result, as they end; tells of each on standard error."""
        longest_first = sorted(jobs, key=self._size, reverse=True)
        with ThreadPoolExecutor(self.at_a_time) as pool:
            pending = {pool.submit(self._timed, job): job for job in longest_first}
            for count, future in enumerate(as_completed(pending), 1):
                job, (result, took) = pending[future], future.result()
                ended = "failed" if isinstance(result, Failed) else f"{took:.0f} s"
                seeds = f"{len(job.seeds)} seed{'s' if len(job.seeds) > 1 else ''}"
                place = f"[{count:>3}/{len(jobs)}]"
                print(f"{place} {job.label} on {job.stream}, {seeds}: {ended}", file=sys.stderr)
                yield job, result

    def _size(self, job: Job) -> int:
        stream = self.streams[job.stream]
        steps = len(stream.orders[job.seeds[0]])
        return len(job.seeds) * steps * len(stream.table.arms)

    def _timed(self, job: Job) -> tuple[Score | Failed, float]:
        start = monotonic()
        try:
            return self.run(job), monotonic() - start
        except Failed as failure:
            return failure, monotonic() - start

    def run(self, job: Job) -> Score:
        """Raises Failed."""
        stream, out = self.streams[job.stream], self._choices_file(job)
        try:
            if not out.is_file():
                self._chosen(job, out)
            choices = read_choices(out, stream, job.seeds)
        except (OSError, KeyError, ValueError) as wrong:
            raise Failed(f"{job.label} on {job.stream}: {wrong}") from wrong
        return score(stream, job.seeds, choices)

    def _choices_file(self, job: Job) -> Path:
        """Named for all that decides what is in it but the learners' own code."""
        told = [job.module, job.settings, job.seeds]
        digest = hashlib.sha256(json.dumps(told).encode())
        digest.update(self.stream_file(job.stream).read_bytes())
        return (self.kept or self.folder) / f"chosen-{digest.hexdigest()[:24]}.npz"

    def _chosen(self, job: Job, out: Path) -> None:
        """Runs the program, whose choices are in `out` when all of them are. Raises Failed."""
        partial = out.with_name(f"partial-{out.name}")
        command = [str(job.python), "-m", job.module]
        command += [str(self.stream_file(job.stream)), str(partial)]
        command += ["--seeds", *map(str, job.seeds), "--settings", json.dumps(dict(job.settings))]
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=plain_environment(),
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired as late:
            raise Failed(f"{job.label} on {job.stream}: no end after {PATIENCE:g} s") from late
        if done.returncode:
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            raise Failed(f"{job.label} on {job.stream}: {last}")
        partial.replace(out)


def plain_environment() -> dict[str, str]:
    """Ours, with one thread of BLAS, whose kernels are those of the machine, and this repository to
    import from."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
    one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return kept | one_thread | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
