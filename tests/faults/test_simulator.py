"""Thousands of seeds of a simulated world, and proof that it would notice."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from bandit_service.batch import Batch
from bandit_service.checkpoints import Seal
from bandit_service.hearing import Hearing
from bandit_service.model import FeedbackEvent
from bandit_service.writer import Writer
from tests.faults.effort import SEED, effort, write_counts
from tests.faults.simulated_store import WithoutDedupe
from tests.faults.simulation import World
from tests.faults.simulation_check import check

SEEDS = range(1_000 * SEED, 1_000 * SEED + effort(150, 5_000))
A_FEW = SEEDS[:30]

# Seeds that have found something once.
REGRESSIONS: tuple[int, ...] = ()


def simulate(seed: int, **broken: Any) -> Counter[str]:
    world = World(seed, **broken)
    try:
        counts = world.run()
        check(world)
    except BaseException as error:
        error.add_note(f"again with: simulate({seed})")
        raise
    return counts


def test_whatever_happens_nothing_is_lost_or_learned_twice():
    total: Counter[str] = Counter()
    for seed in (*REGRESSIONS, *SEEDS):
        total += simulate(seed)

    wanted = ["crashes", "outages", "clock jumps", "power failures", "unheard commits"]
    wanted += ["hung writers", "duplicates", "stops", "checkpoints saved", "spoiled", "let go"]
    wanted += ["starts from a checkpoint", "models replaced"]
    assert all(total[name] > len(SEEDS) / 20 for name in wanted)
    write_counts(
        "test_simulator::test_whatever_happens_nothing_is_lost_or_learned_twice",
        seeds=len(SEEDS),
        lost=0,
        twice=0,
        **{name.replace(" ", "_"): number for name, number in total.items()},
    )


def test_a_seed_gives_the_same_world_again():
    assert simulate(SEEDS[0]) == simulate(SEEDS[0])


def is_noticed(prepare: Callable[[int], World]) -> bool:
    """Whether one of a few worlds comes to a broken promise, and not to another error."""
    for seed in A_FEW:
        world = prepare(seed)
        try:
            world.run()
            check(world)
        except AssertionError:
            return True
    return False


def test_it_notices_answers_before_the_sync():
    assert is_noticed(lambda seed: World(seed, is_durable=False))


def test_it_notices_that_nobody_looks_for_duplicates():
    def without_dedupe(seed: int) -> World:
        world = World(seed)
        world.store.transaction = WithoutDedupe
        return world

    assert is_noticed(without_dedupe)


class Hasty(Hearing):
    """Broken on purpose: a commit that failed is taken for one that succeeded."""

    def refused(self, writer: Writer, job: Any, error: Exception) -> None:
        if getattr(job, "decisions", None):
            self._answer(job, {})
        else:
            super().refused(writer, job, error)


class Forgetful(Hearing):
    """Broken on purpose: learns what it has recorded itself, and nothing of the others."""

    def delivered(
        self, writer: Writer, batch: Batch, results: list[tuple[Any, Any]], seconds: float
    ) -> None:
        mine = {one.feedback_id for job, _ in results for one in getattr(job, "submissions", ())}
        batch.entries = [
            (i, entry)
            for i, entry in batch.entries
            if not isinstance(entry.event, FeedbackEvent) or entry.event.feedback_id in mine
        ]
        super().delivered(writer, batch, results, seconds)


@pytest.mark.parametrize("broken", [Hasty, Forgetful])
def test_it_notices_broken_hearing(broken, caplog):
    caplog.set_level("CRITICAL")

    assert is_noticed(lambda seed: World(seed, hearing=broken))


def test_it_notices_that_a_spoiled_checkpoint_is_taken(monkeypatch):
    monkeypatch.setattr(Seal, "check", lambda *_: None)

    assert is_noticed(World)
