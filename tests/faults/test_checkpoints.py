"""SIGKILL while checkpoints are written, and bytes that change later: no start takes a bad one.

Checkpoints are in parts of a few hundred bytes here, so that there is a middle to be killed in.
"""

import asyncio
import random

import pytest

from bandit_service.checkpoints import BY_SECRET, Keeper, recover
from bandit_service.errors import BadCheckpoint
from bandit_service.model import CheckpointStatus
from bandit_service.store import open_store
from tests.builders import shape_of
from tests.checkpoints.folds import events_of, folded, write
from tests.faults.asking import assert_same_state
from tests.faults.checker import check
from tests.faults.clients import Acknowledged, under_clients
from tests.faults.damage import Shelf
from tests.faults.effort import effort, seeded, write_counts
from tests.faults.processes import DURABLE, Service, services
from tests.patience import wait_until

KILLS = effort(3, 50)
DAMAGES = effort(40, 2_000)
PART = 512  # bytes
SMALLER = {
    "bandit_service.checkpoints.keeper.PART": PART,
    "bandit_service.jobs.LOOKS_EVERY": 0.05,  # seconds
}
OFTEN = ("--checkpoint-events", "1")
# So many checkpoints at most are finished, or nearly, before the kill.
MOST = 3


async def killed_within_a_write(service: Service, shelf: Shelf, hit: int, luck) -> Acknowledged:
    """Under clients who go on until they are answered by the next process."""
    shelf.nobody_waits_for_the_dead()
    service.start(f"during_checkpoint=kill@{hit}", serving=False)
    async with under_clients([service.address], luck, count=4, prefix=f"{service.starts}-") as told:
        await asyncio.to_thread(service.wait_for_the_end)
        unfinished = shelf.unfinished()
        await asyncio.to_thread(service.start)
    assert unfinished, "it was killed, but not in the middle of a checkpoint"
    return told


def check_the_start(service: Service, url: str, told: Acknowledged, bad: list[int]) -> bool:
    """After a kill: what is served is the fold of the whole journal, and a start begins from none
    of the bad ones, which were named. Whether it begins from a checkpoint at all."""
    verdict = check(url, told)
    assert_same_state(service.address, verdict)
    said = service.errors()
    assert all(f"checkpoint {one} of policy 'chat' at position" in said for one in bad)
    store = open_store(url)
    try:
        (identity,) = store.policies()
        found = recover(store, Keeper(store.checkpoints, BY_SECRET), identity, shape_of)
    finally:
        store.close()
    assert found.checkpoint is None or found.checkpoint.id not in bad
    assert (found.engine.position, found.engine.state_hash()) == (
        verdict.position,
        verdict.state_hash,
    )
    return found.checkpoint is not None


@pytest.mark.timeout(3_600)
def test_no_kill_within_the_writing_of_a_checkpoint_spoils_a_start(
    nursery, policy, fresh_url, request
):
    bad: list[int] = []
    acknowledged = begun = 0
    with (
        seeded(request.node.name) as luck,
        services(nursery, fresh_url, "--policy", policy, DURABLE, *OFTEN) as (service,),
    ):
        service.smaller = SMALLER
        service.start()  # there is a policy, and a first checkpoint
        shelf = Shelf(fresh_url)
        asyncio.run(first_answers(service, luck))
        wait_until(shelf.usable, "there is a checkpoint")
        service.kill()
        parts = shelf.parts(shelf.usable()[0])
        assert parts > 4
        for _ in range(KILLS):
            hit = luck.randint(2, MOST * parts)
            told = asyncio.run(killed_within_a_write(service, shelf, hit, luck))
            begun += check_the_start(service, fresh_url, told, bad)
            acknowledged += told.count()
            service.kill()
            newest = next(iter(shelf.usable()), None)
            if luck.random() < 0.5 and newest is not None and newest not in bad:
                shelf.damage(newest, luck)
                bad.append(newest)
        shelf.close()

    assert begun > KILLS / 4, "there were hardly ever checkpoints to begin from"
    write_counts(
        f"test_checkpoints::{request.node.name}",
        kills=KILLS,
        damaged=len(bad),
        loaded=0,
        started_from_one=begun,
        acknowledged=acknowledged,
        lost=0,
        twice=0,
    )


async def first_answers(service: Service, luck: random.Random) -> None:
    async with under_clients([service.address], luck, count=4, prefix="first-") as told:
        await told.reach(8)


def test_whatever_changes_in_a_checkpoint_is_found(store_url, monkeypatch, request):
    """Anywhere: a bit, a byte, what is missing, what is too much, what is said of it."""
    monkeypatch.setattr("bandit_service.checkpoints.keeper.PART", PART)
    store, shelf = open_store(store_url), Shelf(store_url)
    keeper = Keeper(store.checkpoints, BY_SECRET)
    identity = write(store, events_of(1))
    lease = store.leases.take("chores", "me", 3_600.0)
    assert lease is not None
    older = keeper.save(identity, folded(events_of(1)[:30], identity).snapshot(), lease)
    newer = keeper.save(identity, folded(events_of(1)[:50], identity).snapshot(), lease)
    truth = folded(events_of(1), identity).state_hash()
    with seeded(request.node.name) as luck:
        for _ in range(DAMAGES):
            undo = shelf.damage(newer.id, luck)
            (changed,) = [one for one in keeper.of(identity.id) if one.id == newer.id]
            assert changed.status is CheckpointStatus.USABLE
            with pytest.raises(BadCheckpoint):
                keeper.read(identity, changed)
            if luck.random() < 0.1:
                found = recover(store, keeper, identity, shape_of)
                assert found.checkpoint == older
                assert found.engine.state_hash() == truth
            undo()
        assert keeper.read(identity, newer).folded.position == 50, "whole again"
    shelf.close()
    store.close()
    write_counts(f"test_checkpoints::{request.node.name}", damaged=DAMAGES, loaded=0)
