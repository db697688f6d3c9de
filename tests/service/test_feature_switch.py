"""Another feature schema is an event of the journal: whoever folds it switches at the same place.

As a `fold_version` is, see test_fold_version.
"""

import pytest

from bandit_service.errors import WrongContext
from bandit_service.model import (
    Effect,
    Features,
    FeedbackEvent,
    RevisionEvent,
    VectorFeatures,
)
from tests.builders import a_submission, packed
from tests.faults.checker import fold
from tests.patience import PATIENCE
from tests.service.running import running

THREE = {"features": Features(vector=VectorFeatures(dimension=3))}


def events_of(service):
    return [entry.event for entry in service.store.events(1, 0, 1_000)]


async def test_it_is_a_revision_after_which_learning_starts_afresh(database):
    async with running(database) as service:
        await service.create()
        old = await service.decide()
        await service.recorder.record(a_submission(decision_id=old, score=0.5))
        before = service.engine().shape

        _, restarted = await service.administrator.update("chat", THREE, "")

        first, _, switch = events_of(service)
        assert restarted
        assert isinstance(switch, RevisionEvent)
        assert (switch.revision, switch.config.features) == (2, THREE["features"])
        assert (first.epoch, switch.epoch, switch.started_epoch) == (0, 1, 1)
        assert (before.dim, service.engine().shape.dim) == (3, 4)  # with the constant
        assert before.version != service.engine().shape.version
        assert not service.engine().state.observations.any()


async def test_what_was_decided_before_it_is_heard_and_teaches_nothing(database):
    async with running(database) as service:
        await service.create()
        old = await service.decide()
        await service.administrator.update("chat", THREE, "")
        before = {k: v.copy() for k, v in service.engine().state.canonical().items()}

        late = await service.recorder.record(a_submission(decision_id=old, score=1.0))

        event = events_of(service)[-1]
        assert isinstance(event, FeedbackEvent)
        assert (late.effect, event.lessons) == (Effect.OTHER_FEATURES, ())
        for name, sums in service.engine().state.canonical().items():
            assert (sums == before[name]).all()
        (outcome,) = service.store.outcomes(old)
        assert (outcome.value, outcome.position) == (1.0, 3)


async def test_replicas_and_starts_switch_where_the_journal_says_so(database):
    async with running(database) as one, running(database) as other:
        await one.create()
        await other.journal.reach("chat", 0, PATIENCE)
        await one.recorder.record(a_submission(decision_id=await one.decide(), score=0.5))
        await one.administrator.update("chat", THREE, "")
        new = await one.decide(vector=packed(0.1, 0.2, 0.3))
        told = await one.recorder.record(
            a_submission(decision_id=new, feedback_id="f2", score=0.25)
        )
        await other.journal.reach("chat", told.position, PATIENCE)

        found = {
            (each.position, each.shape.version, each.state_hash())
            for each in (one.engine(), other.engine(), fold(one.store))
        }
        assert len(found) == 1
        assert told.effect is Effect.LEARNED
        with pytest.raises(WrongContext, match="a vector of 3 numbers"):
            await other.decide(vector=packed(0.1, 0.2))
        await other.decide(vector=packed(0.1, 0.2, 0.3))
        earlier = fold(one.store, until=2)  # before the switch
        assert earlier.shape.version != one.engine().shape.version
