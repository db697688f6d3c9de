"""When checkpoints are made, by whom, and what happens where they cannot be."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bandit_service import jobs as module
from bandit_service.checkpoints import Keeper, recover
from bandit_service.engine import PolicyEngine, Registry
from bandit_service.errors import StoreUnavailable
from bandit_service.jobs import Jobs
from bandit_service.model import CheckpointStatus, JournalEntry, StoredPolicy, smallest_id
from bandit_service.ports import Store
from bandit_service.retention import Keep
from tests.builders import NOW, a_decision, shape_of
from tests.checkpoints.folds import append, events_of, folded, go_on, write
from tests.patience import PATIENCE
from tests.store.test_leases import run_out

SECONDS, EVENTS = 60.0, 25


class House:
    """A replica's engine and jobs, with a clock that a test sets."""

    def __init__(self, store: Store, keeper: Keeper) -> None:
        self.store, self.keeper, self.now = store, keeper, 1_000.0
        self.events = events_of(1)
        self.registry = Registry()
        self.jobs = Jobs(store, self.registry, keeper, seconds=SECONDS, events=EVENTS,
                         monotonic=lambda: self.now)  # fmt: skip

    def open(self, identity: StoredPolicy, upto: int) -> PolicyEngine:
        engine = folded(self.events[:upto], identity)
        self.registry.add(engine)
        return engine

    async def look(self, later: float = 0.0) -> None:
        self.now += later
        await self.jobs.checkpoint()

    def positions(self, identity: StoredPolicy) -> list[int]:
        return [one.position for one in self.keeper.of(identity.id)]


@pytest.fixture
async def house(store: Store, keeper: Keeper) -> AsyncIterator[House]:
    made = House(store, keeper)
    yield made
    await made.jobs.close()


@pytest.fixture
async def leader(house: House) -> House:
    await house.jobs.renew()
    return house


@pytest.fixture
def identity(store: Store) -> StoredPolicy:
    return write(store, events_of(1))


async def test_after_a_minute_if_something_has_changed(
    leader: House, identity: StoredPolicy
) -> None:
    engine = leader.open(identity, 10)
    await leader.look()
    assert leader.positions(identity) == [], "new to this replica; it has not waited yet"

    await leader.look(later=SECONDS - 1)
    assert leader.positions(identity) == []
    await leader.look(later=1)
    assert leader.positions(identity) == [10]

    await leader.look(later=10 * SECONDS)
    assert leader.positions(identity) == [10], "nothing has changed"
    go_on(engine, leader.events[:11])
    await leader.look()
    assert leader.positions(identity) == [11, 10]
    (newest, _) = leader.keeper.of(identity.id)
    assert leader.jobs.newest == {identity.id: newest}
    assert newest.status is CheckpointStatus.USABLE


async def test_at_once_after_many_events(leader: House, identity: StoredPolicy) -> None:
    engine = leader.open(identity, EVENTS - 1)
    await leader.look()
    assert leader.positions(identity) == []

    go_on(engine, leader.events[:EVENTS])
    await leader.look()

    assert leader.positions(identity) == [EVENTS]


async def test_what_an_engine_started_from_counts(leader: House, identity: StoredPolicy) -> None:
    await save_one(leader, identity, 20)
    leader.jobs.begin_from({identity.id: leader.keeper.of(identity.id)[0]})
    engine = leader.open(identity, 20 + EVENTS - 1)

    await leader.look()
    assert leader.positions(identity) == [20]
    go_on(engine, leader.events[: 20 + EVENTS])
    await leader.look()
    assert leader.positions(identity) == [20 + EVENTS, 20]


async def save_one(house: House, identity: StoredPolicy, upto: int) -> None:
    lease = house.store.leases.take("test", "test", 60.0)
    assert lease is not None
    house.keeper.save(identity, folded(house.events[:upto], identity).snapshot(), lease)


async def test_only_the_holder_of_the_lease_writes(
    store: Store, keeper: Keeper, leader: House, identity: StoredPolicy
) -> None:
    follower = House(store, keeper)
    follower.open(identity, 61)
    await follower.jobs.renew()

    await follower.look()
    await follower.look(later=10 * SECONDS)
    assert leader.positions(identity) == []

    await leader.jobs.close()  # which gives the lease back only if it ran
    run_out(store)
    await follower.jobs.renew()
    await follower.look()
    assert follower.positions(identity) == [61]
    await follower.jobs.close()


async def test_a_holder_that_was_replaced_writes_nothing_and_knows_it(
    store: Store, leader: House, identity: StoredPolicy, caplog: pytest.LogCaptureFixture
) -> None:
    leader.open(identity, 61)
    run_out(store)
    assert store.leases.take("chores", "another", 600.0)

    await leader.look()

    assert leader.positions(identity) == []
    assert "has been taken over since epoch 1" in caplog.text
    assert leader.jobs._lease is None
    caplog.clear()
    await leader.look(later=10 * SECONDS)
    assert caplog.text == "", "it does not even try"


async def test_a_database_that_does_not_answer_is_tried_again_later(
    leader: House, identity: StoredPolicy, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    leader.open(identity, 61)

    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(leader.keeper, "save", away)
        await leader.look()
        assert "no checkpoint of policy 'chat': the database did not answer" in caplog.text
        caplog.clear()
        await leader.look(later=1)
        assert caplog.text == ""
    await leader.look(later=module.RETRY_SECONDS)

    assert leader.positions(identity) == [61]


async def test_to_close_without_a_database_takes_one_try(
    leader: House, identity: StoredPolicy, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    leader.open(identity, 61)
    leader.jobs.start()

    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable

    for part, name in ((leader.store.leases, "take"), (leader.keeper, "save")):
        monkeypatch.setattr(part, name, away)
    await leader.jobs.close()

    assert caplog.text.count("could not be renewed") >= 1
    assert "no checkpoint" not in caplog.text.split("could not be renewed")[-1]
    assert leader.positions(identity) == []


async def test_an_engine_that_failed_half_way_is_left_out(
    leader: House, identity: StoredPolicy
) -> None:
    engine = leader.open(identity, 61)
    engine.is_whole = False

    await leader.look(later=SECONDS)

    assert leader.positions(identity) == []


async def test_what_is_saved_is_what_was_there_when_it_began(
    leader: House, identity: StoredPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, loop = leader.open(identity, 40), asyncio.get_running_loop()
    started, go = asyncio.Event(), asyncio.Event()
    save, then = leader.keeper.save, engine.state_hash()

    def slowly(*arguments: Any, **options: Any) -> Any:
        loop.call_soon_threadsafe(started.set)
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result(PATIENCE)
        return save(*arguments, **options)

    monkeypatch.setattr(leader.keeper, "save", slowly)
    saving = asyncio.create_task(leader.look())
    await started.wait()
    go_on(engine, leader.events)
    go.set()
    await saving

    (saved,) = leader.keeper.of(identity.id)
    assert saved.position == 40
    assert leader.keeper.read(identity, saved).state_hash() == then
    assert leader.jobs._has_changed(engine)


async def test_old_ones_are_pruned_after_the_newer_one(
    leader: House, identity: StoredPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = leader.open(identity, 10)
    for upto in (20, 30, 40, 50):
        go_on(engine, leader.events[:upto])
        await leader.look()
        await leader.look(later=SECONDS)

    assert leader.positions(identity) == [50, 40, 30]


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOKS_EVERY", 0.01)


def after_the_next_save(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when it has been written and old ones have been pruned."""
    loop, done, prune = asyncio.get_running_loop(), asyncio.Event(), keeper.prune

    def announced(*arguments: Any) -> Any:
        gone = prune(*arguments)
        loop.call_soon_threadsafe(done.set)
        return gone

    monkeypatch.setattr(keeper, "prune", announced)
    return done


@pytest.mark.usefixtures("quickly")
async def test_the_scheduler_does_it_all_by_itself_and_closing_does_the_rest(
    store: Store, keeper: Keeper, identity: StoredPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, saved = House(store, keeper), after_the_next_save(keeper, monkeypatch)
    engine = house.open(identity, 30)
    house.jobs.start()
    await asyncio.wait_for(saved.wait(), PATIENCE)
    assert house.positions(identity) == [30]
    go_on(engine, house.events[:31])

    await house.jobs.close()

    assert house.positions(identity) == [31, 30]
    standing = store.leases.standing("chores")
    assert standing is not None
    assert standing.seconds_left < 0, "the next one need not wait"


@pytest.mark.usefixtures("quickly")
async def test_closing_while_a_checkpoint_is_under_way_waits_for_it(
    store: Store, keeper: Keeper, identity: StoredPolicy, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    house, loop = House(store, keeper), asyncio.get_running_loop()
    started, save = asyncio.Event(), keeper.save

    def announced(*arguments: Any, **options: Any) -> Any:
        loop.call_soon_threadsafe(started.set)
        return save(*arguments, **options)

    monkeypatch.setattr(keeper, "save", announced)
    house.open(identity, 61)
    house.jobs.start()
    await started.wait()

    await house.jobs.close()

    found = keeper.of(identity.id)
    assert {one.status for one in found} == {CheckpointStatus.USABLE}
    assert found[0].position == 61
    # Of what is less, it depends on the tests before whether it is heard.
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING] == []


@pytest.mark.usefixtures("quickly")
async def test_a_job_that_fails_says_so_and_runs_again(
    house: House, identity: StoredPolicy, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    saved = after_the_next_save(house.keeper, monkeypatch)
    save = house.keeper.save
    failed: list[bool] = []

    def fail_once(*arguments: Any, **options: Any) -> Any:
        if not failed:
            failed.append(True)
            raise ZeroDivisionError("a bug")
        return save(*arguments, **options)

    monkeypatch.setattr(house.keeper, "save", fail_once)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    house.open(identity, 61)
    with caplog.at_level(logging.ERROR):
        house.jobs.start()
        await asyncio.wait_for(saved.wait(), PATIENCE)
    assert house.positions(identity) == [61]

    (record,) = [one for one in caplog.records if one.name == module.__name__]
    assert record.getMessage().startswith("a job failed: ")
    assert record.exc_info is not None


async def test_another_replica_starts_from_what_was_saved(
    leader: House, identity: StoredPolicy, store: Store
) -> None:
    leader.open(identity, 61)
    await leader.look()
    more = events_of(1, 90)[61:]
    with store.write() as tx:
        append(store, tx, identity, more)

    recovered = recover(store, leader.keeper, identity, shape_of)

    assert recovered.checkpoint == leader.jobs.newest[identity.id]
    truth = folded(events_of(1), identity)
    for place, event in enumerate(more, 62):
        truth.apply(JournalEntry(place, event))
    assert recovered.engine.state_hash() == truth.state_hash()


async def test_the_leader_lets_old_decisions_go(
    house: House, identity: StoredPolicy, request: pytest.FixtureRequest
) -> None:
    """NOW is years ago, so by the wall clock both are beyond every horizon; the newest one is kept
    for its clock, and in Postgres with it the rest of its partition."""
    goes = "sqlite" in request.node.name
    ids = [f"{smallest_id(NOW + day * 86_400.0)[:-1]}1" for day in range(2)]
    house.store.log_decisions(
        [a_decision(id=one, policy_id=identity.id, create_time=NOW) for one in ids]
    )
    house.jobs._retention = Keep(decisions_days=1)

    await house.jobs.tidy_up()
    assert [house.store.decision(one) is None for one in ids] == [False, False], "not its chore"
    await house.jobs.renew()
    await house.jobs.tidy_up()

    assert [house.store.decision(one) is None for one in ids] == [goes, False]
