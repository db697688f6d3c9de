"""The network between service and Postgres fails in five ways, under clients."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.faults.asking import assert_same_state
from tests.faults.checker import check, wait_until_stored
from tests.faults.clients import Acknowledged, under_clients
from tests.faults.effort import effort, seeded, write_counts
from tests.faults.processes import Service, services
from tests.faults.proxy import BLACK_HOLE, MODES, SLOW, Proxy
from tests.patience import PATIENCE

CYCLES = effort(1, 5)
LASTS = effort(1.5, 4.0)  # seconds a failure
SILENCE = 8.0  # seconds a black hole lasts: longer than callers wait
# What a call waits at most by the service's own promise (COMMIT_SECONDS of app/parts.py), and how
# late a busy machine may be with it.
OWN_DEADLINE = 5.0
LATENESS = 20.0
MOST_GROWTH = 64 * 2**20  # bytes that a process may grow by under failures

# Route answers from memory while the database is away. Feedback is never acknowledged before it
# is durable, and says so.
REFUSALS = {"Feedback UNAVAILABLE"}


@pytest.fixture
def proxy(postgres_server):
    info = postgres_server.get_postmaster_info()
    made = Proxy(Path(info.socket_dir) / f".s.PGSQL.{info.port}")
    yield made
    made.close()


async def through_failures(
    service: Service, proxy: Proxy, mode: str, luck: random.Random
) -> tuple[Acknowledged, int]:
    """Also returns by how many bytes the process has grown."""
    await asyncio.to_thread(service.start)
    async with under_clients([service.address], luck, timeout=PATIENCE) as told:
        await told.reach(50)
        before = service.resident_bytes()
        for _ in range(CYCLES):
            await asyncio.to_thread(proxy.fail, mode)
            await asyncio.sleep(SILENCE if mode == BLACK_HOLE else LASTS * luck.uniform(0.5, 1.5))
            if mode != SLOW:
                await asyncio.wait_for(_noticed(told), PATIENCE)  # on a busy machine
            await asyncio.to_thread(proxy.heal)
            await told.reach(told.count() + 50)  # it recovers by itself
        grown = service.resident_bytes() - before
    return told, grown


async def _noticed(told: Acknowledged) -> None:
    while not (told.refused and told.degraded):  # noqa: ASYNC110
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("mode", MODES)
def test_what_the_network_does_loses_nothing(
    nursery, policy, postgres_databases, proxy, mode, request
):
    url = postgres_databases("migrated")
    through = f"postgresql://postgres@127.0.0.1:{proxy.port}/{url.partition('?')[0].split('/')[-1]}"
    with (
        seeded(request.node.name) as luck,
        services(nursery, through, "--policy", policy) as (service,),
    ):
        told, grown = asyncio.run(through_failures(service, proxy, mode, luck))
        assert service.alive()
        wait_until_stored(url, told)
        verdict = check(url, told)  # every one of them once, and as it was answered
        assert_same_state(service.address, verdict)
        assert "Traceback" not in service.errors()

    assert service.starts == 1
    assert set(told.refused) <= REFUSALS
    if mode != SLOW:
        assert set(told.refused), "nobody has noticed anything"
        assert told.degraded, "Route has not answered from memory"
    assert told.slowest < OWN_DEADLINE + LATENESS
    assert grown < MOST_GROWTH
    write_counts(
        f"test_network::{request.node.name}",
        failures=CYCLES,
        acknowledged=verdict.acknowledged,
        lost=verdict.lost,
        twice=verdict.twice,
        degraded=len(told.degraded),
        decided_again=sum(map(len, told.decided_again.values())),
        slowest_seconds=round(told.slowest, 2),
    )
