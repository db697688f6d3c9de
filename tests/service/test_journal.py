"""The one writer: what is answered is durable, and nobody suffers for another."""

import asyncio

import pytest

from bandit_service.errors import Draining, Overloaded, StoreUnavailable
from bandit_service.model import Routed
from tests.builders import a_query, a_submission
from tests.patience import PATIENCE
from tests.service.running import some_turns

NO_PATIENCE = 0.05  # seconds, for calls to a store that is held and will not answer


async def test_what_arrives_during_a_commit_is_committed_together(service):
    before = service.store.transactions
    service.store.hold()
    first = asyncio.create_task(service.routed())
    await service.store.is_held()

    rest = [asyncio.create_task(service.routed()) for _ in range(300)]
    await some_turns()
    service.store.release()
    await asyncio.gather(first, *rest)

    assert service.store.transactions - before <= 3


async def test_nobody_hears_of_a_decision_before_it_is_committed(service):
    service.store.hold()
    calls = [asyncio.create_task(service.routed()) for _ in range(10)]
    await service.store.is_held()
    await some_turns()

    assert not any(call.done() for call in calls)

    service.store.release()
    for (routed,) in await asyncio.gather(*calls):
        assert service.store.decision(routed.decision.id) == routed.decision


async def test_nobody_hears_of_feedback_before_it_is_committed_and_until_then_nothing_is_learned(
    service,
):
    decision_id, engine = await service.decide(), service.engine()
    before = engine.state_hash()
    service.store.hold()
    call = asyncio.create_task(service.recorder.record(a_submission(decision_id=decision_id,
                                                                    success=True)))  # fmt: skip
    await service.store.is_held()
    await some_turns()

    assert not call.done()
    assert engine.state_hash() == before

    service.store.release()
    recorded = await call
    assert recorded.position == engine.position == 2
    assert service.store.events(engine.identity.id, 1, 10)[0].position == 2


async def test_who_waits_while_the_database_fails_is_told_and_the_next_one_is_served(service):
    decision_id = await service.decide()
    feedback = a_submission(decision_id=decision_id, success=True)
    before = service.engine().state_hash()

    service.store.before_commit.append(StoreUnavailable())
    with pytest.raises(StoreUnavailable):
        await service.decide()
    service.store.before_commit.append(StoreUnavailable())
    with pytest.raises(StoreUnavailable):
        await service.recorder.record(feedback)

    assert service.engine().state_hash() == before
    assert await service.decide()
    assert not (await service.recorder.record(feedback)).duplicate


async def test_feedback_whose_answer_got_lost_is_learned_once_when_it_is_sent_again(service):
    feedback = a_submission(decision_id=await service.decide(), success=True)

    service.store.after_commit.append(StoreUnavailable())
    with pytest.raises(StoreUnavailable):
        await service.recorder.record(feedback)
    again = await service.recorder.record(feedback)

    assert again.duplicate
    assert service.engine().position == again.position == 2
    assert service.engine().calls.qualities[:, 1].sum() == 1.0


async def test_a_decision_whose_answer_got_lost_is_given_when_it_is_asked_for_again(service):
    service.store.after_commit.append(StoreUnavailable())
    with pytest.raises(StoreUnavailable):
        await service.decide(request_id="r1")

    first, second = await service.decide(request_id="r1"), await service.decide(request_id="r1")

    assert first == second
    assert service.store.decision(first) is not None


async def test_beyond_the_bound_calls_are_refused_and_those_within_are_served(service, monkeypatch):
    monkeypatch.setattr("bandit_service.journal.MOST_WAITING", 4)
    decision_id = await service.decide()
    service.store.hold()
    written = asyncio.create_task(service.routed())
    await service.store.is_held()
    waiting = asyncio.create_task(service.routed(3))
    await some_turns()

    with pytest.raises(Overloaded, match="4 writes are waiting already"):
        await service.decide()
    with pytest.raises(Overloaded):
        await service.recorder.record(a_submission(decision_id=decision_id, success=True))
    with pytest.raises(Overloaded):
        await service.create(name="other")

    service.store.release()
    assert len(await written) + len(await waiting) == 4
    assert await service.decide()


async def test_a_job_that_cannot_be_written_fails_alone(service):
    decision_id = await service.decide()
    service.store.hold()
    first = asyncio.create_task(service.routed())
    await service.store.is_held()

    bad = asyncio.create_task(service.journal.change(lambda _: 1 // 0, PATIENCE))
    route = asyncio.create_task(service.routed(2))
    feedback = asyncio.create_task(
        service.recorder.record(a_submission(decision_id=decision_id, success=True))
    )
    await some_turns()
    service.store.release()

    with pytest.raises(ZeroDivisionError):
        await bad
    assert len(await first) + len(await route) == 3
    assert (await feedback).position == 2


async def test_feedback_that_cannot_be_written_fails_alone(service):
    one, other = await service.decide(), await service.decide()

    answers = await asyncio.gather(
        service.recorder.record(a_submission(decision_id=one, feedback_id="bad", score=7.0)),
        service.recorder.record(a_submission(decision_id=other, feedback_id="good", score=0.7)),
        return_exceptions=True,
    )

    assert isinstance(answers[0], Exception)
    assert not isinstance(answers[1], Exception)
    assert service.engine().position == 2


async def test_nobody_hangs_with_the_database(service):
    decision_id = await service.decide()
    service.store.hold()
    service.wait_for_the_store(NO_PATIENCE)
    calls = [
        service.decide(),
        service.recorder.record(a_submission(decision_id=decision_id, success=True)),
        service.administrator.update("chat", {"floor": 0.2}, ""),
    ]

    answers = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), PATIENCE)

    assert [type(answer) for answer in answers] == [StoreUnavailable] * 3


async def test_nobody_hangs_with_the_lookup_of_a_session(service, monkeypatch):
    service.store.hold()
    service.wait_for_the_store(NO_PATIENCE)
    monkeypatch.setattr(service.store, "session_arm", service.store.hang, raising=False)

    call = asyncio.create_task(service.router.route_many([a_query(session="s")]))
    done, _ = await asyncio.wait({call}, timeout=PATIENCE)
    service.store.release()

    assert done
    assert isinstance(call.result()[0], StoreUnavailable)


async def test_what_was_late_for_its_caller_is_still_learned(service):
    feedback = a_submission(decision_id=await service.decide(), success=True)
    service.store.hold()
    service.wait_for_the_store(NO_PATIENCE)
    with pytest.raises(StoreUnavailable):
        await service.recorder.record(feedback)

    service.store.release()
    service.wait_for_the_store(PATIENCE)
    again = await service.recorder.record(feedback)

    assert again.duplicate
    assert service.engine().position == 2


async def test_a_caller_who_leaves_harms_nobody(service):
    service.store.hold()
    leaving, staying = (asyncio.create_task(service.routed()) for _ in range(2))
    await service.store.is_held()

    leaving.cancel()
    await some_turns()
    service.store.release()

    assert isinstance((await staying)[0], Routed)
    assert await service.decide()


async def test_closing_writes_what_waits_and_refuses_the_rest(service):
    service.store.hold()
    waiting = asyncio.create_task(service.routed(5))
    await service.store.is_held()

    closing = asyncio.create_task(service.journal.close())
    await some_turns()
    with pytest.raises(Draining):
        await service.decide()
    service.store.release()
    await closing

    for routed in await waiting:
        assert service.store.decision(routed.decision.id) is not None


async def test_an_engine_that_breaks_while_deciding_tells_its_callers(service, monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(service.engine(), "decide", broken)

    with pytest.raises(RuntimeError, match="a bug"):
        await asyncio.wait_for(service.decide(), PATIENCE)
    with pytest.raises(RuntimeError, match="a bug"):
        await asyncio.wait_for(service.decide(session="s"), PATIENCE)


async def test_an_engine_that_breaks_while_learning_keeps_nobody_waiting_and_still_routes(
    service, monkeypatch
):
    await service.create(name="other")
    mine, others = await service.decide(), await service.decide(policy="other")

    def broken(_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(service.engine(), "apply", broken)

    calls = [
        asyncio.create_task(service.recorder.record(a_submission(decision_id=one, success=True)))
        for one in (mine, others)
    ]
    done, _ = await asyncio.wait(calls, timeout=PATIENCE)

    assert len(done) == 2
    assert service.engine("other").position == 2
    assert await service.decide()
