"""The process that does the chores is stopped in the middle of one, and wakes when another does."""

import asyncio
import random
from collections.abc import Callable

import psycopg
import pytest

from bandit_service.checkpoints import BY_SECRET, Keeper, recover
from bandit_service.store import open_store
from tests.builders import shape_of
from tests.faults.checker import check
from tests.faults.clients import Acknowledged, one_answer
from tests.faults.effort import effort, seeded, write_counts
from tests.faults.processes import DURABLE, Service, services
from tests.patience import PATIENCE, wait_until

PAUSES = effort(1, 20)
OFTEN = ("--checkpoint-seconds", "1")
FENCED = "the lease of 'chores' has been taken over since epoch"
REPLACED = "another replica has taken over the lease of 'chores'"
# More than any lease lasts: as if it had slept for so long.
NAP = 3_600.0  # seconds


class Watched:
    """What the database holds of leases and checkpoints, by statements of its own."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def epoch(self) -> int:
        return int(self._connection.execute(b"SELECT epoch FROM lease").fetchone()[0])  # type: ignore[index]

    def holder(self) -> str:
        return str(self._connection.execute(b"SELECT holder FROM lease").fetchone()[0])  # type: ignore[index]

    def let_time_pass(self) -> None:
        self._connection.execute(b"UPDATE lease SET until = until - %s", (NAP,))

    def written_under(self, epoch: int) -> list[tuple[int, str, int, int]]:
        """Of each checkpoint: its id, its status, its bytes, and how many of them are there."""
        return self._connection.execute(
            b"SELECT id, status, size, coalesce((SELECT sum(length(body)) FROM checkpoint_part "
            b"WHERE checkpoint_id = checkpoint.id), 0) FROM checkpoint WHERE epoch = %s ORDER BY 1",
            (epoch,),
        ).fetchall()

    def newest_under(self, epoch: int) -> int:
        """The id of the newest that is usable; 0 where there is none. Older ones are let go."""
        made = [one for one, status, _, _ in self.written_under(epoch) if status == "usable"]
        return max(made, default=0)

    def close(self) -> None:
        self._connection.close()


async def stopped_and_replaced(
    sleeper: Service, other: Service, watched: Watched, turn: int, luck: random.Random
) -> Acknowledged:
    """The first one stops itself between two steps of a checkpoint; what it wrote until then is
    all that there will ever be under its epoch."""
    told = Acknowledged()

    async def until(condition: Callable[[], object], what: str) -> None:
        await asyncio.to_thread(wait_until, condition, what)

    await asyncio.to_thread(sleeper.start, f"during_checkpoint=stop@{luck.randint(1, 2)}")
    while not sleeper.is_paused():
        await asyncio.wait_for(_or_stopped(sleeper, told, f"{turn}-{told.count()}"), PATIENCE)
    old, before = watched.epoch(), watched.written_under(watched.epoch())
    assert [status for _, status, _, _ in before][-1] == "writing"

    watched.let_time_pass()
    await asyncio.to_thread(other.start)
    await one_answer(other.address, told, f"{turn}-other")
    await until(lambda: watched.epoch() > old, "another replica has the lease")
    new = watched.epoch()
    await until(lambda: watched.newest_under(new) > 0, "it has written a checkpoint")

    sleeper.resume()
    await until(lambda: has_found_out(sleeper, old), "it has found out")
    await one_answer(sleeper.address, told, f"{turn}-sleeper")  # it serves on
    made = watched.newest_under(new)
    await until(lambda: watched.newest_under(new) > made, "the chores go on where they belong")
    after = watched.written_under(old)
    assert set(after) <= set(before), "something was written under the old epoch"
    assert after[-1] == before[-1], "what it left half written"
    assert watched.epoch() == new
    assert str(sleeper.pid) not in watched.holder().split(":")
    return told


def has_found_out(sleeper: Service, epoch: int) -> bool:
    """By the write that it was at, or, where that had waited for too long, by the next renewal."""
    said = sleeper.errors().rpartition("failpoints are armed")[2]
    return f"{FENCED} {epoch}" in said or REPLACED in said


async def _or_stopped(service: Service, told: Acknowledged, name: str) -> None:
    """Something to learn, so that there is something to save; it may never be answered."""
    asked = asyncio.create_task(one_answer(service.address, told, name))
    while not asked.done() and not service.is_paused():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    if asked.done():
        await asked
    else:
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)


@pytest.mark.timeout(3_600)
def test_a_holder_of_the_lease_that_was_stopped_writes_nothing_when_it_wakes(
    nursery, policy, postgres_databases, request
):
    url = postgres_databases("migrated")
    total = 0
    watched = Watched(url)
    with (
        seeded(request.node.name) as luck,
        services(nursery, url, "--policy", policy, DURABLE, *OFTEN, count=2) as (sleeper, other),
    ):
        for turn in range(PAUSES):
            told = asyncio.run(stopped_and_replaced(sleeper, other, watched, turn, luck))
            for service in (sleeper, other):
                service.kill()
            watched.let_time_pass()  # nobody waits for the dead
            verdict = check(url, told)
            assert recovered_hash(url) == (verdict.position, verdict.state_hash)
            total += verdict.acknowledged
    watched.close()
    write_counts(
        f"test_fencing::{request.node.name}", pauses=PAUSES, acknowledged=total, lost=0, twice=0
    )


def recovered_hash(url: str) -> tuple[int, str]:
    """Of what a start makes of the newest checkpoint and its tail."""
    store = open_store(url)
    try:
        (identity,) = store.policies()
        found = recover(store, Keeper(store.checkpoints, BY_SECRET), identity, shape_of)
        assert found.checkpoint is not None
        return found.engine.position, found.engine.state_hash()
    finally:
        store.close()
