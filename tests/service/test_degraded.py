"""While the database is away: answers from memory, flagged, bounded, written once it is back."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bandit_service.answered import Answered, size_of
from bandit_service.errors import BufferFull, DecisionNotFound, IdReused, StoreUnavailable
from bandit_service.model import Routed, WhenUnlogged
from tests.builders import a_decision, a_query, a_submission, packed
from tests.patience import PATIENCE
from tests.service.running import Service, running, some_turns, until

AT_ONCE = 0.05  # seconds that a commit is waited for, where it will not come


@pytest.fixture
async def service(database: Path) -> AsyncIterator[Service]:
    async with running(database, degraded_after=PATIENCE, buffered_rows=50) as made:
        await made.create()
        yield made


async def written(service: Service) -> None:
    """Waits until nothing is kept in memory any more."""
    assert await service.journal.backlog.emptied(PATIENCE)


async def test_an_outage_is_answered_from_memory_and_written_after_it_once_and_in_order(service):
    before = await service.decide()
    service.store.away = True

    answers = await service.routed(3) + await service.routed(2, request_id="r")
    assert [routed.decision.degraded for routed in answers] == [True] * 5
    assert len(service.journal.backlog) == 4  # the two with one request id are one decision
    assert service.journal.health().buffered_bytes > 0

    service.store.away = False
    await written(service)

    for routed in answers:
        assert service.store.decision(routed.decision.id) == routed.decision
    assert service.journal.health().buffered_bytes == 0
    assert not service.store.decision(before).degraded
    assert not (await service.routed())[0].decision.degraded


async def test_what_is_kept_is_written_the_oldest_first(service, monkeypatch):
    monkeypatch.setattr("bandit_service.backlog.MOST_ROWS", 3)
    service.journal.backlog._at_once = 3
    service.store.away = True
    made = [await service.decide(request_id=f"r{i}") for i in range(10)]

    service.store.away = False
    await written(service)

    # Rows of SQLite are numbered as they are inserted.
    with sqlite3.connect(service.store._store._engine.url.database) as connection:
        rows = connection.execute(
            "SELECT id FROM decision WHERE degraded ORDER BY rowid"
        ).fetchall()
    connection.close()
    assert [row[0] for row in rows] == made


async def test_feedback_is_never_acknowledged_without_being_durable(service):
    earlier = await service.decide()
    before = service.engine().state_hash()
    service.store.away = True
    unwritten = await service.decide()

    for decision in (earlier, unwritten):
        with pytest.raises(StoreUnavailable):
            await service.recorder.record(a_submission(decision_id=decision, success=True))
    assert service.engine().state_hash() == before

    service.store.away = False
    await written(service)
    recorded = await service.recorder.record(a_submission(decision_id=unwritten, success=True))
    assert (recorded.position, recorded.duplicate) == (2, False)


async def test_feedback_on_a_decision_that_is_not_written_yet_is_not_told_that_there_is_none(
    service,
):
    service.store.read_only = True
    decision = await service.decide()
    service.store.hold()  # so that it is not written at once
    service.store.read_only = False

    with pytest.raises(StoreUnavailable):
        await service.recorder.record(a_submission(decision_id=decision, success=True))
    service.store.release()
    with pytest.raises(DecisionNotFound):
        await service.recorder.record(a_submission(decision_id="d0", success=True))


@pytest.mark.parametrize("trouble", ["away", "read_only"])
async def test_a_database_that_only_reads_is_as_good_as_none(service, trouble):
    setattr(service.store, trouble, True)

    assert (await service.router.route(a_query())).decision.degraded


async def test_a_commit_that_takes_too_long_is_not_waited_for(database):
    async with running(database, degraded_after=AT_ONCE) as service:
        await service.create()
        service.store.hold()

        (first,) = await asyncio.wait_for(service.routed(), PATIENCE)
        assert first.decision.degraded
        assert service.journal.health().in_trouble
        service.store.release()
        await written(service)

        # The first attempt was on its way all the time: there is one row, and it says the same.
        assert service.store.decision(first.decision.id) == first.decision


async def test_a_caller_in_a_hurry_is_answered_in_time_and_nobody_else_suffers(service):
    service.store.hold()
    hurried = asyncio.create_task(service.router.route(a_query(), left=0.05))
    patient = asyncio.create_task(service.router.route(a_query()))

    routed = await asyncio.wait_for(asyncio.shield(hurried), PATIENCE)
    assert routed.decision.degraded
    assert not patient.done()
    assert not service.journal.health().in_trouble

    service.store.release()
    assert not (await patient).decision.degraded
    await written(service)
    assert service.store.decision(routed.decision.id) == routed.decision


async def test_a_full_buffer_refuses(service):
    service.store.away = True
    kept = await service.routed(50)

    with pytest.raises(BufferFull, match="50 decisions wait for it already"):
        await service.decide()
    assert len(service.journal.backlog) == 50

    service.store.away = False
    await written(service)
    assert all(service.store.decision(routed.decision.id) for routed in kept)
    assert await service.decide()


async def test_a_buffer_is_bounded_in_bytes_too(database):
    async with running(database, degraded_after=PATIENCE, buffered_bytes=5_000) as service:
        await service.create()
        service.store.away = True

        answers = await service.router.route_many([a_query()] * 10)

        kept = [answer for answer in answers if isinstance(answer, Routed)]
        assert 0 < len(kept) < 5
        assert service.journal.health().buffered_bytes <= 5_000


async def test_a_full_buffer_falls_back_where_the_policy_says_so(service):
    await service.create(
        name="safe", default_arm="medium", when_unlogged=WhenUnlogged.FALLBACK, floor=1.0
    )
    service.store.away = True
    await service.routed(50)

    answers = await service.routed(20, policy="safe")
    with pytest.raises(BufferFull):
        await service.router.route(a_query(policy="safe", allowed_arms=("small",)))
    with pytest.raises(BufferFull):
        await service.decide()

    assert {routed.arm for routed in answers} == {"medium"}
    assert {routed.decision.propensity for routed in answers} == {1.0}
    assert {(routed.decision.id, routed.decision.degraded) for routed in answers} == {("", True)}
    assert len(service.journal.backlog) == 50


async def test_without_leave_nothing_is_answered_from_memory(database):
    async with running(database, degraded_after=None) as service:
        await service.create(default_arm="medium", when_unlogged=WhenUnlogged.FALLBACK)
        service.store.away = True

        with pytest.raises(StoreUnavailable):
            await service.decide()
        assert len(service.journal.backlog) == 0


async def test_a_repeated_request_gets_its_first_answer_before_and_after_it_is_written(service):
    service.store.away = True
    first = await service.router.route(a_query(request_id="r1"))

    assert await service.router.route(a_query(request_id="r1")) == first
    with pytest.raises(IdReused):
        await service.router.route(a_query(request_id="r1", vector=packed(1.0, 0.0)))
    service.store.away = False
    assert await service.router.route(a_query(request_id="r1")) == first
    await written(service)

    assert await service.router.route(a_query(request_id="r1")) == first


async def test_a_request_that_was_answered_before_an_outage_gets_that_answer_in_it(service):
    first = await service.router.route(a_query(request_id="r1"))
    await service.router.route(a_query(request_id="r2"))
    service.store.away = True
    assert (await service.router.route(a_query())).decision.degraded  # it has noticed
    kept = len(service.journal.backlog)

    assert await service.router.route(a_query(request_id="r1")) == first
    both = await service.router.route_many([a_query(request_id="r1"), a_query(request_id="r3")])
    assert [answer.decision.degraded for answer in both] == [False, True]
    with pytest.raises(IdReused):
        await service.router.route(a_query(request_id="r2", vector=packed(1.0, 0.0)))
    assert len(service.journal.backlog) == kept + 1
    service.store.away = False
    await written(service)

    assert await service.router.route(a_query(request_id="r1")) == first
    assert service.store.requested(1, "r1") == first.decision


async def test_a_request_that_another_replica_answered_may_be_decided_again_and_both_are_kept(
    service, database
):
    async with running(database) as other:
        await other.journal.reach("chat", 1, PATIENCE)
        first = (await other.router.route(a_query(request_id="r1"))).decision
    service.store.away = True

    again = (await service.router.route(a_query(request_id="r1"))).decision

    assert again.degraded
    service.store.away = False
    await written(service)
    assert service.store.requested(1, "r1") == first
    assert service.store.decision(again.id) is not None
    service.store.away = True  # and from now on this replica knows, too
    assert (await service.router.route(a_query(request_id="r1"))).decision == first


def test_what_is_remembered_of_answers_is_bounded_and_the_latest_is_kept():
    made = [a_decision(id=f"d{n}", request_id=f"r{n}") for n in range(10)]
    size = size_of(made[0])
    answered = Answered(most_bytes=4 * size)

    for decision in (*made, made[-1], a_decision(id="anonymous")):
        answered.remember(decision)

    assert (len(answered), answered.bytes) == (4, 4 * size)
    assert [answered.of(1, f"r{n}") for n in range(10)] == [None] * 6 + made[6:]
    assert answered.of(2, "r9") is None


async def test_a_request_that_was_decided_elsewhere_meanwhile_keeps_both_decisions(
    service, database, caplog
):
    service.store.away = True
    here = (await service.router.route(a_query(request_id="r1"))).decision
    async with running(database) as other:
        there = (await other.router.route(a_query(request_id="r1"))).decision

    service.store.away = False
    await written(service)

    stored = service.store.decision(here.id)
    assert (stored.request_id, stored.degraded, stored.arm) == (None, True, here.arm)
    assert service.store.decision(there.id) == there
    assert (await service.router.route(a_query(request_id="r1"))).decision == there
    recorded = await service.recorder.record(a_submission(decision_id=here.id, success=True))
    assert recorded.position == 2
    assert "decided by another replica as well" in caplog.text


async def test_a_strange_session_is_decided_without_its_arm_and_flagged(database, monkeypatch):
    async with running(database) as before:
        await before.create()
        await before.decide(session="s")
    async with running(database, degraded_after=AT_ONCE) as service:
        monkeypatch.setattr(service.store, "session_arm", service.store.hang, raising=False)
        service.store.hold()

        call = asyncio.create_task(service.router.route(a_query(session="s")))
        decision = (await asyncio.wait_for(call, PATIENCE)).decision
        service.store.release()

        assert decision.degraded
        assert not decision.sticky
        await written(service)
        assert service.store.decision(decision.id) == decision


async def test_closing_writes_what_is_kept(database):
    async with running(database, degraded_after=PATIENCE) as service:
        await service.create()
        service.store.away = True
        kept = await service.routed(5)
        closing = asyncio.create_task(service.journal.close(PATIENCE))
        await some_turns()
        service.store.away = False

        assert await closing == 0
        assert all(service.store.decision(routed.decision.id) for routed in kept)


async def test_closing_while_the_database_is_away_says_how_much_is_lost(database):
    async with running(database, degraded_after=PATIENCE) as service:
        await service.create()
        service.store.away = True
        await service.routed(5)

        assert await service.journal.close(seconds=0.1) == 5


async def test_more_than_fits_in_one_tick_is_served_as_far_as_it_fits(service, monkeypatch):
    decision = await service.decide()
    monkeypatch.setattr("bandit_service.journal.MOST_WAITING", 100)
    calls = [
        service.recorder.record_many(
            [
                a_submission(decision_id=decision, feedback_id=f"{n}-{i}", success=True)
                for i in range(40)
            ]
        )
        for n in range(4)
    ]

    answers = await asyncio.gather(*calls, return_exceptions=True)

    assert [isinstance(answer, list) for answer in answers] == [True, True, False, False]


async def test_a_healthy_service_keeps_nothing(service):
    await service.routed(300)

    health = service.journal.health()
    assert (health.buffered_rows, health.queue_rows, health.in_trouble) == (0, 0, False)
    assert health.last_commit_seconds is not None
    await until(lambda: service.journal.rows_under_way() == 0)
