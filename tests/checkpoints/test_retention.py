"""What is kept, against a plain reading of the rule."""

from collections import defaultdict

import numpy as np
import pytest

from bandit_service.checkpoints import dropped
from bandit_service.model import Checkpoint, CheckpointStatus
from tests.store.test_leases import a_checkpoint

HOUR, DAY = 3_600, 86_400
NOW = 20_000 * DAY + 12 * HOUR


def some(*ages: float, status: CheckpointStatus = CheckpointStatus.USABLE) -> list[Checkpoint]:
    """Of these ages, the newest first; their ids are their ages in whole seconds."""
    return [
        a_checkpoint(
            1, id=int(age), position=10**9 - int(age), create_time=NOW - age, status=status
        )
        for age in sorted(ages)
    ]


def kept(checkpoints: list[Checkpoint]) -> list[int]:
    gone = {one.id for one in dropped(checkpoints, NOW)}
    return [one.id for one in checkpoints if one.id not in gone]


def test_the_last_three_are_kept_however_old() -> None:
    assert kept(some(*(100 * DAY + i for i in range(5)))) == [100 * DAY + i for i in range(3)]


@pytest.mark.parametrize("seed", range(5))
def test_beyond_them_the_newest_of_each_hour_of_a_day_and_of_each_day_of_a_month(
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    ages = {int(age) for age in rng.uniform(0, 40 * DAY, 2_000)}
    ages |= {int(age) for age in rng.uniform(0, 2 * DAY, 2_000)}

    by_hour: dict[int, int] = defaultdict(lambda: 10**9)
    by_day: dict[int, int] = defaultdict(lambda: 10**9)
    for age in ages:
        hour, day = (NOW - age) // HOUR, (NOW - age) // DAY
        if age < DAY:
            by_hour[hour] = min(by_hour[hour], age)
        if age < 30 * DAY:
            by_day[day] = min(by_day[day], age)
    wanted = {*sorted(ages)[:3], *by_hour.values(), *by_day.values()}

    found = kept(some(*ages))
    assert found == sorted(wanted)
    assert 50 < len(found) < 60


def test_what_is_kept_stays_kept_until_its_day_is_over() -> None:
    """Whoever prunes every minute keeps what whoever prunes once keeps."""
    made: list[Checkpoint] = []
    now = float(NOW)
    for minute in range(1, 3 * 24 * 60):
        now = NOW + 60.0 * minute
        usable = CheckpointStatus.USABLE
        made.insert(0, a_checkpoint(1, id=minute, position=minute, create_time=now, status=usable))
        gone = {one.id for one in dropped(made, now)}
        made = [one for one in made if one.id not in gone]

    ages = [now - one.create_time for one in made]
    assert sum(age < DAY for age in ages) in (26, 27)
    assert sum(age >= DAY for age in ages) in (2, 3)


def test_a_pinned_one_is_kept() -> None:
    old = some(*(100 * DAY + i for i in range(5)))
    pinned = a_checkpoint(1, id=1, create_time=NOW - 500 * DAY, pinned=True,
                          status=CheckpointStatus.USABLE)  # fmt: skip

    assert 1 in kept([*old, pinned])


@pytest.mark.parametrize(
    ("status", "young", "old"),
    [(CheckpointStatus.WRITING, HOUR - 1, HOUR), (CheckpointStatus.WITHDRAWN, DAY - 1, DAY)],
)
def test_what_is_of_no_use_goes_after_a_while_and_counts_for_nothing(
    status: CheckpointStatus, young: int, old: int
) -> None:
    usable = some(*(100 * DAY + i for i in range(4)))

    assert kept(some(young, old, status=status) + usable) == [young, *kept(usable)]
    assert len(kept(usable)) == 3
