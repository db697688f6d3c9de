"""LinUCB, its widths and its relatives on ridge means, by hand."""

import numpy as np
import pytest

from policies import build
from policies.linucb import LinUCB
from policies.policy import Array

X = np.array([[3.0, 4.0]])


def cold_chances(width: float, ridge: float, lead: float) -> Array:
    """Arm 0 is known to be exactly 0.5, arm 1 untaught and `lead` worse than its own bonus."""
    settings = {"width": width, "ridge": ridge, "intercept_ridge": ridge, "prior_mean": 0.0}
    policy = build("linucb", dim=2, settings=settings)
    state = policy.start(2)
    policy.update(state, 0, X[0], 0.0, weight=1e15)
    return policy.probabilities(state, X, offsets=np.array([lead, 0.0]))


@pytest.mark.parametrize("ridge", [0.1, 1.0, 10.0])
def test_an_untaught_arms_bonus_is_the_prior_width(ridge: float) -> None:
    bonus = 2.0 * 5.0 / np.sqrt(ridge)  # width * |x| / sqrt(ridge), and |(3, 4)| = 5

    just_less, just_more = (cold_chances(2.0, ridge, bonus * f) for f in (1 - 1e-5, 1 + 1e-5))

    np.testing.assert_array_equal(just_less, [[0.0, 1.0]])
    np.testing.assert_array_equal(just_more, [[1.0, 0.0]])


@pytest.mark.parametrize("arms", [3, 40])
@pytest.mark.parametrize("oful", [False, True])
def test_the_arm_of_the_highest_bound_is_played(arms: int, oful: bool) -> None:
    rng = np.random.default_rng(arms)
    policy = LinUCB(dim=4, width=0.7, oful=oful)
    state = policy.start(arms)
    for _ in range(200):
        policy.update(state, int(rng.integers(arms)), rng.normal(size=4), float(rng.random()))
    x = rng.normal(size=(1, 4))

    believed = policy.estimates(state, x)
    width = policy.radius(state) if oful else 0.7
    wanted = int((believed.mean + width * believed.deviation).argmax())

    assert policy.probabilities(state, x)[0, wanted] == 1.0


@pytest.mark.parametrize("oful", [False, True])
def test_offsets_count_alone_as_among_others(oful: bool) -> None:
    """A single query takes another way than several, to the same answer."""
    rng = np.random.default_rng(5)
    policy = LinUCB(dim=4, width=0.7, oful=oful)
    state = policy.start(3)
    for _ in range(60):
        policy.update(state, int(rng.integers(3)), rng.normal(size=4), float(rng.random()))
    x, offsets = rng.normal(size=(50, 4)), rng.normal(0.0, 0.5, (50, 3))

    together = policy.probabilities(state, x, offsets=offsets)
    alone = [
        policy.probabilities(state, x[i : i + 1], offsets=offsets[i : i + 1])[0] for i in range(50)
    ]

    np.testing.assert_array_equal(alone, together)
    assert (together.max(axis=0) == 1.0).all()  # each arm is best somewhere
    np.testing.assert_array_equal(
        policy.probabilities(state, x[:1], offsets=offsets[0]), together[:1]
    )


def test_the_oful_width_is_the_published_one() -> None:
    policy = LinUCB(dim=3, oful=True, bound=2.0, noise=0.4, delta=0.05, ridge=0.5,
                    intercept_ridge=0.5)  # fmt: skip
    state = policy.start(2)
    for _ in range(7):
        policy.update(state, 1, np.full(3, 0.5), 0.5)
    policy.estimates(state, np.ones((1, 3)))

    # sqrt(lam) S + sigma sqrt(2 ln(1 / delta) + d ln(1 + t / (lam d))) for t = 0 and 7
    untaught = np.sqrt(0.5) * 2.0 + 0.4 * np.sqrt(2 * np.log(20.0))
    taught = np.sqrt(0.5) * 2.0 + 0.4 * np.sqrt(2 * np.log(20.0) + 3 * np.log(1 + 7 / (0.5 * 3)))
    np.testing.assert_allclose(policy.radius(state), [untaught, taught])


def test_epsilon_greedy_spreads_epsilon_over_the_eligible_arms() -> None:
    policy = build("epsilon_greedy", dim=1, settings={"epsilon": 0.3, "prior_mean": 0.0})
    state = policy.start(4)
    policy.update(state, 2, np.ones(1), 0.9)
    eligible = np.array([[True, False, True, True]])

    chances = policy.probabilities(state, np.ones((1, 1)), eligible=eligible)

    np.testing.assert_allclose(chances, [[0.1, 0.0, 0.8, 0.1]])


def test_squarecb_weighs_by_the_inverse_gap() -> None:
    settings = {"gamma0": 5.0, "prior_mean": 0.0, "intercept_ridge": 1.0}
    policy = build("squarecb", dim=1, settings=settings)
    state = policy.start(4)
    for arm, quality in enumerate([0.2, 1.6, 0.8]):  # with one prior observation of 0: half of it
        policy.update(state, arm, np.ones(1), quality)
    policy.update(state, 3, np.ones(1), 0.0)
    eligible = np.array([[True, True, True, False]])

    chances = policy.probabilities(state, np.ones((1, 1)), eligible=eligible)

    # means .1, .8, .4; gamma = 5 sqrt(4) = 10; K = 3 eligible: 1 / (3 + 7) and 1 / (3 + 4)
    np.testing.assert_allclose(chances, [[1 / 10, 1 - 1 / 10 - 1 / 7, 1 / 7, 0.0]])


def test_squarecb_shares_what_is_left_between_equals() -> None:
    policy = build(
        "squarecb", dim=1, settings={"gamma0": 4.0, "prior_mean": 0.0, "intercept_ridge": 1.0}
    )
    state = policy.start(3)
    for arm, quality in enumerate([1.0, 1.0, 0.0]):
        policy.update(state, arm, np.ones(1), quality)

    chances = policy.probabilities(state, np.ones((1, 1)))

    loser = 1.0 / (3.0 + 4.0 * np.sqrt(3.0) * 0.5)  # means .5, .5, 0
    np.testing.assert_allclose(chances, [[(1 - loser) / 2, (1 - loser) / 2, loser]])
