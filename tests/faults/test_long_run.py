"""A service that serves for long stays as large as it is."""

import asyncio
from dataclasses import dataclass

import pytest

from tests.faults.asking import assert_same_state
from tests.faults.checker import check, wait_until_stored
from tests.faults.clients import Acknowledged, under_clients
from tests.faults.effort import effort, seeded, write_counts
from tests.faults.processes import Service, services

SECONDS = effort(2.0, 600.0)
SAMPLES, READINGS = 40, effort(3, 10)
# So few that they are full when the measurement begins: from then on a new one takes the place of
# an old one, and what grows all the same is kept by mistake.
KEPT_ROWS = 30
KEPT = {
    "bandit_service.batch.MOST_CACHED_DECISIONS": KEPT_ROWS,
    "bandit_service.answered.MOST_BYTES": KEPT_ROWS * 1_200,
}
WARM_UP = effort(3_000, 6_000)  # answers; statements, branches and buffers are all used by then
# The first checkpoint loads what packs it, once and for good: not in the middle of the measurement.
OPTIONS = ("--checkpoint-seconds", effort("3600", "5"))
LEAST = 1_000  # answers during the measurement
# What the objects of all rows kept take, if not one of them were there at its beginning: a decision
# of three arms with its context, its request id and the places that hold it, in each of two caches.
# A leak of 150 bytes an answer is as much.
ROW_BYTES = 2_500
MOST_TRACED = 2 * KEPT_ROWS * ROW_BYTES
# Of the process: pieces that the allocator cannot give back.
MOST_RESIDENT = 16 * 2**20


@dataclass
class Sizes:
    """Bytes: of the objects before and after, of the process all the time."""

    before: int
    after: int
    resident: list[int]

    def grown(self) -> int:
        """How much the process has grown in the last quarter of the time, beyond the one before."""
        quarter = len(self.resident) // 4
        return max(self.resident[3 * quarter :]) - max(self.resident[2 * quarter : 3 * quarter])


async def traced(service: Service) -> int:
    """The least of a few readings: a call or a checkpoint under way is not kept."""
    readings = []
    for _ in range(READINGS):
        readings.append(await asyncio.to_thread(service.traced_bytes))
        await asyncio.sleep(0.2)
    return min(readings)


async def sizes_over_time(service: Service, luck) -> tuple[Acknowledged, Sizes]:
    await asyncio.to_thread(service.start)
    async with under_clients([service.address], luck) as told:
        await told.reach(WARM_UP)
        sizes = Sizes(await traced(service), 0, [])
        for _ in range(SAMPLES):
            await asyncio.sleep(SECONDS / SAMPLES)
            sizes.resident.append(service.resident_bytes())
        await told.reach(WARM_UP + LEAST)
        sizes.after = await traced(service)
    return told, sizes


@pytest.mark.timeout(3_600)
def test_memory_stays_where_it_is(nursery, policy, fresh_url, request):
    with (
        seeded(request.node.name) as luck,
        services(nursery, fresh_url, "--policy", policy, *OPTIONS) as (service,),
    ):
        service.smaller, service.is_traced = KEPT, True
        told, sizes = asyncio.run(sizes_over_time(service, luck))
        wait_until_stored(fresh_url, told)
        verdict = check(fresh_url, told)
        assert_same_state(service.address, verdict)

    assert sizes.after - sizes.before < MOST_TRACED
    assert sizes.grown() < MOST_RESIDENT
    write_counts(
        f"test_long_run::{request.node.name}",
        seconds=int(SECONDS),
        acknowledged=verdict.acknowledged,
        lost=verdict.lost,
        largest_mebibytes=round(max(sizes.resident) / 2**20),
        grown_mebibytes=round(sizes.grown() / 2**20, 1),
        objects_grown_kibibytes=round((sizes.after - sizes.before) / 2**10, 1),
    )
