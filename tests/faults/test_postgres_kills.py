"""SIGKILL of every process of Postgres under clients; and what that finds where it should.

Killing the service alone cannot find a missing fsync, for the kernel keeps the pages. Postgres
keeps what it has not flushed yet in memory of its own, so killing it does: with
`synchronous_commit=off` this very test has to lose what was acknowledged.
"""

import asyncio
import random

import pytest

from tests.faults.asking import assert_same_state
from tests.faults.checker import check, wait_until_stored
from tests.faults.clients import Acknowledged, under_clients
from tests.faults.effort import effort, seeded, write_counts
from tests.faults.postgres import Postgres, a_postgres
from tests.faults.processes import DURABLE, Service, services

KILLS = effort(3, 50)
CONTROL_KILLS = effort(10, 30)  # at most: the first loss will do


async def killed_often(
    service: Service, postgres: Postgres, luck, kills: int, least: int
) -> Acknowledged:
    """`least` answers between one kill and the next: whoever got none proves nothing."""
    await asyncio.to_thread(service.start)
    async with under_clients([service.address], luck) as told:
        for _ in range(kills):
            await told.reach(told.count() + least)
            await asyncio.sleep(luck.uniform(0, 0.1))
            await asyncio.to_thread(postgres.kill)
            await asyncio.to_thread(postgres.start)
        await told.reach(told.count() + least)  # the service has found it again by itself
    return told


@pytest.mark.timeout(3_600)
def test_no_kill_of_postgres_loses_an_acknowledged_answer(nursery, policy, request):
    with (
        seeded(request.node.name) as luck,
        a_postgres() as postgres,
        services(nursery, postgres.url, "--policy", policy) as (service,),
    ):
        told = asyncio.run(killed_often(service, postgres, luck, KILLS, least=100))
        wait_until_stored(postgres.url, told)
        verdict = check(postgres.url, told)
        assert_same_state(service.address, verdict)

    assert service.starts == 1  # it lived through all of it
    write_counts(
        f"test_postgres_kills::{request.node.name}",
        kills=KILLS,
        acknowledged=verdict.acknowledged,
        lost=verdict.lost,
        twice=verdict.twice,
        degraded=len(told.degraded),
    )


async def killed_with_its_service(service: Service, postgres: Postgres) -> Acknowledged:
    """Both, so that nobody sends again what is lost. The policy itself is safe."""
    await asyncio.to_thread(service.start)
    await asyncio.to_thread(postgres.flush)
    async with under_clients([service.address], random.Random(1), finish=False) as told:
        await told.reach(200)
        await asyncio.to_thread(postgres.kill)
        await asyncio.to_thread(service.kill)
    return told


@pytest.mark.timeout(3_600)
def test_what_is_committed_asynchronously_is_lost(nursery, policy, request):
    """The control: without it, the test above might be unable to find anything."""
    acknowledged = lost = kills = 0
    with a_postgres(synchronous_commit="off") as postgres:
        # What is not flushed waits for up to three times this long.
        postgres.set("wal_writer_delay", "10s")
        while not lost and kills < CONTROL_KILLS:
            kills += 1
            url = postgres.database(f"run_{kills}")
            with services(nursery, url, "--policy", policy, DURABLE) as (service,):
                told = asyncio.run(killed_with_its_service(service, postgres))
            postgres.start()
            verdict = check(url, told, may_lose=True)
            acknowledged, lost = acknowledged + verdict.acknowledged, lost + verdict.lost

    assert lost > 0
    write_counts(
        f"test_postgres_kills::{request.node.name}",
        control="loses",
        kills=kills,
        acknowledged=acknowledged,
        lost=lost,
    )
