"""What a configuration may be."""

from typing import Any

import numpy as np
import pytest

from bandit_service import configuration
from bandit_service.configuration import MOST_ARMS, check, restarts
from bandit_service.errors import InvalidField
from bandit_service.model import (
    Algorithm,
    Arm,
    ArmState,
    ArmWarmStart,
    Features,
    Forgetting,
    Mode,
    Objective,
    PolicyConfig,
    PreferenceLearning,
    Source,
    TextFeatures,
    VectorFeatures,
    WarmStart,
    WhenUnlogged,
)
from tests.builders import a_config, arms, shape_of

NAN, INFINITE = float("nan"), float("inf")


def one_arm(**fields: Any) -> dict[str, Any]:
    return {"arms": (Arm(name="small"), Arm(**({"name": "large"} | fields)))}


def vectors(dimension: int) -> Features:
    return Features(vector=VectorFeatures(dimension=dimension))


def warm(**arms: ArmWarmStart) -> WarmStart:
    return WarmStart(arms=arms)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name"),
    ({"name": "1st"}, "name"),
    ({"name": "two words"}, "name"),
    ({"name": "a/b"}, "name"),
    ({"name": "chat\n"}, "name"),
    ({"name": "x" * 64}, "name"),
    ({"features": Features()}, "features"),
    ({"features": Features(text=TextFeatures(), vector=VectorFeatures(dimension=3))}, "features"),
    ({"features": vectors(0)}, "features.vector.dimension"),
    ({"features": vectors(512)}, "features.vector.dimension"),
    ({"features": Features(text=TextFeatures(dimensions=7))}, "features.text.dimensions"),
    ({"features": Features(text=TextFeatures(dimensions=257))}, "features.text.dimensions"),
    ({"warm_start": warm(nobody=ArmWarmStart(level=0.3))}, "warm_start.arms.nobody"),
    ({"warm_start": warm(small=ArmWarmStart(weights=(1.0,)))}, "warm_start.arms.small"),
    ({"warm_start": warm(small=ArmWarmStart(level=NAN))}, "warm_start.arms.small"),
    ({"warm_start": warm(small=ArmWarmStart(ridge=1.0))}, "warm_start.arms.small"),
    (
        {"warm_start": warm(small=ArmWarmStart(level=0.5, n_eff=-1.0))},
        "warm_start.arms.small.n_eff",
    ),
    ({"warm_start": WarmStart(n_eff=NAN)}, "warm_start.n_eff"),
    ({"warm_start": WarmStart(spread=(1.0,))}, "warm_start"),
    ({"warm_start": WarmStart(projection=((1.0, 2.0, 3.0),))}, "warm_start"),
    (
        {"warm_start": warm(small=ArmWarmStart(level=0.5)),
         "algorithm": Algorithm(name="uniform")},
        "warm_start",
    ),
    ({"arms": ()}, "arms"),
    ({"arms": arms(*(f"arm {i}" for i in range(MOST_ARMS + 1)))}, "arms"),
    # 16 * 512 * 512 numbers are more than 4 million.
    ({"arms": arms(*(f"arm {i}" for i in range(16))), "features": vectors(511)}, "arms"),
    (one_arm(name=""), "arms[1].name"),
    (one_arm(name="x" * 129), "arms[1].name"),
    (one_arm(name="a\nb"), "arms[1].name"),
    (one_arm(name=" large"), "arms[1].name"),
    (one_arm(name="small"), "arms[1].name"),
    (one_arm(input_usd_per_million_tokens=-1.0), "arms[1].input_usd_per_million_tokens"),
    (one_arm(output_usd_per_million_tokens=NAN), "arms[1].output_usd_per_million_tokens"),
    (one_arm(output_usd_per_million_tokens=2e9), "arms[1].output_usd_per_million_tokens"),
    (one_arm(declared_joules_per_output_token=INFINITE),
     "arms[1].declared_joules_per_output_token"),
    (one_arm(context_limit_tokens=0), "arms[1].context_limit_tokens"),
    (one_arm(modalities=()), "arms[1].modalities"),
    ({"algorithm": Algorithm(name="magic")}, "algorithm"),
    ({"algorithm": Algorithm(settings={"wdth": 1.0})}, "algorithm"),
    ({"algorithm": Algorithm(settings={"noise": NAN})}, "algorithm"),
    ({"algorithm": Algorithm(settings={"dim": 3.0})}, "algorithm"),
    ({"algorithm": Algorithm(settings={"half_life": 3.0})}, "algorithm"),
    ({"objective": Objective(quality_per_usd=-0.1)}, "objective.quality_per_usd"),
    ({"objective": Objective(quality_per_second=NAN)}, "objective.quality_per_second"),
    ({"objective": Objective(quality_per_joule=INFINITE)}, "objective.quality_per_joule"),
    ({"floor": -0.01}, "floor"),
    ({"floor": 1.01}, "floor"),
    ({"floor": NAN}, "floor"),
    ({"forgetting": Forgetting(half_life=0.0)}, "forgetting.half_life"),
    ({"forgetting": Forgetting(half_life=NAN)}, "forgetting.half_life"),
    ({"forgetting": Forgetting(half_life=INFINITE)}, "forgetting.half_life"),
    ({"feedback_horizon": 0.999}, "feedback_horizon"),
    ({"feedback_horizon": 4e11}, "feedback_horizon"),
    ({"feedback_horizon": NAN}, "feedback_horizon"),
    ({"feedback_horizon": INFINITE}, "feedback_horizon"),
    ({"quality_sources": ()}, "quality_sources"),
    ({"quality_sources": (Source.USER, Source.USER)}, "quality_sources"),
    ({"mode": Mode.OBSERVE}, "default_arm"),
    ({"default_arm": "lagre"}, "default_arm"),
    ({"default_arm": "large"} | one_arm(state=ArmState.RETIRED), "default_arm"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "field"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_a_bad_field_is_refused_by_its_name(changes, field):
    with pytest.raises(InvalidField) as refused:
        check(a_config(**changes), shape_of)

    assert refused.value.field == field


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "x" * 63},
        {"name": "Chat-2.beta_1"},
        {"features": vectors(511), "arms": arms("only")},
        {"features": Features(text=TextFeatures(dimensions=8))},
        {"features": Features(text=TextFeatures(dimensions=256))},
        {"arms": arms(*(f"arm {i}" for i in range(MOST_ARMS)))},
        one_arm(name="x" * 128),
        one_arm(name="größer als groß"),
        one_arm(input_usd_per_million_tokens=0.0, context_limit_tokens=1),
        one_arm(state=ArmState.RETIRED) | {"default_arm": "small"},
        {"floor": 0.0},
        {"floor": 1.0},
        {"quality_sources": (Source.JUDGE,)},
        {"feedback_horizon": 1.0},
        {"feedback_horizon": 315_576_000_000.0},
        {"mode": Mode.OBSERVE, "default_arm": "large"},
        {"algorithm": Algorithm(name="linucb", settings={"width": 0.2})},
    ],
)
def test_what_is_just_within_the_limits_is_taken(changes):
    config = a_config(**changes)

    assert check(config, shape_of).name == config.name


def test_an_arm_without_a_model_is_a_model_of_its_own_name():
    config = a_config(arms=(Arm(name="small"), Arm(name="terse", model="large")))

    checked = check(config, shape_of)

    assert [arm.model for arm in checked.arms] == ["small", "large"]


def test_checking_twice_changes_nothing_more():
    once = check(a_config(arms=(Arm(name="small"),)), shape_of)

    assert check(once, shape_of) == once


@pytest.mark.parametrize(
    ("before", "after", "afresh"),
    [
        ({}, {}, False),
        ({}, {"floor": 0.5}, False),
        ({}, {"objective": Objective(quality_per_usd=1.0)}, False),
        ({}, {"mode": Mode.OBSERVE, "default_arm": "small"}, False),
        ({}, {"quality_sources": (Source.EXPERT,)}, False),
        ({}, {"arms": arms("small", "medium", "large", "huge")}, False),
        ({}, {"forgetting": Forgetting(half_life=60.0)}, False),
        ({}, {"algorithm": Algorithm(settings={"noise": 0.5})}, False),
        ({}, {"algorithm": Algorithm(settings={"ridge": 5.0})}, False),
        ({}, {"algorithm": Algorithm(name="linucb")}, False),
        ({}, {"algorithm": Algorithm(name="beta_thompson")}, True),
        ({"algorithm": Algorithm(name="beta_thompson")}, {}, True),
        ({}, {"features": vectors(3)}, True),
        ({}, {"features": Features(text=TextFeatures())}, True),
        ({"features": Features(text=TextFeatures())},
         {"features": Features(text=TextFeatures(dimensions=8))}, True),
        ({}, {"warm_start": WarmStart(arms={"small": ArmWarmStart(level=0.3)})}, False),
    ],
)  # fmt: skip
def test_learning_starts_afresh_only_where_the_old_means_nothing(before, after, afresh):
    assert restarts(a_config(**before), a_config(**after), shape_of) is afresh


def test_learning_starts_afresh_where_the_old_sums_have_another_shape():
    before, after = (
        a_config(algorithm=Algorithm(name="beta_thompson", settings={"clusters": clusters}))
        for clusters in (1, 2)
    )

    assert restarts(before, after, shape_of)


def test_a_warm_start_reaches_the_slots_of_its_arms():
    warm_start = warm(
        large=ArmWarmStart(weights=(1.0, 0.0), level=0.25),
        small=ArmWarmStart(level=0.75, n_eff=9.0),
    )
    config = a_config(algorithm=Algorithm(name="linucb"), warm_start=warm_start)

    policy = configuration.build(check(config, shape_of), 3)

    believed = policy.estimates(policy.start(3), np.array([[0.5, 2.0, 1.0]]))
    # small, medium (as linucb has it), large
    np.testing.assert_allclose(believed.mean, [[0.75, 1.0, 0.75]])
    # precisions: 15 of a weight and 1 of the constant, and n_eff / 2 and n_eff more where known
    expected = [4.25 / 15 + 1 / 10, 4.25 / 15 + 1, 4.25 / (15 + 25) + 1 / 51]
    np.testing.assert_allclose(believed.deviation**2, [expected])


def priced(name: str, per_million: float | None, state: ArmState = ArmState.ACTIVE) -> Arm:
    return Arm(
        name=name,
        input_usd_per_million_tokens=per_million,
        output_usd_per_million_tokens=None if per_million is None else 3.0 * per_million,
        state=state,
    )


def test_dearness_is_the_standard_score_of_the_log_price():
    arms = [priced("a", 0.1), priced("b", 1.0), priced("c", 100.0), priced("d", None)]

    logs = np.log([0.4, 4.0, 400.0])
    expected = [*((logs - logs.mean()) / logs.std()), 0.0]
    np.testing.assert_allclose(configuration.dearness(arms), expected, atol=1e-12)


@pytest.mark.parametrize("prices", [[], [1.0], [2.0, 2.0], [None, 3.0], [0.0, 3.0]])
def test_where_prices_tell_nothing_no_arm_is_dear(prices):
    arms = [priced(f"arm-{at}", price) for at, price in enumerate(prices)]

    assert configuration.dearness(arms) == (0.0,) * len(arms)


def test_a_removed_arm_does_not_count_among_the_others():
    gone = priced("gone", 1e6, ArmState.REMOVED)
    two = [priced("a", 1.0), priced("b", 10.0)]

    assert configuration.dearness([*two, gone])[:2] == configuration.dearness(two)


def test_a_new_price_moves_what_is_expected_and_nothing_that_was_learned():
    """The sums are kept; only the prior that they are read under is another."""
    cheap, dear = priced("a", 1.0), priced("b", 10.0)
    before = configuration.build(PolicyConfig(name="chat", arms=(cheap, dear)), 2)
    after = configuration.build(PolicyConfig(name="chat", arms=(dear, cheap)), 2)
    state, x = before.start(2), np.array([[0.5, 1.0]])
    for _ in range(3):
        before.update(state, 0, x[0], 0.7)
    taken_over = after.restore(state.canonical())

    means = [p.estimates(s, x).mean[0] for p, s in ((before, state), (after, taken_over))]
    assert means[0][1] > means[1][1] + 0.1
    np.testing.assert_array_equal(state.canonical()["sums"], taken_over.canonical()["sums"])


def test_a_fallback_needs_an_arm_to_fall_back_to():
    with pytest.raises(InvalidField, match="required by the fallback of when_unlogged"):
        check(a_config(when_unlogged=WhenUnlogged.FALLBACK), shape_of)

    check(a_config(when_unlogged=WhenUnlogged.FALLBACK, default_arm="small"), shape_of)


@pytest.mark.parametrize(("algorithm", "afresh"), [("fgts_cdb", True), ("linucb", False)])
def test_learners_of_pairs_start_afresh_when_other_sources_count(algorithm, afresh):
    """Which of several verdicts on a pair was learned is not written down."""
    pairs = algorithm == "fgts_cdb"
    same = {
        "algorithm": Algorithm(name=algorithm),
        "preference_learning": PreferenceLearning.AS_PAIRS if pairs else PreferenceLearning.IGNORE,
    }
    before = a_config(**same, quality_sources=(Source.USER,))
    after = a_config(**same, quality_sources=(Source.EXPERT, Source.USER))

    assert restarts(before, after, shape_of) is afresh
