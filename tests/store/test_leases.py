"""One holder at a time, by the database's clock, and nothing written by the one before."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from bandit_service.errors import LeaseLost
from bandit_service.model import Checkpoint, CheckpointStatus, Lease
from bandit_service.ports import Store
from bandit_service.store import open_store
from tests.builders import NOW
from tests.store.records import a_policy

LONG = 600.0  # seconds


def a_checkpoint(policy_id: int, **changes: Any) -> Checkpoint:
    given: dict[str, Any] = {
        "id": 0,
        "policy_id": policy_id,
        "position": 1,
        "fold_version": 1,
        "size": 4,
        "parts": 2,
        "sha256": bytes(32),
        "mac": bytes(range(32)),
        "epoch": 1,
        "create_time": NOW,
        "status": CheckpointStatus.WRITING,
        "pinned": False,
    }
    return Checkpoint(**(given | changes))


def run_out(store: Any) -> None:
    """As if so much time had passed on the database's clock: nothing here waits for it."""
    with store._engine.connect().execution_options(write=True) as connection, connection.begin():
        connection.execute(text("UPDATE lease SET until = until - :long"), {"long": 2 * LONG})


def taken(store: Store, holder: str, seconds: float = LONG) -> Lease:
    lease = store.leases.take("chores", holder, seconds)
    assert lease is not None
    return lease


def test_who_comes_first_has_it_and_renews_it_under_one_epoch(store: Store) -> None:
    assert store.leases.standing("chores") is None

    first = taken(store, "one")

    assert first == Lease("chores", "one", 1)
    assert store.leases.take("chores", "two", LONG) is None
    assert taken(store, "one") == first
    assert store.leases.take("another", "two", LONG) == Lease("another", "two", 1)


def test_it_counts_down_by_the_database(store: Store) -> None:
    lease = taken(store, "one", LONG)

    standing = store.leases.standing("chores")

    assert standing is not None
    assert standing.lease == lease
    assert 0.0 < standing.seconds_left <= LONG + 1e-3


def test_one_that_has_run_out_is_taken_over_under_another_epoch(store: Store) -> None:
    taken(store, "one")
    run_out(store)
    standing = store.leases.standing("chores")
    assert standing is not None
    assert standing.seconds_left < 0

    assert taken(store, "two") == Lease("chores", "two", 2)
    assert store.leases.take("chores", "one", LONG) is None


def test_one_that_was_dropped_is_free_and_only_its_holder_can_drop_it(store: Store) -> None:
    lease = taken(store, "one")
    store.leases.drop(Lease("chores", "one", lease.epoch + 1))
    store.leases.drop(Lease("chores", "two", lease.epoch))
    assert store.leases.take("chores", "two", LONG) is None

    store.leases.drop(lease)

    assert taken(store, "two").epoch == lease.epoch + 1


def test_a_holder_that_was_paused_writes_nothing_after_it_was_replaced(store: Store) -> None:
    """As SIGSTOP does it: it does not know how much time has passed."""
    policy = a_policy(store)
    old = taken(store, "one")
    with store.checkpoints.fenced(old) as writer:
        mine = writer.add(a_checkpoint(policy.id))
        writer.add_part(mine.id, 0, b"ab")
    run_out(store)
    new = taken(store, "two")

    before = store.checkpoints.of(policy.id), store.checkpoints.part_sizes(mine.id)
    for write in (
        lambda writer: writer.add(a_checkpoint(policy.id)),
        lambda writer: writer.add_part(mine.id, 1, b"cd"),
        lambda writer: writer.mark(mine.id, CheckpointStatus.USABLE),
        lambda writer: writer.pin(mine.id, True),
        lambda writer: writer.delete(mine.id),
    ):
        with pytest.raises(LeaseLost, match="epoch 1"), store.checkpoints.fenced(old) as writer:
            write(writer)

    assert (store.checkpoints.of(policy.id), store.checkpoints.part_sizes(mine.id)) == before
    with store.checkpoints.fenced(new) as writer:
        writer.delete(mine.id)
    assert store.checkpoints.of(policy.id) == []


def test_a_holder_whose_time_is_over_goes_on_until_somebody_replaces_it(store: Store) -> None:
    policy = a_policy(store)
    old = taken(store, "one")
    run_out(store)

    with store.checkpoints.fenced(old) as writer:
        writer.add(a_checkpoint(policy.id))

    assert len(store.checkpoints.of(policy.id)) == 1
    assert taken(store, "one") == old


def test_an_error_within_takes_everything_back(store: Store, lease_of_one: Lease) -> None:
    policy = a_policy(store)

    def fail() -> None:
        with store.checkpoints.fenced(lease_of_one) as writer:
            writer.add(a_checkpoint(policy.id))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert store.checkpoints.of(policy.id) == []


@pytest.fixture
def lease_of_one(store: Store) -> Lease:
    return taken(store, "one")


def test_of_many_that_come_at_once_one_gets_it(store_url: str, store: Store) -> None:
    taken(store, "before")
    run_out(store)
    replicas = [open_store(store_url) for _ in range(4)]
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(
                pool.map(lambda i: replicas[i].leases.take("chores", str(i), LONG), range(4))
            )
    finally:
        for one in replicas:
            one.close()

    assert [one.epoch for one in found if one is not None] == [2]


def test_nobody_takes_it_over_while_its_holder_writes(store_url: str, store: Store) -> None:
    policy, lease = a_policy(store), taken(store, "one")
    run_out(store)
    other = open_store(store_url)
    try:
        with ThreadPoolExecutor(1) as pool:
            with store.checkpoints.fenced(lease) as writer:
                writer.add(a_checkpoint(policy.id))
                coming = pool.submit(other.leases.take, "chores", "two", LONG)
                with pytest.raises(TimeoutError):  # it waits, however long this takes
                    coming.result(timeout=0.2)
            after = coming.result()
    finally:
        other.close()

    assert after == Lease("chores", "two", 2)
    assert len(store.checkpoints.of(policy.id)) == 1
