"""A service that serves for long stays as large as it is."""

import asyncio

import pytest

from tests.faults.asking import assert_same_state
from tests.faults.checker import check, wait_until_stored
from tests.faults.clients import Acknowledged, under_clients
from tests.faults.effort import effort, seeded, write_counts
from tests.faults.processes import Service, services

SECONDS = effort(3.0, 600.0)
SAMPLES = 40
ENOUGH = 100  # answers
# What is kept of the last 20,000 decisions fills up in the first minute; from half time on the
# long run shows what grows for ever.
MOST_GROWTH = effort(64, 16) * 2**20  # bytes


async def sizes_over_time(service: Service, luck) -> tuple[Acknowledged, list[int]]:
    await asyncio.to_thread(service.start)
    sizes = []
    async with under_clients([service.address], luck) as told:
        for _ in range(SAMPLES):
            await asyncio.sleep(SECONDS / SAMPLES)
            sizes.append(service.resident_bytes())
        await told.reach(ENOUGH)
    return told, sizes


@pytest.mark.timeout(3_600)
def test_memory_stays_where_it_is(nursery, policy, fresh_url, request):
    with (
        seeded(request.node.name) as luck,
        services(nursery, fresh_url, "--policy", policy) as (service,),
    ):
        told, sizes = asyncio.run(sizes_over_time(service, luck))
        wait_until_stored(fresh_url, told)
        verdict = check(fresh_url, told)
        assert_same_state(service.address, verdict)

    quarter = SAMPLES // 4
    before, after = sizes[2 * quarter : 3 * quarter], sizes[3 * quarter :]
    grown = max(after) - max(before)
    assert grown < MOST_GROWTH
    write_counts(
        f"test_long_run::{request.node.name}",
        seconds=int(SECONDS),
        acknowledged=verdict.acknowledged,
        lost=verdict.lost,
        largest_mebibytes=round(max(sizes) / 2**20),
        grown_mebibytes=round(grown / 2**20, 1),
    )
