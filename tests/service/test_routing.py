"""Queries in, durable decisions out: repeats, sessions, neighbours."""

import asyncio
import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from bandit_service.drafting import request_digest
from bandit_service.errors import (
    DecisionNotFound,
    IdReused,
    NoEligibleArm,
    PolicyNotFound,
    WrongContext,
)
from bandit_service.model import Features, Mode, Routed, TextFeatures
from tests.builders import a_query, a_submission, packed
from tests.patience import PATIENCE
from tests.service.running import running

TEXT = Features(text=TextFeatures(dimensions=16))


def ids(answers: Sequence[object]) -> list[str]:
    return [answer.decision.id for answer in answers if isinstance(answer, Routed)]


async def test_an_answer_names_the_arm_of_its_decision(service):
    routed = await service.router.route(a_query(duel=True))

    names = ["small", "medium", "large"]
    assert routed.arm == names[routed.decision.arm]
    assert routed.second_arm == names[routed.decision.second_arm]
    assert routed.arm != routed.second_arm


async def test_what_was_decided_is_stored_as_it_was_answered(service):
    routed = await service.router.route(
        a_query(vector=packed(0.25, -3.0), request_id="r1", session="s", subject="alice", duel=True)
    )

    assert service.store.decision(routed.decision.id) == routed.decision
    assert np.frombuffer(routed.decision.context).tolist() == [0.25, -3.0, 1.0]


async def test_answers_come_in_the_order_of_the_queries_across_policies(service):
    await service.create(name="text", features=TEXT)
    queries = [
        a_query(vector=packed(1.0, 0.0)),
        a_query(policy="nowhere"),
        a_query(policy="text", vector=None, text="How tall is the Eiffel tower?"),
        a_query(required_tags=("eu",)),
        a_query(vector=packed(0.0, 1.0)),
    ]

    first, unknown, text, refused, last = await service.router.route_many(queries)

    assert np.frombuffer(first.decision.context).tolist() == [1.0, 0.0, 1.0]
    assert isinstance(unknown, PolicyNotFound)
    assert text.decision.policy_id == service.engine("text").identity.id
    assert isinstance(refused, NoEligibleArm)
    assert np.frombuffer(last.decision.context).tolist() == [0.0, 1.0, 1.0]


async def test_no_queries_get_no_answers(service):
    assert await asyncio.wait_for(service.router.route_many([]), PATIENCE) == []


@pytest.mark.parametrize(
    ("policy", "context", "said"),
    [
        ("chat", {"text": "hello", "vector": None}, "need a vector of 2 numbers, got text"),
        ("chat", {"vector": packed(1.0)}, "need a vector of 2 numbers, got 1 numbers"),
        ("chat", {"vector": packed(1.0, 2.0, 3.0)}, "need a vector of 2 numbers, got 3 numbers"),
        ("text", {}, "need text, got a vector"),
    ],
)
async def test_a_context_that_does_not_fit_fails_its_own_query_alone(
    service, policy, context, said
):
    await service.create(name="text", features=TEXT)

    answers = await service.router.route_many([a_query(policy=policy, **context), a_query()])

    assert isinstance(answers[0], WrongContext)
    assert said in str(answers[0])
    assert isinstance(answers[1], Routed)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e300])
async def test_a_number_that_cannot_be_read_fails_its_own_query_alone(service, number):
    bad = asyncio.create_task(service.router.route_many([a_query(vector=packed(number, 1.0))]))
    good = asyncio.create_task(service.router.route_many([a_query()]))

    await asyncio.wait({bad, good}, timeout=PATIENCE)

    assert isinstance(bad.exception() or bad.result()[0], WrongContext)
    assert isinstance(good.result()[0], Routed)


async def test_a_long_text_is_read_like_a_short_one(service):
    await service.create(name="text", features=TEXT)
    words = "a word and " * 2_000

    long, short = await service.router.route_many(
        [a_query(policy="text", vector=None, text=text) for text in (words, words[:8_192])]
    )

    assert len(words) > 8_192
    assert long.decision.context == short.decision.context


async def test_the_same_request_gets_the_same_decision_however_often_it_comes(service):
    first = await service.router.route(a_query(request_id="r1", duel=True))

    again = [await service.router.route(a_query(request_id="r1", duel=True)) for _ in range(5)]

    assert again == [first] * 5


async def test_equal_requests_that_come_together_get_one_decision(service):
    calls = [service.router.route(a_query(request_id="r1")) for _ in range(50)]

    answers = await asyncio.gather(*calls)

    assert len(set(ids(answers))) == 1
    assert service.store.decision(answers[0].decision.id) == answers[0].decision


async def test_a_request_id_with_another_payload_is_refused(service):
    first = await service.decide(request_id="r1")

    with pytest.raises(IdReused, match="request_id 'r1' was used before with another payload"):
        await service.decide(request_id="r1", vector=packed(0.0, 1.0))

    assert await service.decide(request_id="r1") == first


async def test_of_two_payloads_that_come_together_under_one_id_one_is_refused(service):
    queries = [a_query(request_id="r1"), a_query(request_id="r1", subject="bob")] * 10

    answers = await asyncio.gather(
        *(service.router.route(query) for query in queries), return_exceptions=True
    )

    refused = [isinstance(answer, IdReused) for answer in answers]
    assert refused in ([False, True] * 10, [True, False] * 10)
    assert len(set(ids(answers))) == 1


async def test_request_ids_of_two_policies_have_nothing_to_do_with_each_other(service):
    await service.create(name="other")

    first = await service.decide(request_id="r1")

    assert await service.decide(request_id="r1", policy="other") != first


async def test_a_request_is_known_after_a_restart(database):
    async with running(database) as service:
        await service.create()
        first = await service.router.route(a_query(request_id="r1"))

    async with running(database) as service:
        again = await service.router.route(a_query(request_id="r1"))
        with pytest.raises(IdReused):
            await service.decide(request_id="r1", duel=True)

    assert again == first


async def test_two_queries_of_one_new_session_in_one_batch_get_the_same_arm(service):
    await service.create(name="even", floor=1.0)
    queries = [a_query(policy="even", session=f"s{i % 40}") for i in range(120)]

    answers = await service.router.route_many(queries)

    arms = [answer.arm for answer in answers]
    assert arms[:40] == arms[40:80] == arms[80:]
    assert [answer.decision.sticky for answer in answers] == [False] * 40 + [True] * 80


async def test_a_session_keeps_its_arm_over_a_restart(database):
    async with running(database) as service:
        await service.create(floor=1.0)
        before = [(await service.routed(session=f"s{i}"))[0].arm for i in range(15)]

    async with running(database) as service:
        after = [(await service.routed(session=f"s{i}"))[0] for i in range(15)]

    assert [routed.arm for routed in after] == before
    assert all(routed.decision.sticky for routed in after)


async def test_one_session_in_two_policies_is_two_sessions(service):
    await service.create(name="other", floor=1.0)
    (mine,) = await service.routed(session="s")

    (other,) = await service.routed(session="s", policy="other")

    assert not other.decision.sticky
    assert other.decision.session_hash != mine.decision.session_hash


async def test_the_count_of_requests_goes_on_after_a_restart(database, by_requests):
    async with running(database) as service:
        await service.create(forgetting=by_requests)
        await service.routed(7)

    async with running(database) as service:
        assert (await service.routed())[0].decision.clock == 8.0


async def test_requests_are_counted_on_from_the_replica_that_counted_most(
    database, by_requests, monkeypatch
):
    async with running(database) as one:
        await one.create(forgetting=by_requests)
        async with running(database) as other:
            told = (await one.routed(20))[-1].decision
            assert told.clock == 20.0
            assert (await other.routed(3))[-1].decision.clock == 3.0
            await one.recorder.record(a_submission(decision_id=told.id, success=True))

    for decisions in (10_000, 1):  # or from what was learned, where its decisions are long ago
        monkeypatch.setattr("bandit_service.store.queries.LAST_DECISIONS", decisions)
        async with running(database) as service:
            assert service.engine().requests == 20


async def test_an_explanation_says_what_each_arm_looked_like_and_what_came_of_it(service):
    await service.create(name="watching", mode=Mode.OBSERVE, default_arm="medium")
    decision_id = await service.decide(policy="watching", allowed_arms=("small", "medium"))
    await service.recorder.record(a_submission(decision_id=decision_id, score=0.5))

    explained = await service.router.explain(decision_id)

    small, medium, large = explained.arms
    assert (explained.policy, explained.routed.arm) == ("watching", "medium")
    assert explained.context == (0.6, 0.8, 1.0)
    assert [arm.probability for arm in explained.arms] == [0.0, 1.0, 0.0]
    assert small.shadow_probability == pytest.approx(0.5)
    assert large.shadow_probability == 0.0
    assert "caller allows" in large.ineligible_reason
    assert medium.ineligible_reason == ""
    assert [(arm, outcome.value) for arm, outcome in explained.outcomes] == [("medium", 0.5)]


async def test_only_a_decision_of_a_living_policy_can_be_explained(service):
    decision_id = await service.decide()
    await service.administrator.delete("chat", "")

    for unknown in (decision_id, "d0"):
        with pytest.raises(DecisionNotFound):
            await service.router.explain(unknown)


def test_a_request_is_the_same_one_in_the_next_version():
    # What the first version stored: msgpack of these fields, in this order, by blake2b.
    fields = {
        "policy": "chat",
        "text": None,
        "vector": packed(0.6, 0.8),
        "request_id": "r1",
        "input_tokens": None,
        "output_tokens": 7,
        "required_tags": ("eu",),
        "required_modalities": (),
        "allowed_arms": (),
        "session": "s",
        "subject": "",
        "duel": False,
    }
    written = hashlib.blake2b(msgspec.msgpack.encode(fields), digest_size=16).digest()

    assert request_digest(a_query(**fields)) == written
    assert request_digest(a_query(**fields, min_position=9)) == written
