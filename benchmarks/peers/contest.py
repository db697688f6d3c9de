"""Who plays what: everybody as they come, then each peer with what suits it best on each set."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.contestants import OURS, PEERS, Peer
from benchmarks.peers.judge import Score
from benchmarks.peers.running import Failed, Job, Workshop


class Contest:
    """All that is run, with what came of it.

    scores    stream -> label -> score
    failures  what could not be run, each in a line
    notes     which widths were chosen
    """

    def __init__(self, workshop: Workshop, seeds: Sequence[int]) -> None:
        self.workshop, self.seeds = workshop, tuple(seeds)
        self.scores: dict[str, dict[str, Score]] = {name: {} for name in workshop.streams}
        self.failures: list[str] = []
        self.notes: list[str] = []

    def ours(self, policy: str) -> list[Job]:
        settings = {"policy": policy}
        return self._jobs(policy, Path(sys.executable), "ours", settings, self.seeds)

    def peer(
        self, peer: Peer, python: Path, width: float | None, seeds: Sequence[int] | None = None
    ) -> list[Job]:
        """Under its share of the seeds, if none are given."""
        module = f"programs.{peer.program}"
        seeds = self.seeds[: peer.most_seeds] if seeds is None else seeds
        return self._jobs(peer.label(width), python, module, peer.settings(width), seeds)

    def _jobs(
        self, label: str, python: Path, module: str, settings: dict[str, Any], seeds: Sequence[int]
    ) -> list[Job]:
        name = f"benchmarks.peers.{module}"
        told = tuple(settings.items())
        return [
            Job(label, python, name, told, stream, tuple(seeds)) for stream in self.workshop.streams
        ]

    def play(self, jobs: Sequence[Job]) -> dict[Job, Score]:
        """Those that ended well; the others go to `failures`."""
        found = {}
        for job, result in self.workshop.run_all(jobs):
            if isinstance(result, Failed):
                self.failures.append(str(result))
            else:
                found[job] = result
        return found

    def keep(self, found: dict[Job, Score]) -> None:
        for job, result in found.items():
            self.scores[job.stream][job.label] = result

    def ranked(self, stream: str) -> dict[str, Score]:
        """The scores on one stream: ours, then each peer's default beside its tuned width."""
        order = [*OURS, *(peer.label(width) for peer in PEERS for width in (None, *peer.grid))]
        reached = self.scores[stream]
        return {label: reached[label] for label in order if label in reached}

    def best_width(self, peer: Peer, stream: str, found: Mapping[Job, Score]) -> float | None:
        """On this stream: that of the largest mean quality. None if any did not run."""
        reached = {
            width: float(score.quality.mean())
            for width in peer.grid
            for job, score in found.items()
            if job.stream == stream and job.label == peer.label(width)
        }
        return max(reached, key=reached.__getitem__) if len(reached) == len(peer.grid) else None


def compete(contest: Contest, pythons: dict[str, Path], *, tune: bool) -> None:
    """Runs our policies and the peers that have an interpreter."""
    present = [(peer, pythons[peer.environment]) for peer in PEERS if peer.environment in pythons]
    plain = [job for policy in OURS for job in contest.ours(policy)]
    plain += [job for peer, python in present for job in contest.peer(peer, python, None)]
    contest.keep(contest.play(plain))
    if tune:
        widths = tuned(contest, present)
        better = [
            job
            for peer, python in present
            for stream, width in widths.get(peer.name, {}).items()
            if width != peer.usual
            for job in contest.peer(peer, python, width)
            if job.stream == stream
        ]
        contest.keep(contest.play(better))


def tuned(contest: Contest, present: Sequence[tuple[Peer, Path]]) -> dict[str, dict[str, float]]:
    """The best width of each peer, by its name, on each stream, chosen on the tuning seeds.

    For each stream by itself: somebody who knew his traffic could do no better.
    """
    jobs = [
        job
        for peer, python in present
        for width in peer.grid
        for job in contest.peer(peer, python, width, peer.tuning_seeds)
    ]
    found, widths = contest.play(jobs), {}
    for peer, _ in present:
        each = {name: contest.best_width(peer, name, found) for name in contest.workshop.streams}
        widths[peer.name] = {name: width for name, width in each.items() if width is not None}
        tried = ", ".join(f"{width:g}" for width in peer.grid)
        seeds = ", ".join(map(str, peer.tuning_seeds))
        best = ", ".join(f"{width:g} on {name}" for name, width in widths[peer.name].items())
        contest.notes.append(
            f"{peer.name}: {peer.knob} {best or 'not chosen'}; of {tried} "
            f"(default {peer.usual:g}), by quality on seeds {seeds}"
        )
    return widths
