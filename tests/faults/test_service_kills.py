"""SIGKILL, at any instant, of a service under sixteen clients; and SIGTERM."""

import asyncio

from tests.faults.asking import assert_same_state
from tests.faults.checker import check, rederive
from tests.faults.clients import Acknowledged, under_clients
from tests.faults.effort import effort, seeded, write_counts
from tests.faults.processes import DURABLE, Service, services

KILLS = effort(12, 500)
DRAINS = effort(2, 30)
LONGEST_LIFE = 0.25  # seconds, from the moment it serves
ENOUGH = 10 * KILLS  # answers: on a busy machine few come in so short a life
REDERIVED = 1_000


async def killed_often(service: Service, luck, kills: int) -> Acknowledged:
    """Clients go on through all of it; at the end the service runs."""
    await asyncio.to_thread(service.start)
    async with under_clients([service.address], luck) as told:
        for _ in range(kills):
            await asyncio.sleep(luck.uniform(0, LONGEST_LIFE))
            await asyncio.to_thread(service.kill)
            await asyncio.to_thread(service.start)
        await told.reach(ENOUGH)
    return told


def test_no_kill_loses_an_acknowledged_answer_or_learns_one_twice(
    nursery, policy, fresh_url, request
):
    with (
        seeded(request.node.name) as luck,
        services(nursery, fresh_url, "--policy", policy, DURABLE) as (service,),
    ):
        told = asyncio.run(killed_often(service, luck, KILLS))
        verdict = check(fresh_url, told)
        assert_same_state(service.address, verdict)
        made = [choice.decision_id for choice in told.choices.values()]
        again = rederive(fresh_url, luck.sample(made, min(REDERIVED, len(made))))

    # Calls were under way at the kills, and some had been committed without being answered.
    assert told.refused["Route UNAVAILABLE"] + told.refused["Feedback UNAVAILABLE"] >= KILLS
    assert told.duplicates > 0
    assert again == min(REDERIVED, len(made))
    write_counts(
        f"test_service_kills::{request.node.name}",
        kills=KILLS,
        acknowledged=verdict.acknowledged,
        lost=verdict.lost,
        twice=verdict.twice,
        rederived=again,
    )


async def drained_often(service: Service, luck) -> Acknowledged:
    async with under_clients([service.address], luck) as told:
        for _ in range(DRAINS):
            await asyncio.to_thread(service.start)
            await asyncio.sleep(luck.uniform(0.05, LONGEST_LIFE))
            await asyncio.to_thread(service.terminate)
        await asyncio.to_thread(service.start)
    return told


def test_no_goodbye_loses_an_answer(nursery, policy, fresh_url, request):
    with (
        seeded(request.node.name) as luck,
        services(nursery, fresh_url, "--policy", policy, DURABLE) as (service,),
    ):
        told = asyncio.run(drained_often(service, luck))
        verdict = check(fresh_url, told)
        assert_same_state(service.address, verdict)
        assert "Traceback" not in service.errors()

    write_counts(
        f"test_service_kills::{request.node.name}",
        terminated=DRAINS,
        acknowledged=verdict.acknowledged,
        lost=verdict.lost,
        twice=verdict.twice,
    )
