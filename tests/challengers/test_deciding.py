"""What challengers do to a decision: nothing, but for their share of the draw."""

import msgspec
import numpy as np
import pytest

from bandit_service.configuration import check
from bandit_service.draw import draw_first
from bandit_service.errors import InvalidField
from bandit_service.model import (
    Algorithm,
    Challenger,
    Comparison,
    Mode,
    Objective,
    PreferenceLearning,
    Usage,
    UsageLesson,
)
from tests.builders import (
    NOW,
    SECRET,
    a_config,
    a_feedback_event,
    a_lesson,
    a_query,
    an_engine,
    chances,
    decide,
    packed,
    shape_of,
)
from tests.challengers.contests import (
    BOLDER,
    CHEAPER,
    CONTEXT_FREE,
    LINUCB,
    THOMPSON,
    a_contest,
    rows_of,
)

replace = msgspec.structs.replace
CONTEXTS = np.array([[0.6, 0.8, 1.0], [-1.0, 0.2, 1.0], [0.0, 2.0, 1.0]])


def some_events(seed=0, count=60):
    luck = np.random.default_rng(seed)
    for _ in range(count):
        slot = int(luck.integers(3))
        usage = UsageLesson(slot, NOW, None, Usage(cost_usd=float([0.1, 0.2, 0.4][slot])))
        lesson = a_lesson(slot, float(luck.random()), context=packed(*luck.normal(size=2), 1.0))
        yield a_feedback_event(lesson, usage=usage)


def taught(**changes):
    return an_engine(a_config(**changes), *some_events())


def test_without_a_share_challengers_change_nothing_and_are_logged():
    plain = taught(**a_contest())
    shadowed = taught(**a_contest(CHEAPER, BOLDER, CONTEXT_FREE))

    for before, after in zip(
        decide(plain, [a_query()] * 3, CONTEXTS),
        decide(shadowed, [a_query()] * 3, CONTEXTS),
        strict=True,
    ):
        assert before.challengers is None
        assert after.probabilities == before.probabilities  # bit for bit
        assert rows_of(after)[0].tobytes() == before.probabilities


def test_each_challenger_decides_as_it_would_alone():
    """Held against a policy of its own, that was told the same."""
    shadowed = taught(**a_contest(CHEAPER, BOLDER, CONTEXT_FREE))
    alone = [
        taught(algorithm=THOMPSON, objective=Objective(quality_per_usd=3.0), floor=0.2),
        taught(algorithm=LINUCB, floor=0.05),
        taught(algorithm=Algorithm(name="beta_thompson"), floor=0.1),
    ]
    made = decide(shadowed, [a_query()] * 3, CONTEXTS)

    for place, engine in enumerate(alone, 1):
        for row, decision in enumerate(decide(engine, [a_query()] * 3, CONTEXTS)):
            assert rows_of(made[row])[place].tobytes() == decision.probabilities


def test_what_is_drawn_from_is_the_exact_mixture():
    sharing = (replace(CHEAPER, share=0.25), BOLDER, replace(CONTEXT_FREE, share=0.125))
    engine = taught(**a_contest(*sharing))
    made = decide(engine, [a_query()] * 3, CONTEXTS)

    for decision in made:
        rows = rows_of(decision)
        mixed = 0.625 * rows[0] + 0.25 * rows[1] + 0.125 * rows[3]
        np.testing.assert_allclose(chances(decision), mixed, rtol=0, atol=1e-15)
        assert abs(chances(decision).sum() - 1.0) < 1e-12
        assert decision.propensity == chances(decision)[decision.arm]
        assert [decision.arm] == draw_first(SECRET, [decision.id], chances(decision)[None, :])


def test_arms_come_as_often_as_the_mixture_says():
    engine = taught(**a_contest(replace(CHEAPER, share=0.4)))
    made = decide(engine, [a_query()] * 4_000)
    wanted = chances(made[0])
    shares = np.bincount([one.arm for one in made], minlength=3) / len(made)

    np.testing.assert_allclose(shares, wanted, atol=4 * np.sqrt(0.25 / len(made)))


def test_arms_that_fall_out_have_no_chance_with_anybody():
    engine = taught(**a_contest(replace(CHEAPER, share=0.4), CONTEXT_FREE))
    (made,) = decide(engine, [a_query(allowed_arms=("small", "large"))])

    np.testing.assert_array_equal(rows_of(made)[:, 1], 0.0)
    np.testing.assert_allclose(rows_of(made).sum(axis=1), 1.0)
    assert chances(made)[1] == 0.0


def test_what_a_session_keeps_and_what_an_observer_serves_is_nobodys_draw():
    sharing = a_contest(replace(CHEAPER, share=0.5))
    engine = taught(**sharing)
    first, second = (decide(engine, [a_query(session="s")])[0] for _ in range(2))
    assert second.sticky
    assert chances(second)[first.arm] == 1.0
    assert rows_of(second).tobytes() == rows_of(first).tobytes()

    observer = taught(**sharing, mode=Mode.OBSERVE, default_arm="large")
    (made,) = decide(observer, [a_query()])
    assert made.observed
    assert chances(made).tolist() == [0.0, 0.0, 1.0]
    assert made.shadow == first.probabilities


EMBEDDED = {
    "arms": tuple(
        replace(arm, embedding=tuple(np.eye(3)[slot].tolist()))
        for slot, arm in enumerate(a_config().arms)
    ),
    "preference_learning": PreferenceLearning.AS_PAIRS,
}


def test_duels_of_pairs_are_the_incumbents():
    duellist = Algorithm(name="fgts_cdb")
    other = Challenger(name="other", algorithm=duellist, floor=0.9, share=0.5)
    engine = an_engine(
        a_config(algorithm=duellist, floor=0.1, challengers=(other,), **EMBEDDED),
        *(
            a_feedback_event(
                comparison=Comparison(0, packed(1, 0, 1), 1, packed(1, 0, 1), "d2", NOW, 1.0, True)
            )
            for _ in range(5)
        ),
    )
    duel, single = decide(engine, [a_query(duel=True), a_query()])

    np.testing.assert_allclose(
        0.5 * (chances(duel) + np.frombuffer(duel.second_probabilities or b"")), rows_of(duel)[0]
    )
    np.testing.assert_allclose(chances(single), rows_of(single).mean(axis=0))


@pytest.mark.parametrize(
    ("changes", "field", "complaint"),
    [
        ({"challengers": (BOLDER,) * 2}, "challengers[1].name", "is there twice"),
        ({"challengers": (replace(BOLDER, name="a.b"),)}, "challengers[0].name", "letters"),
        ({"challengers": (replace(BOLDER, share=-0.1),)}, "challengers[0].share", "in [0, 1]"),
        ({"challengers": (replace(BOLDER, margin=2.0),)}, "challengers[0].margin", "in [0, 1]"),
        ({"challengers": (replace(BOLDER, floor=2.0),)}, "challengers[0].floor", "in [0, 1]"),
        (
            {"challengers": (replace(BOLDER, share=0.3), replace(CHEAPER, share=0.3))},
            "challengers",
            "at most 0.5",
        ),
        (
            {"challengers": tuple(replace(BOLDER, name=f"c{i}") for i in range(4))},
            "challengers",
            "at most 3",
        ),
        (
            {"challengers": (replace(BOLDER, algorithm=Algorithm(name="odd")),)},
            "challengers.bolder",
            "odd",
        ),
        (
            {"challengers": (replace(CHEAPER, objective=Objective(quality_per_usd=-1.0)),)},
            "challengers.cheaper",
            "quality_per_usd",
        ),
        (
            {"challengers": (replace(BOLDER, algorithm=Algorithm(name="fgts_cdb")),)},
            "challengers.bolder",
            "learns pairs",
        ),
    ],
)
def test_challengers_that_make_no_sense_are_refused(changes, field, complaint):
    with pytest.raises(InvalidField) as refused:
        check(a_config(**changes), shape_of)
    assert refused.value.facts["field"] == field
    assert complaint in str(refused.value)


def test_challengers_of_a_learner_of_pairs_keep_its_sums():
    base = {"algorithm": Algorithm(name="fgts_cdb"), **EMBEDDED}
    same = Challenger(name="same", algorithm=Algorithm(name="fgts_cdb"), floor=0.5)
    assert check(a_config(**base, challengers=(same,)), shape_of).challengers == (same,)
    other = replace(same, algorithm=Algorithm(name="fgts_cdb", settings={"draws": 8.0}))
    with pytest.raises(InvalidField, match="challengers"):
        check(a_config(**base, challengers=(other,)), shape_of)
