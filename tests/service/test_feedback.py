"""Feedback: taken once, learned at once, revised later, refused without a trace."""

import asyncio

import numpy as np
import pytest

from bandit_service.errors import BanditError, DecisionNotFound, IdReused, PolicyNotFound
from bandit_service.model import (
    Algorithm,
    Arm,
    Effect,
    Failure,
    Preference,
    PreferenceLearning,
    Recorded,
    Source,
    Usage,
)
from policies import CATALOGUE, LearnsPairs
from tests.builders import a_query, a_submission
from tests.service.running import Service, running, some_turns


def observations(service: Service, name: str = "chat") -> list[float]:
    return [arm.observations for arm in service.administrator.state(name).arms]


async def some_traffic(service: Service, seed: int, rounds: int = 8, policy: str = "chat") -> None:
    """Decisions, and feedback of every sort on some of them: new, repeated and revised."""
    rng = np.random.default_rng(seed)
    known: list[str] = []
    for turn in range(rounds):
        queries = [a_query(policy=policy, vector=rng.normal(size=2).tobytes()) for _ in range(10)]
        answers = await service.router.route_many(queries)
        known += [answer.decision.id for answer in answers]  # type: ignore[union-attr]
        told = [
            a_submission(
                decision_id=known[int(rng.integers(len(known)))],
                feedback_id=f"{policy} {seed} {turn} {i}",
                source=list(Source)[int(rng.integers(5))],
                score=float(rng.random()) if rng.random() < 0.7 else None,
                failure=Failure.TIMEOUT if rng.random() < 0.2 else None,
                usage=Usage(cost_usd=float(rng.random())),
            )
            for i in range(10)
        ]
        await asyncio.gather(*(service.recorder.record(one) for one in [*told, told[0]]))


async def test_what_is_acknowledged_has_been_learned(service):
    routed = await service.router.route(a_query(allowed_arms=("large",)))

    recorded = await service.recorder.record(
        a_submission(decision_id=routed.decision.id, success=True)
    )

    assert recorded == Recorded("f1", 2, Effect.LEARNED)
    assert observations(service) == [0.0, 0.0, 1.0]
    assert (await service.routed())[0].decision.position == 2


async def test_the_same_feedback_again_is_a_duplicate_and_changes_nothing(service):
    feedback = a_submission(decision_id=await service.decide(), success=True)
    first = await service.recorder.record(feedback)
    before = service.engine().state_hash()

    again = await service.recorder.record(feedback)

    assert again == Recorded(first.feedback_id, first.position, first.effect, duplicate=True)
    assert service.engine().state_hash() == before


async def test_equal_feedback_that_comes_together_counts_once(service):
    feedback = a_submission(decision_id=await service.decide(), success=True)

    answers = await asyncio.gather(*(service.recorder.record(feedback) for _ in range(30)))

    assert [answer.duplicate for answer in answers].count(False) == 1
    assert {answer.position for answer in answers} == {2}
    assert sum(observations(service)) == 1.0


async def test_a_feedback_id_with_another_payload_is_refused_and_changes_nothing(service):
    decision_id = await service.decide()
    await service.recorder.record(a_submission(decision_id=decision_id, success=True))
    before = service.engine().state_hash()

    with pytest.raises(IdReused, match="feedback_id 'f1' was used before with another payload"):
        await service.recorder.record(a_submission(decision_id=decision_id, success=False))

    assert service.engine().state_hash() == before


async def test_feedback_ids_of_two_policies_have_nothing_to_do_with_each_other(service):
    await service.create(name="other")

    for policy in ("chat", "other"):
        decision_id = await service.decide(policy=policy)
        recorded = await service.recorder.record(a_submission(decision_id=decision_id, score=0.5))
        assert not recorded.duplicate


async def test_a_later_word_replaces_the_earlier_even_after_a_restart(database):
    async with running(database) as service:
        await service.create()
        decision_id = await service.decide(allowed_arms=("small",))
        await service.recorder.record(a_submission(decision_id=decision_id, score=0.2))

    async with running(database) as service:
        revision = a_submission(decision_id=decision_id, feedback_id="f2", score=0.9)
        recorded = await service.recorder.record(revision)
        repeat = await service.recorder.record(a_submission(decision_id=decision_id, score=0.2))
        small = service.administrator.state("chat").arms[0]

    assert recorded.effect is Effect.LEARNED
    assert repeat.duplicate
    assert small.observations == 1.0
    assert small.mean_quality == pytest.approx(0.9)


async def test_each_submission_of_a_batch_gets_its_own_answer_in_order(service):
    one, other = await service.decide(), await service.decide()
    told = [
        a_submission(decision_id=one, feedback_id="f1", success=True),
        a_submission(decision_id="nowhere", feedback_id="f2", success=True),
        a_submission(decision_id=other, feedback_id="f3", success=True, arm="lagre"),
        a_submission(decision_id=one, feedback_id="f1", success=True),
        a_submission(decision_id=one, feedback_id="f1", success=False),
        a_submission(decision_id=other, feedback_id="f4", score=0.5),
    ]

    answers = await service.recorder.record_many(told)

    kinds = [type(a).__name__ if isinstance(a, BanditError) else a.position for a in answers]
    assert kinds == [2, "DecisionNotFound", "InvalidField", 2, "IdReused", 3]
    assert [a.duplicate for a in answers if isinstance(a, Recorded)] == [False, True, False]


async def test_what_is_refused_leaves_no_trace(service):
    decision_id = await service.decide()
    before, events = service.engine().state_hash(), service.store.events(1, 0, 100)
    between = Preference(other_decision_id="nowhere", preferred_decision_id="nowhere")

    answers = await service.recorder.record_many(
        [
            a_submission(decision_id="nowhere", feedback_id="f1", success=True),
            a_submission(decision_id=decision_id, feedback_id="f2", success=True, arm="lagre"),
            a_submission(decision_id=decision_id, feedback_id="f3", preference=between),
        ]
    )

    assert all(isinstance(answer, BanditError) for answer in answers)
    assert service.engine().state_hash() == before
    assert service.store.events(1, 0, 100) == events
    accepted = await service.recorder.record(a_submission(decision_id=decision_id, success=True,
                                                          feedback_id="f2"))  # fmt: skip
    assert not accepted.duplicate


async def test_a_decision_of_another_policy_is_unknown_to_a_preference(service):
    await service.create(name="other", preference_learning=PreferenceLearning.AS_QUALITY)
    mine, foreign = await service.decide(policy="other"), await service.decide()

    with pytest.raises(DecisionNotFound):
        await service.recorder.record(
            a_submission(decision_id=mine, preference=Preference(other_decision_id=foreign))
        )

    assert service.engine("other").position == 1


async def test_late_feedback_still_teaches_a_retired_arm_but_no_removed_one(service):
    ids = {arm: await service.decide(allowed_arms=(arm,)) for arm in ("small", "medium")}
    await service.administrator.retire_arm("chat", "small", "")
    await service.administrator.remove_arm("chat", "medium", "")

    effects = [
        (await service.recorder.record(a_submission(decision_id=i, feedback_id=i, score=1))).effect
        for i in ids.values()
    ]

    assert effects == [Effect.LEARNED, Effect.ARM_REMOVED]
    assert observations(service) == [1.0, 0.0, 0.0]


async def test_a_removed_arm_that_took_something_stays_forgotten(service):
    decision_id = await service.decide(allowed_arms=("medium",))
    report = {"decision_id": decision_id, "usage": Usage(cost_usd=1.0)}
    await service.recorder.record(a_submission(**report))
    await service.administrator.remove_arm("chat", "medium", "")

    dearer = {"feedback_id": "f2", "usage": Usage(cost_usd=3.0)}
    await service.recorder.record(a_submission(**report | dearer))

    sums = service.engine().calls.canonical().values()
    assert not any(part[1].any() for part in sums)


async def test_feedback_for_a_deleted_policy_is_refused(service):
    decision_id = await service.decide()
    await service.administrator.delete("chat", "")

    with pytest.raises(PolicyNotFound):
        await service.recorder.record(a_submission(decision_id=decision_id, success=True))


async def test_feedback_that_comes_together_with_the_deletion_is_refused(service):
    decision_id = await service.decide()
    service.store.hold()
    held = asyncio.create_task(service.routed())
    await service.store.is_held()

    deletion = asyncio.create_task(service.administrator.delete("chat", ""))
    feedback = asyncio.create_task(
        service.recorder.record(a_submission(decision_id=decision_id, success=True))
    )
    await some_turns()
    service.store.release()
    await asyncio.gather(held, deletion, feedback, return_exceptions=True)

    assert deletion.exception() is None
    assert isinstance(feedback.exception(), PolicyNotFound)


@pytest.mark.parametrize("algorithm", CATALOGUE)
async def test_a_restart_finds_the_same_state(database, algorithm):
    async with running(database) as service:
        priced = (
            Arm(name=name, input_usd_per_million_tokens=1.0, output_usd_per_million_tokens=2.0)
            for name in ("small", "medium", "large")
        )
        await service.create(
            algorithm=Algorithm(name=algorithm),
            arms=tuple(priced),  # some algorithms weigh them
            preference_learning=PreferenceLearning.AS_PAIRS
            if issubclass(CATALOGUE[algorithm], LearnsPairs)
            else PreferenceLearning.IGNORE,
        )
        await some_traffic(service, seed=1)
        await service.administrator.remove_arm("chat", "medium", "")
        await some_traffic(service, seed=2)
        before = service.administrator.state("chat")

    async with running(database) as service:
        assert service.administrator.state("chat") == before
    assert before.position > 100
