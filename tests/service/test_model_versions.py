"""An arm whose model is declared another: what is known of it begins with the declaration."""

from typing import Any

import msgspec
import numpy as np
import pytest

from bandit_service.engine import PolicyEngine
from bandit_service.errors import InvalidField
from bandit_service.model import (
    Algorithm,
    ArmWarmStart,
    Comparison,
    Effect,
    Event,
    Failure,
    Lesson,
    Preference,
    PreferenceLearning,
    Usage,
    UsageLesson,
    WarmStart,
)
from policies import CATALOGUE
from tests.builders import (
    NOW,
    a_config,
    a_decision,
    a_feedback_event,
    a_revision,
    a_submission,
    an_engine,
    tell,
)
from tests.challengers.contests import BOLDER, CHEAPER, CONTEXT_FREE, a_contest
from tests.policies.worlds import MOVING
from tests.service.desk import Desk, lesson
from tests.service.running import Service, running

replace = msgspec.structs.replace
DECLARED_AT = 5


def renewed(config: Any, slot: int, position: int, version: str = "2") -> Any:
    """The configuration as a declaration at that position makes it."""
    arms = list(config.arms)
    arms[slot] = replace(arms[slot], model_version=version, version_position=position)
    return replace(config, arms=tuple(arms))


# -- feedback on decisions before and after --------------------------------------------------


@pytest.mark.parametrize(
    ("position", "effect", "lessons"),
    [
        (DECLARED_AT - 1, Effect.MODEL_REPLACED, ()),
        (DECLARED_AT, Effect.LEARNED, (lesson(0, None, 1.0),)),
        (DECLARED_AT + 3, Effect.LEARNED, (lesson(0, None, 1.0),)),
    ],
)
def test_only_decisions_of_the_new_version_teach_it(
    position: int, effect: Effect, lessons: tuple[Lesson, ...]
) -> None:
    desk = Desk(a_decision(position=position), config=renewed(a_config(), 0, DECLARED_AT))

    event = desk.hear(success=True, usage=Usage(cost_usd=0.5))

    assert (event.effect, event.lessons) == (effect, lessons)
    is_known = effect is Effect.LEARNED
    assert (event.usage is not None, event.served_arm == 0) == (is_known, is_known)
    assert len(desk.standing.changed_outcomes) == 2  # kept in any case


def test_what_was_learned_before_is_not_revised_afterwards() -> None:
    desk = Desk(a_decision(position=1))
    desk.hear(score=0.2)
    desk.config = renewed(desk.config, 0, DECLARED_AT)

    event = desk.hear(score=0.9)

    assert (event.effect, event.lessons) == (Effect.MODEL_REPLACED, ())


def test_an_old_call_that_failed_says_nothing_of_the_new_version() -> None:
    desk = Desk(a_decision(position=1), config=renewed(a_config(), 0, DECLARED_AT))

    event = desk.hear(failure=Failure.TIMEOUT)

    assert (event.failed_arm, event.effect) == (None, Effect.RECORDED)


def test_of_a_duel_the_other_arm_still_learns() -> None:
    made = a_decision(arm=0, second_arm=2, position=1)
    desk = Desk(made, config=renewed(a_config(), 0, DECLARED_AT))

    assert desk.hear(arm="small", score=0.1).effect is Effect.MODEL_REPLACED
    assert desk.hear(arm="large", score=0.9).lessons == (lesson(2, None, 0.9),)


@pytest.mark.parametrize(
    ("old", "other", "effect"),
    [(1, 1, Effect.MODEL_REPLACED), (1, 7, Effect.MODEL_REPLACED), (7, 1, Effect.LEARNED)],
)
def test_a_pair_teaches_only_if_both_its_sides_are_there(
    old: int, other: int, effect: Effect
) -> None:
    """The model of the first decision's arm was replaced at 5."""
    config = a_config(
        algorithm=Algorithm(name="fgts_cdb"), preference_learning=PreferenceLearning.AS_PAIRS
    )
    first, second = a_decision(position=old), a_decision(id="d2", arm=1, position=other)
    desk = Desk(first, second, config=renewed(config, 0, DECLARED_AT))

    event = desk.hear(preference=Preference(other_decision_id="d2", preferred_decision_id="d1"))

    assert event.effect is effect
    assert event.comparison is not None
    assert event.comparison.is_taught == (effect is Effect.LEARNED)


# -- the fold, against a learner that never knew the old version ------------------------------


def some_events(seed: int, algorithm: str, count: int) -> list[Event]:
    """Feedback on three arms; comparisons too, where the algorithm learns them."""
    rng = np.random.default_rng(seed)
    made: list[Event] = []
    for step in range(count):
        context = np.append(rng.normal(size=2), 1.0).tobytes()
        arm, clock = int(rng.integers(3)), NOW + seed * 1000 + step
        taken = UsageLesson(arm, clock, None, Usage(cost_usd=float(rng.random())))
        told = Lesson(arm, context, clock, None, float(rng.random()))
        event = a_feedback_event(told, usage=taken, time=clock, served_arm=arm)
        if algorithm == "fgts_cdb" and step % 2:
            other = (arm + 1) % 3
            pair = Comparison(arm, context, other, context, "d2", clock, 1.0, is_taught=True)
            event = a_feedback_event(comparison=pair, time=clock)
        made.append(event)
    return made


def speaks_of(event: Any, arm: int) -> bool:
    pair = event.comparison
    if pair is not None:
        return arm in (pair.first_arm, pair.second_arm)
    return any(lesson.arm == arm for lesson in event.lessons)


def sums_of(engine: PolicyEngine, algorithm: str) -> dict[str, Any]:
    moving = MOVING.get(algorithm, ())
    parts = dict(engine.state.canonical()) | engine.calls.canonical()
    return {name: array.tobytes() for name, array in parts.items() if name not in moving}


@pytest.mark.parametrize("algorithm", CATALOGUE)
def test_it_is_learned_as_by_a_learner_that_never_knew_the_version_before(algorithm: str) -> None:
    pairs = algorithm == "fgts_cdb"
    learning = PreferenceLearning.AS_PAIRS if pairs else PreferenceLearning.IGNORE
    priced = [replace(arm, input_usd_per_million_tokens=1.0, output_usd_per_million_tokens=2.0,
                      declared_joules_per_output_token=0.1) for arm in a_config().arms]  # fmt: skip
    config = a_config(
        algorithm=Algorithm(name=algorithm), preference_learning=learning, arms=tuple(priced)
    )
    before, after = some_events(1, algorithm, 60), some_events(2, algorithm, 60)
    engine = an_engine(config, *before)
    declared = renewed(config, 1, engine.position + 1)
    tell(engine, a_revision(declared, 2))
    tell(engine, a_revision(replace(declared, floor=0.2), 3))  # any other change restarts nothing

    other = an_engine(config, *(event for event in before if not speaks_of(event, 1)))
    tell(other, a_revision(config, 2))
    assert sums_of(engine, algorithm) == sums_of(other, algorithm)

    for event in after:
        tell(engine, event)
        tell(other, event)
    assert sums_of(engine, algorithm) == sums_of(other, algorithm)


def test_what_choosing_it_taught_a_policy_gradient_of_itself_is_gone() -> None:
    """The heads of the others keep what they learned from its being chosen and not them."""
    config = a_config(algorithm=Algorithm(name="mixllm"))
    chances = np.full(3, 1 / 3).tobytes()
    events: list[Any] = some_events(5, "mixllm", 40)
    taught = [replace(one, lessons=(replace(one.lessons[0], chances=chances),)) for one in events]
    engine = an_engine(config, *taught)
    heads = [engine.state.canonical()[name].copy() for name in ("pushes", "pulls")]
    tell(engine, a_revision(renewed(config, 1, engine.position + 1), 2))

    for before, name in zip(heads, ("pushes", "pulls"), strict=True):
        now = engine.state.canonical()[name]
        assert before[1].any()
        assert not now[1].any()
        np.testing.assert_array_equal(now[[0, 2]], before[[0, 2]])


def test_challengers_learn_it_anew_as_well() -> None:
    config = a_config(**a_contest(CHEAPER, BOLDER, CONTEXT_FREE))
    before = some_events(3, "linear_thompson", 40)
    engine = an_engine(config, *before)
    tell(engine, a_revision(renewed(config, 1, engine.position + 1), 2))
    other = an_engine(config, *(event for event in before if not speaks_of(event, 1)))

    for one, wanted in zip(engine.contenders, other.contenders, strict=True):
        for name, array in wanted.state.canonical().items():
            assert one.state.canonical()[name].tobytes() == array.tobytes(), (one.name, name)


def test_it_begins_with_its_warm_start() -> None:
    told = WarmStart(arms={"medium": ArmWarmStart(level=0.9, n_eff=30.0)})
    config = a_config(algorithm=Algorithm(name="linucb"), warm_start=told)
    engine = an_engine(config, *some_events(4, "linucb", 60))
    tell(engine, a_revision(renewed(config, 1, engine.position + 1), 2))

    mean = engine.policy.estimates(engine.state, np.array([[0.0, 0.0, 1.0]])).mean[0, 1]
    assert mean == pytest.approx(0.9, abs=1e-12)


# -- the service ------------------------------------------------------------------------------


async def taught(service: Service, count: int) -> list[str]:
    """As many decisions for the second arm, with others among them; all have a score of 1."""
    made = await service.routed(count, allowed_arms=("medium",)) + await service.routed(count)
    for one in made:
        assert await tell_score(service, one.decision.id) is Effect.LEARNED
    return [one.decision.id for one in made if one.decision.arm == 1]


async def tell_score(service: Service, decision_id: str, score: float = 1.0) -> Effect:
    name = f"{decision_id}-{score}"
    told = a_submission(decision_id=decision_id, feedback_id=name, score=score)
    return (await service.recorder.record(told)).effect


async def test_a_declaration_over_a_restart(tmp_path: Any) -> None:
    where = tmp_path / "bandit.db"
    async with running(where) as service:
        await service.create(algorithm=Algorithm(name="ti_ucb"), floor=0.5)
        old = await taught(service, 10)
        late = [one.decision.id for one in await service.routed(2, allowed_arms=("medium",))]
        head = service.engine().position
        view, restarted = await service.administrator.update_arm(
            "chat", "medium", {"model_version": "2", "input_usd_per_million_tokens": 3.0}, ""
        )
        assert restarted
        assert view.config.arms[1].version_position == head + 1
        assert service.engine().state.observations[1] == 0.0
        assert await tell_score(service, late[0]) is Effect.MODEL_REPLACED
        assert await tell_score(service, old[0], 0.0) is Effect.MODEL_REPLACED
        new = await taught(service, 10)
        assert service.engine().state.observations[1] == len(new)
        hashed = service.engine().state_hash()

        again, restarted = await service.administrator.update_arm(
            "chat", "medium", {"model_version": "2", "tags": ("eu",)}, ""
        )
        assert not restarted
        assert again.config.arms[1].version_position == head + 1
        assert service.engine().state.observations[1] == len(new)
        (changed, declared, *_) = await service.administrator.history("chat", 10, 0)
        assert [one.field for one in changed.changes] == ["arms[medium].tags"]
        assert ("arms[medium].model_version", '"2"') in [
            (one.field, one.new) for one in declared.changes
        ]
        before = service.engine().state_hash()

    async with running(where) as service:
        assert service.engine().state_hash() == before != hashed
        assert await tell_score(service, late[-1]) is Effect.MODEL_REPLACED
        assert service.engine().config.arms[1].version_position == head + 1


async def test_where_it_was_declared_is_not_for_callers_to_say(tmp_path: Any) -> None:
    async with running(tmp_path / "bandit.db") as service:
        await service.create()
        with pytest.raises(InvalidField, match="'version_position' cannot be changed"):
            await service.administrator.update_arm("chat", "medium", {"version_position": 1}, "")
