"""A replica that follows what the others write: by itself, and at once where it is asked to."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bandit_service.errors import AheadOfJournal, NotCaughtUp, PolicyNotFound
from bandit_service.model import Arm, Routed
from bandit_service.store import open_store
from tests.builders import a_query, a_submission
from tests.patience import PATIENCE
from tests.service.running import Service, running, until
from tests.service.test_feedback import some_traffic

Trio = tuple[Service, Service, Service]
SOON = 0.02  # seconds between looks, where the test waits for one


@pytest.fixture
def url(store_url: str) -> str:
    open_store(store_url).close()
    return store_url


@pytest.fixture
async def trio(url: str) -> AsyncIterator[Trio]:
    """Two that follow by themselves, and a third one that only does when it is asked."""
    async with (
        running(url, poll_seconds=SOON, replica="first") as first,
        running(url, poll_seconds=SOON, replica="second") as second,
        running(url, replica="third") as third,
    ):
        yield first, second, third


async def praise(service: Service, count: int = 1) -> int:
    """The position of the last of so many pieces of feedback."""
    position = 0
    for _ in range(count):
        decision_id = await service.decide()
        submission = a_submission(
            decision_id=decision_id, feedback_id=f"of {decision_id}", success=True
        )
        position = (await service.recorder.record(submission)).position
    return position


async def test_what_one_writes_reaches_the_others_without_their_asking(trio):
    first, second, third = trio
    await first.create()
    await until(lambda: "chat" in second.registry.by_name)

    position = await praise(first, 5)
    await until(lambda: second.engine().position == position)

    assert second.engine().state_hash() == first.engine().state_hash()
    assert "chat" not in third.registry.by_name  # it was not asked


async def test_revisions_and_deletions_of_others_act(trio):
    first, second, _ = trio
    await first.create()
    await until(lambda: "chat" in second.registry.by_name)

    await first.administrator.add_arm("chat", Arm(name="huge"), "")
    await until(lambda: "huge" in second.engine().names)
    assert (await second.router.route(a_query(allowed_arms=("huge",)))).arm == "huge"

    await first.administrator.delete("chat", "")
    await until(lambda: "chat" not in second.registry.by_name)
    with pytest.raises(PolicyNotFound):
        await second.decide()


async def test_a_name_that_was_freed_and_taken_elsewhere_is_the_new_policy_here(trio):
    first, _, third = trio
    await first.create()
    await third.journal.reach("chat", 1, PATIENCE)
    old = third.engine().identity.id
    await first.administrator.delete("chat", "")
    await first.create(floor=0.5)

    await third.router.route(a_query(min_position=1))  # it may, its old one has this position
    with pytest.raises(AheadOfJournal):
        await third.journal.reach("chat", 2, PATIENCE)  # but this makes it look

    assert third.engine().identity.id != old
    assert third.engine().config.floor == 0.5


async def test_at_equal_positions_three_replicas_hold_the_same_bits(trio):
    first = trio[0]
    await first.create()
    for service in trio:
        await service.journal.reach("chat", 1, PATIENCE)

    await asyncio.gather(*(some_traffic(service, seed) for seed, service in enumerate(trio)))
    head = first.store.heads()[first.engine().identity.id]
    for service in trio:
        await service.journal.reach("chat", head, PATIENCE)

    states = [service.administrator.state("chat") for service in trio]
    assert states[0] == states[1] == states[2]
    assert states[0].position == head > 150
    events = first.store.events(first.engine().identity.id, 0, 10_000)
    assert [entry.position for entry in events] == list(range(1, head + 1))


async def test_what_lies_far_behind_is_read_in_pages_and_in_order(trio, monkeypatch):
    monkeypatch.setattr("bandit_service.writer.PAGE", 3)
    first, _, third = trio
    await first.create()
    await third.journal.reach("chat", 1, PATIENCE)
    position = await praise(first, 20)

    await third.journal.reach("chat", position, PATIENCE)

    assert third.engine().state_hash() == first.engine().state_hash()


async def test_a_query_with_a_position_is_decided_from_there_or_later(trio):
    first, _, third = trio
    await first.create()
    routed = await third.router.route(a_query(min_position=1))  # the policy, too, is news to it
    assert routed.decision.position == 1

    position = await praise(first, 3)
    stale = await third.router.route(a_query())
    fresh = await third.router.route(a_query(min_position=position))

    assert stale.decision.position == 1
    assert fresh.decision.position == position


async def test_in_a_batch_each_query_waits_for_its_own_position(trio):
    first, _, third = trio
    await first.create()
    position = await praise(first)

    none, there, ahead, unknown = await third.router.route_many(
        [
            a_query(),
            a_query(min_position=position),
            a_query(min_position=position + 1),
            a_query(policy="nowhere", min_position=1),
        ]
    )

    assert isinstance(none, Routed)
    assert isinstance(there, Routed)
    assert there.decision.position == position
    assert isinstance(ahead, AheadOfJournal)
    assert f"ends at position {position}, before the wanted {position + 1}" in str(ahead)
    assert isinstance(unknown, PolicyNotFound)


async def test_a_position_that_cannot_be_read_in_time_is_refused_and_both_are_named(trio):
    first, _, third = trio
    await first.create()
    await third.journal.reach("chat", 1, PATIENCE)
    position = await praise(first)
    third.store.away = True

    with pytest.raises(NotCaughtUp, match=f"at position 1, .* the wanted {position} "):
        await third.router.route(a_query(min_position=position))
    with pytest.raises(NotCaughtUp):
        await third.administrator.state_from("chat", position)

    third.store.away = False
    assert (await third.administrator.state_from("chat", position))[0].position == position


async def test_a_deadline_bounds_the_wait_for_a_position(trio):
    first, _, third = trio
    await first.create()
    await third.journal.reach("chat", 1, PATIENCE)
    hanging = third.store.hang_once("entry")
    held = asyncio.create_task(third.decide())
    await asyncio.to_thread(hanging.wait, PATIENCE)

    call = third.router.route(a_query(min_position=7), left=0.05)
    with pytest.raises(NotCaughtUp):
        await asyncio.wait_for(call, PATIENCE)

    third.store.release()
    await held


async def test_following_goes_on_after_an_outage(trio):
    first, second, _ = trio
    await first.create()
    await until(lambda: "chat" in second.registry.by_name)
    second.store.away = True
    await until(lambda: second.journal.health().in_trouble)
    position = await praise(first, 3)

    second.store.away = False
    await until(lambda: second.engine().position == position)

    await until(lambda: not second.journal.health().in_trouble)


async def test_staleness_grows_only_while_the_replica_cannot_know(trio):
    first, second, third = trio
    await first.create()
    await third.journal.reach("chat", 1, PATIENCE)
    _, fresh = await third.administrator.state_from("chat", 0)
    position = await praise(first, 2)
    await until(lambda: "chat" in second.registry.by_name)
    await until(lambda: second.engine().position == position)

    _, stale = await third.administrator.state_from("chat", 0)
    _, again = await third.administrator.state_from("chat", position)

    assert (stale.replica, stale.applied, stale.head) == ("third", 1, 1)
    assert fresh.staleness_seconds is not None
    assert stale.staleness_seconds > fresh.staleness_seconds
    assert (again.applied, again.head) == (position, position)
    assert again.staleness_seconds < stale.staleness_seconds
    told = second.journal.health().policies["chat"]
    assert (told.replica, told.applied, told.head) == ("second", position, position)


async def test_a_journal_that_cannot_be_read_holds_only_its_own_policy_up(trio, caplog):
    first, _, third = trio
    await first.create()
    await first.create(name="other")
    await third.journal.reach("chat", 1, PATIENCE)
    await third.journal.reach("other", 1, PATIENCE)
    position = await praise(first)
    read = third.store._store.events

    def gap(policy_id, after, limit):
        found = read(policy_id, after, limit)
        return found[1:] if policy_id == third.engine().identity.id else found

    third.store.events = gap
    decision = await first.decide(policy="other")
    told = await first.recorder.record(a_submission(decision_id=decision, success=True))

    for _ in range(3):
        with pytest.raises(NotCaughtUp):
            await third.journal.reach("chat", position, PATIENCE)
    await third.journal.reach("other", told.position, PATIENCE)

    assert third.engine().position == 1
    assert third.engine("other").position == told.position
    assert caplog.text.count("cannot be followed past position 1") == 1
