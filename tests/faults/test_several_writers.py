"""Three processes on one policy in one Postgres: killed, and stopped while they hold its lock."""

import asyncio
import random
from functools import partial

import pytest

from tests.faults.asking import state_of
from tests.faults.checker import Verdict, check
from tests.faults.clients import ATTEMPT, Acknowledged, one_answer, under_clients
from tests.faults.effort import effort, seeded, write_counts
from tests.faults.processes import DURABLE, Service, services
from tests.patience import PATIENCE, wait_until

KILLS = effort(6, 200)
ENOUGH = 20 * KILLS  # answers
PAUSES = effort(1, 20)
LONG = 2 * PATIENCE


@pytest.fixture
def url(postgres_databases):
    return postgres_databases("migrated")


def converge(replicas: list[Service], verdict: Verdict) -> None:
    """All of them come to where the journal ends, by themselves, with the state of a fold from
    nothing."""
    wanted = verdict.position, verdict.state_hash
    for service in replicas:
        has_followed = partial(_is_at_least_at, service.address, verdict.position)
        wait_until(has_followed, "a replica has followed")
        assert state_of(service.address) == wanted


def _is_at_least_at(address: str, position: int) -> bool:
    return state_of(address)[0] >= position


async def killed_by_turns(trio: list[Service], luck: random.Random) -> Acknowledged:
    for service in trio:
        await asyncio.to_thread(service.start)
    addresses = [service.address for service in trio]
    async with under_clients(addresses, luck, twins=True) as told:
        for _ in range(KILLS):
            await asyncio.sleep(luck.uniform(0, 0.25))
            victim = luck.choice(trio)
            await asyncio.to_thread(victim.kill)
            await asyncio.to_thread(victim.start)
        await told.reach(ENOUGH)
    return told


@pytest.mark.timeout(3_600)
def test_three_writers_leave_one_journal_without_gaps_or_doubles(nursery, policy, url, request):
    with (
        seeded(request.node.name) as luck,
        services(nursery, url, "--policy", policy, DURABLE, count=3) as trio,
    ):
        told = asyncio.run(killed_by_turns(trio, luck))
        verdict = check(url, told)
        converge(trio, verdict)

    assert told.duplicates > 10
    write_counts(
        f"test_several_writers::{request.node.name}",
        kills=KILLS,
        acknowledged=verdict.acknowledged,
        lost=verdict.lost,
        twice=verdict.twice,
        duplicates=told.duplicates,
    )


async def paused_often(pair: list[Service], luck: random.Random) -> Acknowledged:
    sleeper, other = pair
    await asyncio.to_thread(other.start)
    addresses = [service.address for service in pair]
    async with under_clients(addresses, luck, timeout=ATTEMPT, pause=0.02) as told:
        for turn in range(PAUSES):
            # It stops itself in the transaction that has moved the head: the lock is held.
            await asyncio.to_thread(sleeper.start, f"after_head=stop@{luck.randint(5, 40)}")
            await asyncio.to_thread(wait_until, sleeper.is_paused, "the service has stopped")
            await asyncio.wait_for(one_answer(other.address, told, f"other-{turn}"), LONG)
            assert sleeper.is_paused()
            sleeper.resume()
            await asyncio.wait_for(one_answer(sleeper.address, told, f"sleeper-{turn}"), LONG)
            await asyncio.to_thread(sleeper.kill)
        await asyncio.to_thread(sleeper.start)
    return told


@pytest.mark.timeout(3_600)
def test_a_process_that_is_stopped_with_the_lock_holds_nobody_up_for_long(
    nursery, policy, url, request
):
    """The database ends its session after ten seconds, and the lock with it."""
    with (
        seeded(request.node.name) as luck,
        services(nursery, url, "--policy", policy, DURABLE, count=2) as pair,
    ):
        told = asyncio.run(paused_often(pair, luck))
        verdict = check(url, told)
        converge(pair, verdict)

    write_counts(
        f"test_several_writers::{request.node.name}",
        pauses=PAUSES,
        acknowledged=verdict.acknowledged,
        lost=verdict.lost,
        twice=verdict.twice,
    )
