"""Two services on one database: what one writes, the other learns before it writes itself."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bandit_service.errors import IdReused, StaleEtag
from bandit_service.model import Arm, Effect
from tests.builders import a_query, a_submission
from tests.service.running import Service, running
from tests.service.test_feedback import some_traffic

Pair = tuple[Service, Service]


@pytest.fixture
async def pair(database: Path) -> AsyncIterator[Pair]:
    async with running(database) as first:
        await first.create()
        async with running(database) as second:
            yield first, second


async def praise(service: Service, feedback_id: str) -> None:
    decision_id = await service.decide()
    submission = a_submission(decision_id=decision_id, feedback_id=feedback_id, success=True)
    await service.recorder.record(submission)


async def test_who_writes_catches_up_first(pair):
    first, second = pair
    for i in range(5):
        await praise(first, f"f{i}")
    assert second.engine().position == 1

    await praise(second, "f5")

    assert second.engine().position == 7
    assert second.engine().calls.qualities[:, 1].sum() == 6.0


async def test_at_equal_positions_states_are_equal_bit_for_bit(pair):
    known = a_submission(decision_id=await pair[0].decide(), success=True)

    await asyncio.gather(*(some_traffic(service, seed) for seed, service in enumerate(pair)))
    for service in (*pair, *pair):  # a repeat appends nothing, but catches up
        await service.recorder.record(known)

    first, second = (service.administrator.state("chat") for service in pair)
    assert first == second
    assert first.position > 100


async def test_the_journal_of_two_writers_has_no_gaps(pair, database):
    await asyncio.gather(*(some_traffic(service, seed) for seed, service in enumerate(pair)))

    events = pair[0].store.events(1, 0, 10_000)

    assert [entry.position for entry in events] == list(range(1, len(events) + 1))
    async with running(database) as third:
        assert third.engine().position == len(events)


async def test_feedback_for_a_decision_of_the_other_is_learned(pair):
    first, second = pair
    decision_id = await first.decide()

    recorded = await second.recorder.record(a_submission(decision_id=decision_id, success=True))

    assert (recorded.effect, recorded.position) == (Effect.LEARNED, 2)


async def test_feedback_that_the_other_recorded_is_a_duplicate_here(pair):
    first, second = pair
    feedback = a_submission(decision_id=await first.decide(), success=True)
    await first.recorder.record(feedback)

    again = await second.recorder.record(feedback)

    assert again.duplicate
    assert second.engine().state_hash() == first.engine().state_hash()


async def test_a_request_that_the_other_answered_gets_the_same_decision(pair):
    first, second = pair
    answered = await first.router.route(a_query(request_id="r1"))

    again = await second.router.route(a_query(request_id="r1"))

    assert again == answered
    with pytest.raises(IdReused):
        await second.decide(request_id="r1", duel=True)


async def test_equal_requests_that_reach_both_at_once_get_one_decision(pair):
    calls = [service.decide(request_id=f"r{i}") for i in range(20) for service in pair]

    made = await asyncio.gather(*calls)

    assert made[::2] == made[1::2]
    assert len(set(made)) == 20


async def test_a_session_goes_on_where_the_other_left_it(pair):
    first, second = pair
    (before,) = await first.routed(session="s")

    (after,) = await second.routed(session="s")

    assert after.arm == before.arm
    assert after.decision.sticky


async def test_a_revision_by_the_other_acts_after_the_next_write(pair):
    first, second = pair
    await first.administrator.add_arm("chat", Arm(name="huge"), "")

    await praise(second, "f1")

    assert [arm.name for arm in second.administrator.get("chat").config.arms][-1] == "huge"
    assert second.administrator.get("chat").etag == first.administrator.get("chat").etag


async def test_a_change_that_was_made_elsewhere_makes_the_etag_stale(pair):
    first, second = pair
    etag = second.administrator.get("chat").etag
    await first.administrator.update("chat", {"floor": 0.2}, etag)

    with pytest.raises(StaleEtag, match="has changed"):
        await second.administrator.update("chat", {"floor": 0.3}, etag)

    assert second.administrator.get("chat").config.floor in (0.01, 0.2)
    updated, _ = await second.administrator.update("chat", {"sticky_sessions": False}, "")
    assert (updated.config.floor, updated.config.sticky_sessions) == (0.2, False)
