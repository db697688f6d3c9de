"""Decisions: what is logged is what was drawn from, and the arm follows from it."""

import uuid

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit_service.draw import draw_first, draw_independent_second, draw_second
from bandit_service.eligibility import Exclusion
from bandit_service.engine import etag
from bandit_service.errors import InvalidField, NoEligibleArm
from bandit_service.model import (
    Algorithm,
    Arm,
    ArmState,
    Clock,
    Decision,
    Forgetting,
    Objective,
    Usage,
    UsageLesson,
)
from policies import CATALOGUE
from tests.builders import (
    NOW,
    SECRET,
    VERSION,
    a_config,
    a_feedback_event,
    a_lesson,
    a_query,
    a_revision,
    an_engine,
    arms,
    chances,
    decide,
    packed,
    tell,
)

TAUGHT = [a_feedback_event(a_lesson(arm, 0.2 + 0.1 * arm)) for arm in range(3) for _ in range(4)]


def some_contexts(count: int, seed: int = 0) -> np.ndarray:
    contexts = np.random.default_rng(seed).normal(size=(count, 3))
    contexts[:, -1] = 1.0
    return contexts


@pytest.mark.parametrize("duel", [False, True])
@pytest.mark.parametrize("algorithm", CATALOGUE)
def test_every_decision_can_be_derived_again_from_what_is_logged_with_it(algorithm, duel):
    config = a_config(algorithm=Algorithm(name=algorithm), floor=0.2)
    engine = an_engine(config, *TAUGHT)

    decisions = decide(engine, [a_query(duel=duel)] * 200, some_contexts(200))

    for made in decisions:
        logged = chances(made)
        assert logged.sum() == pytest.approx(1.0, abs=1e-12)
        assert made.arm == draw_first(SECRET, [made.id], logged[None, :])[0]
        expected = logged[made.arm]
        if made.second_probabilities is not None:  # drawn on its own, maybe the same arm
            seconds = np.frombuffer(made.second_probabilities)
            second = draw_independent_second(SECRET, made.id, seconds)
            assert (made.arm if made.second_arm is None else made.second_arm) == second
            expected = expected * seconds[second]
        elif duel:
            everyone = np.ones(len(logged), dtype=bool)
            drawn = draw_second(SECRET, made.id, logged, made.arm, everyone)
            assert drawn is not None
            assert made.second_arm == drawn[0]
            expected = expected * drawn[1]
        assert made.propensity == pytest.approx(expected, rel=1e-12)
        assert duel or made.propensity == logged[made.arm]


def test_a_decision_carries_all_it_was_made_from():
    engine = an_engine(a_config(), *TAUGHT)
    query = a_query(request_id="r1", session="s", subject="alice", input_tokens=7, output_tokens=9)

    made = decide(engine, [query], np.array([[0.1, 0.2, 1.0]]), now=NOW + 5)[0]

    assert uuid.UUID(made.id).version == 7
    assert (made.policy_id, made.revision, made.position) == (1, 1, engine.position)
    assert (made.create_time, made.clock, made.feature_version) == (NOW + 5, NOW + 5, VERSION)
    assert made.context == packed(0.1, 0.2, 1.0)
    assert (made.input_tokens, made.output_tokens, made.request_id) == (7, 9, "r1")
    assert (made.forced, made.sticky, made.observed, made.degraded) == (False,) * 4
    assert made.shadow is None
    assert made.offsets is None
    beliefs = engine.policy.estimates(engine.state, np.array([[0.1, 0.2, 1.0]]), clock=NOW + 5)
    np.testing.assert_allclose(np.frombuffer(made.means), beliefs.mean[0], rtol=1e-9)
    np.testing.assert_allclose(np.frombuffer(made.deviations), beliefs.deviation[0], rtol=1e-9)


def test_sessions_and_subjects_are_kept_as_keyed_hashes_only():
    made = decide(an_engine(), [a_query(session="chat 17", subject="alice", request_id="r")])[0]

    assert made.session_hash is not None
    assert made.subject_hash is not None
    stored = msgspec.msgpack.encode(made)
    assert b"chat 17" not in stored
    assert b"alice" not in stored
    assert made.session_hash != made.subject_hash


@pytest.mark.parametrize("algorithm", CATALOGUE)
def test_a_decision_made_alone_is_that_made_in_a_batch(algorithm):
    engine = an_engine(a_config(algorithm=Algorithm(name=algorithm)), *TAUGHT)
    contexts = some_contexts(20)

    together = decide(engine, [a_query()] * 20, contexts)

    for i, made in enumerate(together):
        alone = decide(engine, [a_query()], contexts[i : i + 1])[0]
        np.testing.assert_allclose(chances(alone), chances(made), rtol=0, atol=1e-9)


@settings(deadline=None, derandomize=True)
@given(st.sampled_from(sorted(CATALOGUE)), st.floats(0, 1), st.sets(st.integers(0, 4), max_size=4))
def test_what_is_excluded_has_no_chance_and_everything_else_at_least_its_floor(
    algorithm, floor, out
):
    names = [f"arm {i}" for i in range(5)]
    config = a_config(arms=arms(*names), algorithm=Algorithm(name=algorithm), floor=floor)
    engine = an_engine(config, *TAUGHT)
    allowed = tuple(name for i, name in enumerate(names) if i not in out)

    made = decide(engine, [a_query(allowed_arms=allowed)])[0]

    logged = chances(made)
    assert logged.sum() == pytest.approx(1.0, abs=1e-12)
    for slot, code in enumerate(made.exclusions):
        assert (code == Exclusion.NOT_ALLOWED) == (slot in out)
        assert (logged[slot] == 0.0) if code else (logged[slot] >= floor / (5 - len(out)) - 1e-15)
    assert made.arm not in out


def test_each_query_of_a_batch_meets_its_own_demands():
    engine = an_engine(a_config(floor=1.0))

    free, bound, refused, wrong = engine.decide(
        [
            a_query(),
            a_query(allowed_arms=("large",)),
            a_query(required_tags=("eu",)),
            a_query(allowed_arms=("lagre",)),
        ],
        some_contexts(4),
        NOW,
    )

    assert isinstance(free, Decision)
    assert chances(free) == pytest.approx([1 / 3] * 3)
    assert isinstance(bound, Decision)
    assert (bound.arm, bound.context) == (2, some_contexts(4)[1].tobytes())
    assert isinstance(refused, NoEligibleArm)
    assert isinstance(wrong, InvalidField)


def test_where_no_arm_is_eligible_each_one_has_its_reason():
    pool = (
        Arm(name="small", context_limit_tokens=10),
        Arm(name="old", state=ArmState.RETIRED),
        *arms("plain"),
    )
    engine = an_engine(a_config(arms=pool))

    (refused,) = engine.decide(
        [a_query(input_tokens=11, allowed_arms=("small", "old"))], some_contexts(1), NOW
    )

    assert str(refused) == (
        "policy 'chat' has no eligible arm (small: the estimated tokens exceed its context limit; "
        "old: the arm is retired; plain: not among the arms that the caller allows)"
    )


def test_a_policy_of_which_every_arm_is_retired_refuses_every_query():
    engine = an_engine(a_config(arms=(Arm(name="old", state=ArmState.RETIRED),)))

    (refused,) = engine.decide([a_query()], some_contexts(1), NOW)

    assert isinstance(refused, NoEligibleArm)


def test_an_arm_whose_calls_only_fail_rests_and_comes_back():
    engine = an_engine(None, *[a_feedback_event(failed_arm=1) for _ in range(5)])

    resting, back = decide(engine, [a_query()]), decide(engine, [a_query()], now=NOW + 30)

    assert list(resting[0].exclusions) == [0, Exclusion.UNHEALTHY, 0]
    assert chances(resting[0])[1] == 0.0
    assert list(back[0].exclusions) == [0, 0, 0]


@pytest.mark.parametrize("demands", [{}, {"allowed_arms": ("small", "large")}])
def test_where_all_arms_would_rest_none_does(demands):
    failed = [a_feedback_event(failed_arm=arm) for arm in (0, 2) for _ in range(5)]
    failed += [a_feedback_event(failed_arm=1)] * (0 if demands else 5)

    made = decide(an_engine(None, *failed), [a_query(**demands)])[0]

    assert Exclusion.UNHEALTHY not in made.exclusions
    assert made.exclusions[0] == made.exclusions[2] == Exclusion.NONE


@pytest.mark.parametrize("floor", [0.0, 0.01, 0.07, 0.3, 1.0])
def test_a_decision_is_forced_where_only_one_arm_is_eligible(floor):
    engine = an_engine(a_config(floor=floor))

    forced, free = decide(engine, [a_query(allowed_arms=("large",), duel=True), a_query()])

    assert (forced.forced, forced.arm, forced.second_arm) == (True, 2, None)
    assert forced.propensity == pytest.approx(1.0, abs=1e-12)
    assert not free.forced


def test_a_choice_that_the_learner_is_sure_of_is_not_forced():
    greedy = Algorithm(name="epsilon_greedy", settings={"epsilon": 0.0})
    engine = an_engine(a_config(algorithm=greedy, floor=0.0), *TAUGHT)

    made = decide(engine, [a_query()])[0]

    assert made.propensity == 1.0
    assert not made.forced


def test_the_objective_moves_the_chances_and_is_logged():
    dear = [UsageLesson(arm, NOW, None, Usage(cost_usd=0.1 * arm)) for arm in range(3)]
    config = a_config(objective=Objective(quality_per_usd=0.5))
    engine = an_engine(config, *[a_feedback_event(usage=usage) for usage in dear])

    made = decide(engine, [a_query()])[0]

    assert made.offsets is not None
    np.testing.assert_allclose(np.frombuffer(made.offsets), [0.0, -0.05, -0.1])
    assert chances(made)[0] > chances(made)[1] > chances(made)[2]


def test_the_clock_of_time_is_the_time():
    forgetting = Forgetting(half_life=60.0)

    made = decide(an_engine(a_config(forgetting=forgetting)), [a_query()] * 2, now=NOW + 7)

    assert [one.clock for one in made] == [NOW + 7] * 2


def test_the_clock_of_requests_counts_decisions():
    engine = an_engine(a_config(forgetting=Forgetting(half_life=50.0, clock=Clock.REQUESTS)))

    first, second = decide(engine, [a_query()])[0], decide(engine, [a_query()])[0]
    decide(engine, [a_query()] * 5)
    last = decide(engine, [a_query()])[0]

    assert (first.clock, second.clock, last.clock) == (1.0, 2.0, 8.0)


def test_queries_that_are_refused_do_not_count_as_requests():
    engine = an_engine(a_config(forgetting=Forgetting(half_life=50.0, clock=Clock.REQUESTS)))

    engine.decide([a_query(required_tags=("eu",))] * 5, some_contexts(5), NOW)

    assert decide(engine, [a_query()])[0].clock == 1.0


def test_a_decision_names_the_revision_and_position_it_was_made_at():
    engine = an_engine()

    tell(engine, a_feedback_event(a_lesson(0, 1.0)))
    tell(engine, a_revision(a_config(floor=0.2), 2))

    made = decide(engine, [a_query()])[0]
    assert (made.revision, made.position) == (2, 3)


def test_etags_differ_between_revisions_and_between_policies():
    assert len({etag(1, 1), etag(1, 2), etag(2, 1), etag(11, 1), etag(1, 11)}) == 5


def test_deciding_for_nobody_gives_nothing():
    assert an_engine().decide([], np.empty((0, 3)), NOW) == []
