"""Who is served what: observe mode, sessions, duels, and the frequencies of all of them."""

from collections import Counter

import msgspec
import numpy as np
import pytest
from scipy import stats

from bandit_service.eligibility import Exclusion
from bandit_service.engine import PolicyEngine
from bandit_service.model import Algorithm, Arm, ArmState, Decision, Mode
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
    tell,
)

LINEAR = Algorithm(name="linear_thompson", settings={"noise": 1.0})
OBSERVING = a_config(mode=Mode.OBSERVE, default_arm="medium", floor=0.3)
MANY = 20_000


def taught(**changes: object) -> PolicyEngine:
    """An engine whose arms have clearly different, not too small chances."""
    lessons = [a_feedback_event(a_lesson(arm, 0.3 + 0.2 * arm)) for arm in range(3)] * 2
    return an_engine(a_config(floor=0.3, algorithm=LINEAR, **changes), *lessons)


def test_arms_are_served_as_often_as_their_logged_probabilities_say(seeded_ids):
    seeded_ids(1)

    made = decide(taught(), [a_query()] * MANY)

    seen = np.bincount([one.arm for one in made], minlength=3)
    expected = chances(made[0]) * MANY
    assert expected.min() > 1_000
    assert stats.chisquare(seen, expected).pvalue > 1e-3


def test_the_pairs_of_duels_come_as_often_as_their_propensities_say(seeded_ids):
    seeded_ids(2)

    made = decide(taught(), [a_query(duel=True)] * MANY)

    seen = Counter((one.arm, one.second_arm) for one in made)
    propensities = {(one.arm, one.second_arm): one.propensity for one in made}
    assert len(propensities) == 6
    assert sum(propensities.values()) == pytest.approx(1.0, abs=1e-12)
    for pair, propensity in propensities.items():
        error = np.sqrt(propensity * (1 - propensity) / MANY)
        assert abs(seen[pair] / MANY - propensity) < 4 * error


def test_weighting_by_propensity_is_fair_to_every_arm(seeded_ids):
    seeded_ids(3)
    contexts = np.random.default_rng(3).normal(size=(MANY, 3))

    made = decide(taught(), [a_query()] * MANY, contexts)

    for arm in range(3):
        weights = [(one.arm == arm) / chances(one)[arm] for one in made]
        error = np.std(weights) / np.sqrt(MANY)
        assert abs(np.mean(weights) - 1.0) < 4 * error


def test_while_observing_the_default_arm_is_served_and_the_learners_wish_logged():
    made = decide(an_engine(OBSERVING), [a_query(duel=True)])[0]

    assert (made.arm, made.second_arm, made.propensity) == (1, None, 1.0)
    assert chances(made).tolist() == [0.0, 1.0, 0.0]
    assert made.shadow is not None
    assert np.frombuffer(made.shadow) == pytest.approx([1 / 3] * 3, abs=1e-9)
    assert (made.observed, made.forced, made.sticky) == (True, False, False)
    assert list(made.exclusions) == [Exclusion.OBSERVED, 0, Exclusion.OBSERVED]


def test_while_observing_the_learner_learns_from_the_default_arm():
    alone = msgspec.structs.replace(
        OBSERVING, algorithm=LINEAR
    )  # each arm by itself, so that it shows at once
    praised = an_engine(alone, *[a_feedback_event(a_lesson(1, 1.0))] * 20)
    blamed = an_engine(alone, *[a_feedback_event(a_lesson(1, 0.0))] * 20)

    wished = [np.frombuffer(decide(one, [a_query()])[0].shadow or b"") for one in (praised, blamed)]

    assert wished[0][1] > wished[1][1] + 0.1


def test_while_observing_every_query_of_a_session_is_observed():
    engine = an_engine(OBSERVING)

    made = [decide(engine, [a_query(session="s")])[0] for _ in range(3)]

    assert [one.arm for one in made] == [1, 1, 1]
    assert all(one.observed and one.shadow is not None for one in made)


def test_not_even_while_observing_is_an_arm_served_that_the_caller_rules_out():
    query = a_query(allowed_arms=("small", "large"))

    answer = an_engine(OBSERVING).decide([query], np.ones((1, 3)), NOW)[0]

    assert not (isinstance(answer, Decision) and answer.arm == 1)


def test_after_observing_the_learners_choice_is_served():
    engine = an_engine(OBSERVING)

    tell(engine, a_revision(a_config(default_arm="medium"), 2))

    made = decide(engine, [a_query()])[0]
    assert not made.observed
    assert made.shadow is None
    assert chances(made).max() < 1.0


def test_a_session_keeps_its_arm_with_probability_1_and_says_so():
    engine = an_engine(a_config(floor=1.0))
    first = decide(engine, [a_query(session="s")])[0]

    others = [decide(engine, [a_query(session="s", duel=True)])[0] for _ in range(20)]

    assert not first.sticky
    assert first.propensity == pytest.approx(1 / 3)
    for made in others:
        assert (made.arm, made.propensity, made.second_arm) == (first.arm, 1.0, None)
        assert (made.sticky, made.forced, made.observed) == (True, False, False)
        assert chances(made).tolist() == [float(slot == first.arm) for slot in range(3)]
        assert all(
            code == (Exclusion.NONE if slot == first.arm else Exclusion.SESSION)
            for slot, code in enumerate(made.exclusions)
        )


def test_sessions_do_not_share_their_arms(seeded_ids):
    seeded_ids(4)
    engine = an_engine(a_config(floor=1.0))

    made = decide(engine, [a_query(session=f"s{i}") for i in range(60)])

    again = decide(engine, [a_query(session=f"s{i}") for i in range(60)])
    assert {one.arm for one in made} == {0, 1, 2}
    assert [one.arm for one in again] == [one.arm for one in made]


def test_a_session_lets_go_of_an_arm_that_fell_out():
    engine = an_engine(a_config(floor=1.0))
    first = decide(engine, [a_query(session="s", allowed_arms=("large",))])[0]

    made = decide(engine, [a_query(session="s", allowed_arms=("small", "medium"))])[0]

    assert first.arm == 2
    assert made.arm != 2
    assert not made.sticky
    assert made.exclusions[2] == Exclusion.NOT_ALLOWED
    assert decide(engine, [a_query(session="s")])[0].arm == made.arm


def test_a_session_moves_when_its_arm_retires():
    engine = an_engine(a_config(), *[a_feedback_event(a_lesson(2, 1.0))] * 50)
    engine.remember_session(engine.session_hash("s"), 2)
    pool = (*arms("small", "medium"), Arm(name="large", state=ArmState.RETIRED))

    tell(engine, a_revision(a_config(arms=pool), 2))

    made = decide(engine, [a_query(session="s")])[0]
    assert made.arm in (0, 1)
    assert not made.sticky


def test_a_policy_may_choose_anew_for_every_query_of_a_session(seeded_ids):
    seeded_ids(5)
    engine = an_engine(a_config(sticky_sessions=False, floor=1.0))

    made = [decide(engine, [a_query(session="s")])[0] for _ in range(40)]

    assert {one.arm for one in made} == {0, 1, 2}
    assert not any(one.sticky for one in made)
    assert all(one.session_hash is not None for one in made)


def test_the_sessions_unused_for_longest_are_let_go(monkeypatch):
    monkeypatch.setattr("bandit_service.engine.MOST_SESSIONS", 3)
    engine = an_engine()
    for name in ("a", "b", "c", "a", "d"):
        engine.remember_session(engine.session_hash(name), 0)

    kept = {name for name in "abcd" if engine.session_hash(name) in engine.sessions}

    assert kept == {"a", "c", "d"}


LEARNERS = [name for name in CATALOGUE if name != "uniform"]


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_every_learner_sends_most_traffic_to_the_arm_that_is_clearly_better(algorithm, seeded_ids):
    seeded_ids(6)
    rng = np.random.default_rng(6)
    engine = an_engine(a_config(algorithm=Algorithm(name=algorithm)))

    for _ in range(40):
        contexts = np.column_stack([rng.normal(size=(20, 2)) / 2, np.ones(20)])
        for made in decide(engine, [a_query()] * 20, contexts):
            quality = float(rng.random() < (0.9 if made.arm == 2 else 0.3))
            tell(engine, a_feedback_event(a_lesson(made.arm, quality, context=made.context)))

    later = decide(engine, [a_query()] * 200, np.column_stack([rng.normal(size=(200, 2)) / 2,
                                                               np.ones(200)]))  # fmt: skip
    assert np.mean([chances(one)[2] for one in later]) > 0.7


def test_the_uniform_baseline_learns_nothing_from_the_same():
    engine = an_engine(
        a_config(algorithm=Algorithm(name="uniform")), *[a_feedback_event(a_lesson(2, 1.0))] * 50
    )

    assert chances(decide(engine, [a_query()])[0]) == pytest.approx([1 / 3] * 3)
