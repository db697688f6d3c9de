"""The dial, weights, and what a query may ask for instead: against numbers worked by hand."""

import msgspec
import numpy as np
import pytest

from bandit_service import configuration
from bandit_service.drafting import request_digest
from bandit_service.errors import InvalidField
from bandit_service.model import (
    Arm,
    ArmState,
    FeedbackEvent,
    Objective,
    ObjectiveOverride,
    OverrideLimits,
    PolicyConfig,
    Usage,
    UsageLesson,
    WeightRange,
)
from bandit_service.weighing import points_of
from policies.policy import Array
from tests.builders import (
    NOW,
    a_config,
    a_feedback_event,
    a_lesson,
    a_query,
    a_revision,
    an_engine,
    chances,
    decide,
    shape_of,
    tell,
)

# The energy that ML.ENERGY measured for three models, joules an output token.
SMALL, MEDIUM, LARGE = 0.07, 0.29, 2.06
POOL = (
    Arm(name="small", declared_joules_per_output_token=SMALL),
    Arm(name="medium", declared_joules_per_output_token=MEDIUM),
    Arm(name="large", declared_joules_per_output_token=LARGE),
)
OPEN = OverrideLimits(
    quality_per_usd=WeightRange(min=1.0, max=20.0),
    quality_per_joule=WeightRange(max=0.1),
    accuracy_energy_dial=WeightRange(max=8.0),
)
WITH_COSTS = [
    a_feedback_event(usage=UsageLesson(arm, NOW, None, Usage(cost_usd=0.01 * (arm + 1))))
    for arm in range(3)
]

TAUGHT = [a_feedback_event(a_lesson(arm, 0.5)) for arm in range(3)]


def a_pool(**changes: object) -> PolicyConfig:
    return configuration.check(a_config(**({"arms": POOL} | changes)), shape_of)


def offsets_under(config: PolicyConfig, *events: FeedbackEvent, **query: object) -> Array:
    made = decide(an_engine(config, *events), [a_query(output_tokens=100, **query)])[0]
    assert made.offsets is not None
    return np.frombuffer(made.offsets)


@pytest.mark.parametrize(
    ("dial", "points"),
    # (10 ** (0.4 * dial) - 1) / 1000, by hand
    [(0.0, 0.0), (2.5, 0.009), (5.0, 0.099), (7.5, 0.999), (10.0, 9.999)],
)
def test_the_dial_is_worth_what_its_table_says(dial, points):
    assert points_of(dial) == pytest.approx(points, rel=1e-12, abs=0.0)


def test_the_dial_weighs_energy_on_the_scale_of_the_median_arm():
    config = a_pool(objective=Objective(accuracy_energy_dial=7.5))

    # 500 tokens of the medium arm are 145 J, and worth 0.999 points; a call writes 100 tokens
    assert config.objective.reference_joules == pytest.approx(145.0)
    expected = [-0.999 * 100 * joules / 145 for joules in (SMALL, MEDIUM, LARGE)]
    np.testing.assert_allclose(offsets_under(config), expected, rtol=1e-12)


def test_at_zero_accuracy_is_all_that_counts():
    made = decide(an_engine(a_pool(objective=Objective(accuracy_energy_dial=0.0))), [a_query()])[0]

    assert made.offsets is None


def test_the_scale_stays_when_the_pool_changes_and_arms_without_one_are_no_part_of_it():
    first = a_pool(objective=Objective(accuracy_energy_dial=5.0))
    grown = configuration.arm_added(Arm(name="new", declared_joules_per_output_token=9.0))(first)

    assert configuration.check(grown, shape_of).objective == first.objective
    removed = msgspec.structs.replace(POOL[0], state=ArmState.REMOVED)
    alone = a_pool(arms=(removed, *POOL[1:], Arm(name="unknown")), objective=first.objective)
    afresh = msgspec.structs.replace(alone, objective=Objective(accuracy_energy_dial=5.0))
    # of medium and large, the lower
    assert configuration.check(afresh, shape_of).objective.reference_joules == 145.0


def test_a_turn_of_the_dial_acts_on_the_next_decision_and_relearns_nothing():
    engine = an_engine(a_pool(objective=Objective(accuracy_energy_dial=1.0)), *TAUGHT)
    low = decide(engine, [a_query(output_tokens=500)])[0]
    tell(engine, a_revision(a_pool(objective=Objective(accuracy_energy_dial=9.0)), revision=2))

    high = decide(engine, [a_query(output_tokens=500)])[0]

    assert (low.means, low.deviations) == (high.means, high.deviations)
    assert chances(high)[2] < chances(low)[2]
    assert chances(high)[0] > chances(low)[0]


def test_an_arm_of_unknown_energy_takes_the_upper_quartile_and_is_flagged():
    config = a_pool(
        arms=(*POOL, Arm(name="unknown")), objective=Objective(accuracy_energy_dial=7.5)
    )

    made = decide(an_engine(config), [a_query(output_tokens=100)])[0]

    # the upper quartile of three is half way between the middle and the last
    joules = 100 * (MEDIUM + LARGE) / 2
    assert np.frombuffer(made.offsets or b"")[3] == pytest.approx(-0.999 * joules / 145)
    assert made.assumed == bytes([0, 0, 0, 1])


def test_what_does_not_weigh_is_not_flagged():
    config = a_pool(objective=Objective(quality_per_usd=1.0))

    made = decide(an_engine(config, *WITH_COSTS), [a_query()])[0]

    assert made.assumed is None


def test_a_dial_without_any_declared_energy_is_refused_and_says_what_to_do():
    with pytest.raises(InvalidField, match="declared_joules_per_output_token"):
        a_pool(arms=(Arm(name="a"),), objective=Objective(accuracy_energy_dial=5.0))


def test_a_query_may_bring_weights_of_its_own():
    config = a_pool(objective=Objective(accuracy_energy_dial=7.5), override_limits=OPEN)
    asked = ObjectiveOverride(quality_per_usd=10.0)

    found = offsets_under(config, *WITH_COSTS, objective=asked)

    joules = [0.999 * 100 * one / 145 for one in (SMALL, MEDIUM, LARGE)]
    dollars = [10 * 0.01, 10 * 0.02, 10 * 0.03]
    expected = [-a - b for a, b in zip(joules, dollars, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_dial_of_its_own_takes_the_place_of_the_weights():
    config = a_pool(objective=Objective(quality_per_usd=20.0), override_limits=OPEN)
    asked = ObjectiveOverride(accuracy_energy_dial=2.5)

    found = offsets_under(config, *WITH_COSTS, objective=asked)

    expected = [-0.009 * 100 * joules / 145 for joules in (SMALL, MEDIUM, LARGE)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_of_a_batch_every_query_is_weighed_by_its_own():
    config = a_pool(objective=Objective(quality_per_usd=2.0), override_limits=OPEN)
    asked = [None, ObjectiveOverride(quality_per_usd=10.0), ObjectiveOverride(quality_per_joule=0)]

    made = decide(an_engine(config, *WITH_COSTS), [a_query(objective=one) for one in asked])

    last = [float(np.frombuffer(one.offsets or b"")[2]) for one in made]
    assert last == pytest.approx([-2 * 0.03, -10 * 0.03, -2 * 0.03])


@pytest.mark.parametrize(
    ("limits", "asked", "field", "words"),
    [
        (None, {"quality_per_usd": 1.0}, "objective.quality_per_usd", "override_limits"),
        (OPEN, {"quality_per_usd": 20.5}, "objective.quality_per_usd", "1 to 20, not 20.5"),
        (OPEN, {"quality_per_usd": 0.5}, "objective.quality_per_usd", "1 to 20, not 0.5"),
        (OPEN, {"quality_per_second": 0.0}, "objective.quality_per_second", "override_limits"),
        (OPEN, {"accuracy_energy_dial": 9.0}, "objective.accuracy_energy_dial", "0 to 8, not 9"),
        (
            OPEN,
            {"accuracy_energy_dial": 1.0, "quality_per_usd": 2.0},
            "objective.accuracy_energy_dial",
            "quality_per_usd",
        ),
    ],
)
def test_beyond_the_limits_a_query_is_refused_and_its_neighbours_are_not(
    limits, asked, field, words
):
    engine = an_engine(a_pool(override_limits=limits))
    queries = [a_query(objective=ObjectiveOverride(**asked)), a_query()]

    refused, served = engine.decide(queries, np.tile([0.6, 0.8, 1.0], (2, 1)), NOW)

    assert isinstance(refused, InvalidField)
    assert refused.field == field
    assert words in str(refused)
    assert not isinstance(served, Exception)


def test_limits_are_kept_to_their_ends():
    engine = an_engine(a_pool(override_limits=OPEN), *WITH_COSTS)

    for usd in (1.0, 20.0):
        made = decide(engine, [a_query(objective=ObjectiveOverride(quality_per_usd=usd))])[0]
        assert np.frombuffer(made.offsets or b"")[0] == pytest.approx(-usd * 0.01)


def test_another_objective_makes_another_request():
    plain = a_query(request_id="r")
    asked = [ObjectiveOverride(quality_per_usd=1.0), ObjectiveOverride(quality_per_usd=2.0)]

    digests = {request_digest(msgspec.structs.replace(plain, objective=one)) for one in asked}

    assert len(digests | {request_digest(plain)}) == 3
