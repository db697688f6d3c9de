"""What can come between a request and its answer: lost answers, repeats, refusals, damage."""

import asyncio
import sqlite3

import numpy as np
import pytest

from bandit_service.errors import (
    BrokenJournal,
    IdReused,
    NoEligibleArm,
    StoreUnavailable,
)
from bandit_service.model import Arm, Failure, Forgetting, Kind, Objective, Routed, Usage
from tests.builders import a_query, a_submission
from tests.service.running import running


async def test_a_policy_whose_creation_was_answered_by_silence_routes_all_the_same(service):
    service.store.after_commit.append(StoreUnavailable())

    with pytest.raises(StoreUnavailable):
        await service.create(name="lost")
    await service.decide()  # whatever is written next finds out

    assert (await service.router.route(a_query(policy="lost"))).arm
    assert service.administrator.get("lost").revision == 1


async def test_a_policy_whose_deletion_was_answered_by_silence_routes_no_more(service):
    service.store.after_commit.append(StoreUnavailable())

    with pytest.raises(StoreUnavailable):
        await service.administrator.delete("chat", "")
    await service.create(name="other")

    assert "chat" not in service.registry.by_name


async def test_a_name_that_is_freed_and_taken_at_once_belongs_to_the_new_policy(service):
    service.store.hold()
    first = asyncio.create_task(service.create(name="before"))
    await service.store.is_held()
    gone = asyncio.create_task(service.administrator.delete("chat", ""))
    await asyncio.sleep(0)
    new = asyncio.create_task(service.create())
    await asyncio.sleep(0)
    service.store.release()
    await asyncio.gather(first, gone, new)

    assert service.registry.by_name["chat"].identity.id == 3
    assert await service.decide()


async def test_a_delete_whose_caller_left_is_a_delete(service):
    service.store.hold()
    leaving = asyncio.create_task(service.administrator.delete("chat", ""))
    await service.store.is_held()
    leaving.cancel()
    service.store.release()
    await service.create(name="other")

    assert "chat" not in service.registry.by_name


async def test_a_repeat_is_answered_even_if_it_could_not_be_decided_any_more(service):
    query = a_query(request_id="r1", allowed_arms=("small",))
    first = await service.router.route(query)
    await service.administrator.retire_arm("chat", "small", "")

    again = await service.router.route(query)
    with pytest.raises(IdReused):
        await service.router.route(a_query(request_id="r1", allowed_arms=("small",), duel=True))
    with pytest.raises(NoEligibleArm):
        await service.router.route(a_query(request_id="r2", allowed_arms=("small",)))

    assert again == first


async def test_a_replica_that_does_not_know_the_arm_yet_says_so_and_hangs_nobody(database):
    async with running(database) as here, running(database) as there:
        await here.create()
        await there.create(name="there")  # which makes it look, and find nothing of "chat"
    async with running(database) as here, running(database) as there:
        await here.administrator.add_arm("chat", Arm(name="huge"), "")
        query = a_query(request_id="r1", allowed_arms=("huge",))
        await here.router.route(query)

        known = a_query(request_id="r1")
        answers = await there.router.route_many([known, a_query(request_id="r9")])

        assert isinstance(answers[0], IdReused)
        assert isinstance(answers[1], Routed)


async def test_a_refused_query_leaves_no_trace_in_its_session(service):
    await service.router.route(a_query(request_id="r1"))

    with pytest.raises(IdReused):
        await service.router.route(a_query(request_id="r1", session="fresh"))
    decided = (await service.router.route(a_query(session="fresh"))).decision

    assert not decided.sticky


async def test_a_query_that_was_not_stored_leaves_no_trace_in_its_session(service):
    service.store.before_commit.append(StoreUnavailable())

    with pytest.raises(StoreUnavailable):
        await service.router.route(a_query(session="fresh"))
    decided = (await service.router.route(a_query(session="fresh"))).decision

    assert not decided.sticky


async def test_list_prices_count_with_the_tokens_that_calls_report(service):
    arms = tuple(
        Arm(
            name=name,
            input_usd_per_million_tokens=price,
            output_usd_per_million_tokens=5 * price,
        )
        for name, price in (("cheap", 0.1), ("dear", 10.0))
    )
    await service.create(name="priced", arms=arms, objective=Objective(quality_per_usd=100.0))
    usage = Usage(input_tokens=1_000, output_tokens=100)
    for name in ("cheap", "dear"):
        decision = await service.decide(policy="priced", allowed_arms=(name,))
        await service.recorder.record(
            a_submission(feedback_id=name, decision_id=decision, usage=usage)
        )

    decided = (await service.router.route(a_query(policy="priced"))).decision

    # 100 points a dollar, times (1,000 tokens * input price + 100 * output price) / a million
    assert np.frombuffer(decided.offsets or b"") == pytest.approx([-0.015, -1.5])


async def test_an_arm_whose_answers_are_praised_between_failures_never_rests(service):
    for turn in range(40):
        decision = await service.decide(allowed_arms=("small",))
        fields = {"failure": Failure.ERROR} if turn % 8 == 0 else {"success": True}
        await service.recorder.record(
            a_submission(feedback_id=f"f{turn}", decision_id=decision, **fields)
        )

    assert not service.engine().calls.resting(0.0).any()


async def test_after_a_change_of_half_life_old_values_are_not_taken_back(service):
    await service.administrator.update("chat", {"forgetting": Forgetting(half_life=0.01)}, "")
    decisions = [await service.decide(allowed_arms=("small",)) for _ in range(30)]
    for decision in decisions:
        await service.recorder.record(
            a_submission(feedback_id=decision, decision_id=decision, score=1.0)
        )
    await service.administrator.update("chat", {"forgetting": Forgetting(half_life=1e9)}, "")
    before = {k: v.copy() for k, v in service.engine().state.canonical().items()}

    await service.recorder.record(a_submission(decision_id=decisions[0], score=0.0))

    # Of the first value next to nothing is left; to subtract all of it would take from others.
    for name, sums in service.engine().state.canonical().items():
        np.testing.assert_array_equal(sums, before[name])
    outcomes = (await service.router.explain(decisions[0])).outcomes
    assert [(outcome.kind, outcome.value) for _, outcome in outcomes] == [(Kind.SCORE, 0.0)]


async def test_a_damaged_journal_is_named_and_not_begun_with(database):
    async with running(database) as service:
        await service.create()
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE journal SET body = x'00'")
    connection.close()

    with pytest.raises(BrokenJournal, match="position 1"):
        async with running(database):
            pass


async def test_a_head_that_is_ahead_of_its_journal_holds_nobody_up(database):
    async with running(database) as service:
        await service.create()
        decision = await service.decide()
        with sqlite3.connect(database) as connection:
            connection.execute("UPDATE policy_head SET head = 7")
        connection.close()

        with pytest.raises(BrokenJournal, match="position 2"):
            await service.recorder.record(a_submission(decision_id=decision, success=True))
        assert await service.decide()
