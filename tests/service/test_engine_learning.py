"""The fold: from journal entries to learned state, bit for bit."""

import copy

import msgspec
import numpy as np
import pytest

from bandit_service import configuration
from bandit_service.engine import PolicyEngine
from bandit_service.errors import InvalidField
from bandit_service.model import (
    Algorithm,
    Arm,
    ArmState,
    ArmWarmStart,
    Event,
    JournalEntry,
    PolicyConfig,
    Usage,
    UsageLesson,
    WarmStart,
)
from policies import CATALOGUE
from tests.builders import (
    NOW,
    a_config,
    a_feedback_event,
    a_lesson,
    a_query,
    a_revision,
    an_engine,
    arms,
    chances,
    decide,
    shape_of,
    tell,
)
from tests.policies.worlds import MOVING
from tests.service.journals import RandomJournal

LINEAR = Algorithm(name="linear_thompson")


def folded(events: list[Event], engine: PolicyEngine | None = None) -> PolicyEngine:
    engine = engine or PolicyEngine(an_engine().identity, shape_of)
    for event in events:
        tell(engine, event)
    return engine


def copied(engine: PolicyEngine) -> PolicyEngine:
    """Another engine that goes on from a copy of what this one learned."""
    twin = PolicyEngine(engine.identity, shape_of)
    twin.apply(JournalEntry(1, a_revision(engine.config, engine.revision, engine.epoch)))
    twin.state, twin.calls = engine.state.copy(), copy.deepcopy(engine.calls)
    twin.position = engine.position
    return twin


def learned_of(engine: PolicyEngine, arm: int) -> float:
    return float(engine.state.observations[arm])


@pytest.mark.parametrize("half_life", [None, 300.0])
@pytest.mark.parametrize("algorithm", CATALOGUE)
def test_equal_journals_give_equal_hashes(algorithm, half_life):
    events = RandomJournal(1, algorithm, half_life).write(120)

    first, second = folded(events), folded(events)

    assert first.state_hash() == second.state_hash()
    assert first.position == len(events)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("algorithm", CATALOGUE)
def test_a_fold_goes_on_from_a_copy_at_any_point(algorithm, seed):
    events = RandomJournal(seed, algorithm, half_life=300.0).write(90)
    whole, running = folded(events), PolicyEngine(an_engine().identity, shape_of)

    for cut in range(1 + 4 * seed, len(events), 12):
        folded(events[running.position : cut], running)
        rest = folded(events[cut:], copied(running))

        assert rest.state_hash() == whole.state_hash()


@pytest.mark.parametrize("algorithm", CATALOGUE)
def test_deciding_changes_nothing_that_was_learned(algorithm):
    events = RandomJournal(2, algorithm, half_life=300.0).write(60)
    asked, left_alone = folded(events[:30]), folded(events[:30])

    for event in events[30:]:
        decide(asked, [a_query()] * 3, now=NOW + 10_000)
        tell(asked, event)
        tell(left_alone, event)

    assert asked.state_hash() == left_alone.state_hash()


def test_another_order_another_value_or_one_event_less_give_another_hash():
    one, two = a_feedback_event(a_lesson(0, 0.3)), a_feedback_event(a_lesson(1, 0.7))

    hashes = {
        an_engine(None, one, two).state_hash(),
        an_engine(None, one).state_hash(),
        an_engine(None, one, one).state_hash(),
        an_engine(None, one, a_feedback_event(a_lesson(1, 0.8))).state_hash(),
    }

    assert len(hashes) == 4


@pytest.mark.parametrize("position", [1, 3])
def test_an_entry_out_of_turn_is_refused_and_changes_nothing(position):
    engine = an_engine()
    before = engine.state_hash()

    with pytest.raises(ValueError, match=f"entry {position} does not follow 1"):
        engine.apply(JournalEntry(position, a_feedback_event(a_lesson(0, 1.0))))

    assert engine.state_hash() == before


@pytest.mark.parametrize("algorithm", CATALOGUE)
def test_a_revised_value_is_as_if_the_first_had_never_been(algorithm):
    config = a_config(algorithm=Algorithm(name=algorithm))
    other = a_feedback_event(a_lesson(0, 0.4))

    revised = an_engine(
        config, other, a_feedback_event(a_lesson(0, 0.1)),
        a_feedback_event(a_lesson(0, 0.9, old=0.1)),
    )  # fmt: skip
    once = an_engine(config, other, a_feedback_event(a_lesson(0, 0.9)))

    for name, sums in once.state.canonical().items():
        if name not in MOVING.get(algorithm, ()):
            np.testing.assert_allclose(revised.state.canonical()[name], sums, atol=1e-10)
    assert revised.calls.qualities[0] == pytest.approx([1.3, 2.0])


def test_a_withdrawn_value_is_as_if_it_had_never_been():
    engine = an_engine(
        None, a_feedback_event(a_lesson(0, 0.4)), a_feedback_event(a_lesson(0, None, old=0.4))
    )

    assert learned_of(engine, 0) == 0.0
    assert not engine.calls.qualities.any()


@pytest.mark.parametrize(
    "changes",
    [
        {"floor": 0.5},
        {"algorithm": Algorithm(settings={"noise": 0.1})},
        {"algorithm": Algorithm(name="squarecb")},
        {"arms": arms("small", "medium", "large", "huge")},
    ],
)
def test_a_revision_goes_on_with_what_was_learned(changes):
    engine = an_engine(a_config(), a_feedback_event(a_lesson(1, 0.8)))

    tell(engine, a_revision(a_config(**changes), 2))

    assert learned_of(engine, 1) == 1.0
    assert len(chances(decide(engine, [a_query()])[0])) == len(engine.config.arms)


def test_a_new_epoch_starts_learning_afresh_and_keeps_what_calls_take():
    took = UsageLesson(1, NOW, None, Usage(cost_usd=0.5))
    engine = an_engine(a_config(), a_feedback_event(a_lesson(1, 0.8), usage=took))

    tell(engine, a_revision(a_config(algorithm=Algorithm(name="beta_thompson")), 2, epoch=1))

    assert not engine.state.observations.any()
    assert engine.calls.means()[1, 0] == 0.5
    assert (engine.revision, engine.epoch) == (2, 1)


def test_qualities_that_are_learned_again_after_a_restart_count_once():
    engine = an_engine(a_config(), a_feedback_event(a_lesson(1, 0.8)))

    tell(engine, a_revision(a_config(algorithm=Algorithm(name="beta_thompson")), 2, epoch=1))
    tell(engine, a_feedback_event(a_lesson(1, 0.4)))  # the same decision, said again

    medium = engine.state_view().arms[1]
    assert medium.observations == 1.0
    assert medium.mean_quality == pytest.approx(0.4)


def test_an_added_arm_learns_beside_the_others():
    engine = an_engine(a_config(), a_feedback_event(a_lesson(1, 0.8)))

    tell(engine, a_revision(a_config(arms=arms("small", "medium", "large", "huge")), 2))
    tell(engine, a_feedback_event(a_lesson(3, 0.6)))

    assert [learned_of(engine, slot) for slot in range(4)] == [0.0, 1.0, 0.0, 1.0]


def test_a_retired_arm_keeps_what_it_learned_and_goes_on_learning():
    pool = (*arms("small"), Arm(name="medium", state=ArmState.RETIRED))
    engine = an_engine(a_config(arms=arms("small", "medium")), a_feedback_event(a_lesson(1, 0.8)))

    tell(engine, a_revision(a_config(arms=pool), 2))
    tell(engine, a_feedback_event(a_lesson(1, 0.6)))

    assert learned_of(engine, 1) == 2.0
    assert chances(decide(engine, [a_query()])[0]).tolist() == [1.0, 0.0]


def test_a_removed_arm_forgets_everything_and_the_others_nothing():
    took = UsageLesson(1, NOW, None, Usage(cost_usd=0.5))
    pool = (*arms("small"), Arm(name="medium", state=ArmState.REMOVED), *arms("large"))
    engine = an_engine(
        a_config(), a_feedback_event(a_lesson(1, 0.8), usage=took), a_feedback_event(a_lesson(2, 1))
    )

    tell(engine, a_revision(a_config(arms=pool), 2))

    assert [learned_of(engine, slot) for slot in range(3)] == [0.0, 0.0, 1.0]
    assert np.isnan(engine.calls.means()[1]).all()


def test_failures_move_availability_and_not_quality():
    engine = an_engine()
    before = {name: sums.copy() for name, sums in engine.state.canonical().items()}

    for _ in range(5):
        tell(engine, a_feedback_event(failed_arm=1))

    for name, sums in engine.state.canonical().items():
        np.testing.assert_array_equal(sums, before[name])
    assert engine.calls.resting(NOW).tolist() == [False, True, False]


def test_the_views_say_what_was_learned_and_when_it_changed():
    engine = an_engine(a_config(), a_feedback_event(a_lesson(1, 0.8)))
    revised = msgspec.structs.replace(a_revision(a_config(floor=0.3), 2), time=NOW + 60)
    before = engine.view().etag

    tell(engine, revised)

    view, state = engine.view(), engine.state_view()
    assert (view.revision, view.create_time, view.update_time) == (2, NOW, NOW + 60)
    assert view.etag != before
    assert (state.position, state.state_hash) == (3, engine.state_hash())
    assert [arm.observations for arm in state.arms] == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("algorithm", ["linucb", "hierarchical_thompson"])
def test_a_warm_start_is_part_of_the_journal_and_a_new_one_keeps_what_was_learned(algorithm):
    def warm(level: float) -> PolicyConfig:
        prior = ArmWarmStart(weights=(0.5, -0.5), level=level, n_eff=20.0)
        return a_config(
            algorithm=Algorithm(name=algorithm), warm_start=WarmStart(arms={"large": prior})
        )

    told = [a_feedback_event(a_lesson(2, 1.0)) for _ in range(5)]
    events = [a_revision(warm(0.2)), *told, a_revision(warm(0.9), 2), *told]
    stored = msgspec.msgpack.encode(events)
    engine = folded(msgspec.msgpack.decode(stored, type=list[Event]))
    afresh = folded([a_revision(warm(0.9)), *told, *told])

    assert engine.config.warm_start == warm(0.9).warm_start
    assert learned_of(engine, 2) == 10.0
    x = np.array([[0.6, 0.8, 1.0], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(
        engine.policy.estimates(engine.state, x).mean,
        afresh.policy.estimates(afresh.state, x).mean,
        atol=1e-9,
    )
    assert engine.state.canonical()["sums"].tobytes() == afresh.state.canonical()["sums"].tobytes()


def test_an_arm_that_the_default_learner_is_told_of_late_is_expected_to_be_what_was_told():
    """The others have earned 0 throughout; the newcomer is told to earn .8, or nothing is told."""
    newcomer = Arm(name="newcomer")
    told = WarmStart(arms={"newcomer": ArmWarmStart(level=0.8, n_eff=10.0)})
    engine = folded([a_revision(a_config()), *[a_feedback_event(a_lesson(2, 0.0))] * 200])
    known = engine.config.arms
    tell(engine, a_revision(a_config(arms=(*known, newcomer)), 2))
    asked = np.array([[0.6, 0.8, 1.0], [0.0, 0.0, 1.0]])  # as they were, and where features say 0
    untold = engine.policy.estimates(engine.state, asked).mean
    tell(engine, a_revision(a_config(arms=(*known, newcomer), warm_start=told), 3))

    expected = engine.policy.estimates(engine.state, asked).mean

    assert engine.config.algorithm.name == "hierarchical_thompson"
    assert untold[0, -1] < 0.4
    assert expected[1, -1] == pytest.approx(0.8, abs=1e-9)
    np.testing.assert_allclose(expected[:, :-1], untold[:, :-1], atol=1e-9)


def test_another_projection_starts_learning_afresh():
    def seen_through(*rows: tuple[float, ...]) -> PolicyConfig:
        return a_config(algorithm=Algorithm(name="pilot"), warm_start=WarmStart(projection=rows))

    before, after = seen_through((1.0, 0.0, 0.0)), seen_through((0.0, 1.0, 0.0))

    assert configuration.restarts(before, after, shape_of)
    assert not configuration.restarts(before, before, shape_of)
    assert configuration.restarts(before, seen_through((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)), shape_of)


def test_who_weighs_prices_wants_them():
    algorithm = Algorithm(name="metallm")
    priced = tuple(
        Arm(name=n, input_usd_per_million_tokens=1.0, output_usd_per_million_tokens=2.0)
        for n in ("a", "b")
    )

    configuration.check(a_config(algorithm=algorithm, arms=priced), shape_of)
    with pytest.raises(InvalidField, match="metallm weighs list prices: give 'c' both") as refused:
        configuration.check(a_config(algorithm=algorithm, arms=(*priced, Arm(name="c"))), shape_of)
    assert refused.value.field == "arms[2].input_usd_per_million_tokens"
