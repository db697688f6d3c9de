"""How old a decision may be when feedback on it comes, and what is told of those that are gone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bandit_service.draw import new_ids
from bandit_service.errors import DecisionExpired, DecisionNotFound
from bandit_service.model import Effect, Limits, Preference, Usage
from bandit_service.store import open_store
from tests.builders import NOW, a_config, a_decision, a_query, a_submission
from tests.service.desk import Desk
from tests.service.running import Service, WatchedStore, running_on

HORIZON = 3600.0
DAY = 86_400.0


class Clock:
    """Stands still until it is moved."""

    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def service(tmp_path: Path, clock: Clock) -> AsyncIterator[Service]:
    watched = WatchedStore(open_store(f"sqlite:///{tmp_path}/test.db"))
    async with running_on(watched, clock) as service:
        yield service


@pytest.mark.parametrize("horizon", [None, HORIZON])
@pytest.mark.parametrize("early", [1.0, 0.0])
async def test_up_to_the_horizon_feedback_is_learned(service, clock, horizon, early):
    """30 days, unless the policy says otherwise."""
    await service.create(**({} if horizon is None else {"feedback_horizon": horizon}))
    decision_id = await service.decide()

    clock.now = NOW + (horizon or 30 * DAY) - early
    recorded = await service.recorder.record(a_submission(decision_id=decision_id, score=0.5))

    assert recorded.effect is Effect.LEARNED


@pytest.mark.parametrize("horizon", [None, HORIZON])
@pytest.mark.parametrize(
    "fields",
    [
        {"score": 0.5},
        {"success": True},
        {"failure": "timeout"},
        {"usage": Usage(cost_usd=0.1)},
    ],
    ids=lambda fields: next(iter(fields)),
)
async def test_a_second_beyond_the_horizon_it_is_refused_and_changes_nothing(
    service, clock, horizon, fields
):
    await service.create(**({} if horizon is None else {"feedback_horizon": horizon}))
    decision_id = await service.decide()
    before = service.engine().state_hash(), service.engine().position

    clock.now = NOW + (horizon or 30 * DAY) + 1.0
    with pytest.raises(DecisionExpired, match="is not taken any more; nothing was changed"):
        await service.recorder.record(a_submission(decision_id=decision_id, **fields))

    assert (service.engine().state_hash(), service.engine().position) == before
    assert service.store.outcomes(decision_id) == []


async def test_what_was_recorded_in_time_stays_a_duplicate(service, clock):
    await service.create(feedback_horizon=HORIZON)
    feedback = a_submission(decision_id=await service.decide(), score=0.5)
    first = await service.recorder.record(feedback)

    clock.now = NOW + 100 * DAY
    again = await service.recorder.record(feedback)

    assert again.duplicate
    assert again.position == first.position
    with pytest.raises(DecisionExpired):  # a revision is not a repeat
        await service.recorder.record(
            a_submission(decision_id=feedback.decision_id, feedback_id="f2", score=0.9)
        )


async def test_in_a_batch_each_is_as_old_as_it_is(service, clock):
    await service.create(feedback_horizon=HORIZON)
    old = await service.decide()
    clock.now = NOW + HORIZON
    young = await service.decide()
    clock.now += 1.0

    answers = await service.recorder.record_many(
        [a_submission(decision_id=one, feedback_id=one, score=0.5) for one in (old, young)]
    )

    assert isinstance(answers[0], DecisionExpired)
    assert answers[1].position == 2


async def test_another_horizon_counts_from_now_on(service, clock):
    await service.create(feedback_horizon=HORIZON)
    decision_id = await service.decide()
    clock.now = NOW + 2 * HORIZON

    await service.administrator.update("chat", {"feedback_horizon": 2 * HORIZON}, "")

    recorded = await service.recorder.record(a_submission(decision_id=decision_id, score=0.5))
    assert recorded.effect is Effect.LEARNED


def test_of_two_decisions_that_are_compared_both_have_to_be_young():
    desk = Desk(
        a_decision(id="young", create_time=NOW),
        a_decision(id="old", create_time=NOW - HORIZON),
        config=a_config(feedback_horizon=HORIZON),
    )
    for first, second in (("young", "old"), ("old", "young")):
        with pytest.raises(DecisionExpired, match="'old'"):
            desk.hear(
                decision_id=first,
                preference=Preference(other_decision_id=second, preferred_decision_id=first),
            )
    assert not desk.standing.changed_outcomes


async def test_a_decision_that_was_pruned_is_expired_and_one_that_never_was_is_not_found(
    service, clock
):
    await service.create(feedback_horizon=HORIZON)
    await service.create(name="patient", feedback_horizon=2 * DAY)
    pruned = await service.decide()
    clock.now = NOW + 1.0
    await service.decide()  # the newest stays
    clock.now = NOW + 3 * DAY
    service.store.prune(Limits(decisions_before=NOW + DAY), False)
    service.forget_decisions()  # what the writer still remembers
    (kept, stranger) = (service.store.decision(pruned), new_ids(1, NOW + 2 * DAY)[0])
    assert kept is None

    with pytest.raises(DecisionExpired, match="older than 2 days"):
        await service.recorder.record(a_submission(decision_id=pruned, score=0.5))
    for unknown in (stranger, "d1"):
        with pytest.raises(DecisionNotFound):
            await service.recorder.record(a_submission(decision_id=unknown, score=0.5))


def test_the_other_decision_of_a_preference_may_be_pruned_too():
    (pruned,), (stranger,) = new_ids(1, NOW - HORIZON), new_ids(1, NOW)
    desk = Desk(config=a_config(feedback_horizon=HORIZON))
    for other, error in ((pruned, DecisionExpired), (stranger, DecisionNotFound)):
        with pytest.raises(error, match=other):
            desk.hear(preference=Preference(other_decision_id=other, preferred_decision_id="d1"))


@pytest.mark.parametrize(("days", "is_kept"), [(29.9, True), (30.1, False)])
async def test_a_session_that_was_silent_for_thirty_days_begins_anew(service, clock, days, is_kept):
    await service.create()
    await service.router.route(a_query(session="s", allowed_arms=("large",)))
    service.engine().sessions.clear()  # as after a restart

    clock.now = NOW + days * DAY
    again = await service.router.route(a_query(session="s"))

    assert again.decision.sticky is is_kept
