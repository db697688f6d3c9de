"""Challengers' states: folds of the journal through kills, checkpoints, replicas, promotions."""

import asyncio

import msgspec
import numpy as np

from bandit_service.checkpoints import BY_SECRET, Keeper, pack, unpack
from bandit_service.engine import PolicyEngine
from bandit_service.model import Algorithm, ArmState
from bandit_service.store import open_store
from tests.audit.histories import audited
from tests.builders import (
    a_config,
    a_feedback_event,
    a_lesson,
    a_revision,
    a_submission,
    an_engine,
    shape_of,
    tell,
)
from tests.challengers.contests import BOLDER, CHEAPER, CONTEXT_FREE, a_contest
from tests.challengers.test_deciding import some_events, taught
from tests.service.running import running
from tests.service.test_feedback import some_traffic

replace = msgspec.structs.replace
EVERYBODY = a_contest(replace(CHEAPER, share=0.2), BOLDER, replace(CONTEXT_FREE, share=0.1))


def sums(engine, name):
    (found,) = [one.state.canonical() for one in engine.contenders if one.name == name]
    return found


def same(first, second):
    return first.keys() == second.keys() and all(np.array_equal(first[k], second[k]) for k in first)


def later(*challengers, base=None, events=30):
    """An engine whose challengers come only after `events` events."""
    engine = an_engine(base or a_config(**a_contest()), *some_events(1, events))
    config = replace(engine.config, challengers=challengers)
    tell(engine, a_revision(config, revision=2))
    return engine


def test_a_challenger_of_equal_sums_begins_with_what_the_incumbent_knows():
    engine = later(CHEAPER, CONTEXT_FREE)
    assert same(sums(engine, "cheaper"), engine.state.canonical())
    assert not any(array.any() for array in sums(engine, "context-free").values())

    revising = a_feedback_event(a_lesson(0, 0.25, old=0.75))
    tell(engine, revising)
    assert same(sums(engine, "cheaper"), engine.state.canonical())
    assert not any(array.any() for array in sums(engine, "context-free").values())


def test_an_untaught_one_learns_from_what_was_decided_after_it_came():
    engine = later(CONTEXT_FREE)  # at position 32
    for position, value in ((31, 0.1), (None, 0.2), (32, 0.8), (40, 1.0)):
        tell(engine, a_feedback_event(a_lesson(1, value, position=position)))
    tell(engine, a_feedback_event(a_lesson(1, 0.6, old=0.8, position=32)))
    tell(engine, a_feedback_event(a_lesson(1, 0.9, old=0.1, position=31)))

    alone = an_engine(
        a_config(algorithm=CONTEXT_FREE.algorithm),
        a_feedback_event(a_lesson(1, 0.8)),
        a_feedback_event(a_lesson(1, 1.0)),
        a_feedback_event(a_lesson(1, 0.6, old=0.8)),
    )
    assert same(sums(engine, "context-free"), alone.state.canonical())


def test_a_change_of_its_share_keeps_what_it_learned_and_another_algorithm_does_not():
    engine = taught(**EVERYBODY)
    kept = {name: array.copy() for name, array in sums(engine, "context-free").items()}
    config = replace(
        engine.config,
        challengers=(
            replace(CONTEXT_FREE, share=0.5),
            replace(BOLDER, algorithm=CONTEXT_FREE.algorithm),
        ),
    )
    tell(engine, a_revision(config, revision=2))

    assert [one.name for one in engine.contenders] == ["context-free", "bolder"]
    assert same(sums(engine, "context-free"), kept)
    assert not any(array.any() for array in sums(engine, "bolder").values())
    assert engine.contenders[1].since == engine.position


def test_when_learning_starts_afresh_challengers_do_so_too():
    engine = taught(**EVERYBODY)
    tell(engine, a_revision(replace(engine.config, algorithm=Algorithm()), revision=2, epoch=1))

    assert [one.since for one in engine.contenders] == [0, 0, 0]
    for one in engine.contenders:
        assert not any(array.any() for array in one.state.canonical().values())


def test_a_removed_arm_is_forgotten_by_everybody():
    engine = taught(**EVERYBODY)
    first, second, third = engine.config.arms
    gone = replace(second, state=ArmState.REMOVED)
    config = replace(engine.config, arms=(first, gone, third, replace(second, name="new")))
    tell(engine, a_revision(config, revision=2))

    for one in engine.contenders:
        assert one.state.arms == 4
        assert one.state.observations[1] == 0.0
        assert one.state.observations[0] > 0.0


def test_hash_and_bytes_hold_the_challengers():
    engine, other = taught(**EVERYBODY), taught(**EVERYBODY)
    assert engine.state_hash() == other.state_hash()
    tell(other, a_feedback_event(a_lesson(0, 1.0)))
    tell(engine, a_feedback_event(a_lesson(0, 1.0)))
    assert engine.state_hash() == other.state_hash()
    other.contenders[2].state = other.contenders[2].policy.start(3)
    assert engine.state_hash() != other.state_hash()

    snapshot = engine.snapshot()
    wanted = engine.state_hash()
    tell(engine, a_feedback_event(a_lesson(0, 1.0)))  # the snapshot stays
    read = unpack(pack(snapshot))
    again = PolicyEngine.restored(engine.identity, shape_of, read)
    assert snapshot.state_hash() == read.state_hash() == again.state_hash() == wanted
    tell(again, a_feedback_event(a_lesson(0, 1.0)))
    assert again.state_hash() == engine.state_hash()


def test_a_checkpoint_without_challengers_has_the_bytes_that_it_always_had():
    packed = bytes(pack(taught(**a_contest()).snapshot()))
    assert b"challengers." not in packed
    assert unpack(packed).challengers.canonical() == {}


async def test_a_restart_keeps_what_challengers_learned(store_url):
    async with running(store_url) as service:
        await service.create(**EVERYBODY)
        await some_traffic(service, seed=1)
        store = open_store(store_url)
        lease = store.leases.take("test", "me", 60.0)
        assert lease is not None
        keeper = Keeper(store.checkpoints, BY_SECRET)
        keeper.save(service.engine().identity, service.engine().snapshot(), lease)
        store.close()
        await some_traffic(service, seed=2)
        before = service.administrator.state("chat")
        taught_sums = sums(service.engine(), "context-free")

    async with running(store_url) as service:
        assert service.journal.started_from  # a checkpoint and its tail
        assert service.administrator.state("chat") == before
        assert same(sums(service.engine(), "context-free"), taught_sums)
    found = audited(store_url)
    assert found.holds
    assert found.journal.state_hash == before.state_hash
    assert found.rederived == found.decisions == 160


async def test_replicas_agree_on_challengers(database):
    async with running(database) as first:
        await first.create(**EVERYBODY)
        async with running(database) as second:
            known = (await first.routed())[0].decision.id
            await asyncio.gather(*(some_traffic(one, i) for i, one in enumerate((first, second))))
            for service in (first, second, first, second):
                await service.recorder.record(
                    a_submission(decision_id=known, feedback_id="last", success=True)
                )
            assert first.administrator.state("chat") == second.administrator.state("chat")
            assert first.administrator.state("chat").position > 100


async def test_feedback_of_before_is_not_for_those_who_came_later(database):
    async with running(database) as service:
        await service.create(**a_contest())
        old = [one.decision.id for one in await service.routed(5)]
        await service.administrator.update("chat", {"challengers": (CONTEXT_FREE,)}, "")
        new = [one.decision.id for one in await service.routed(3)]
        for at, decision_id in enumerate(old + new):
            await service.recorder.record(
                a_submission(decision_id=decision_id, feedback_id=f"f{at}", score=0.5)
            )
        (contender,) = service.engine().contenders
        assert contender.state.observations.sum() == 3.0
        assert service.engine().state.observations.sum() == 8.0
