"""MixLLM: its score and its gradient, against both written out."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import approx_fprime
from scipy.special import softmax

from policies import ArmPrior, LearnsChoices, Priors, build
from policies.mixllm import MixLLM
from policies.policy import Array
from policies.reinforced_state import ReinforcedState

DIM, ARMS = 3, 3
PRICES = (1.0, 4.0, None)


def a_policy(priors: Priors | None = None, dim: int = DIM, **settings: float) -> MixLLM:
    made = build("mixllm", dim=dim, settings=settings, prices=PRICES, priors=priors)
    assert isinstance(made, MixLLM)
    return made


def some_contexts(count: int, seed: int) -> Array:
    made = np.random.default_rng(seed).normal(size=(count, DIM)) / 3
    made[:, -1] = 0.5
    return made


def test_the_score_weighs_quality_price_and_doubt():
    """Ridge 2 around 0: theta = (2 I + X'X)^-1 X'r; an arm of unknown price is the dearest."""
    policy = a_policy(
        willingness=1.4, width=0.3, temperature=0.05, ridge=2.0, intercept_ridge=2.0, prior_mean=0.0
    )
    state, rng, x = policy.start(ARMS), np.random.default_rng(1), some_contexts(60, 1)
    arms, rewards = rng.integers(ARMS, size=60), rng.random(60)
    for clock in range(60):
        policy.update(state, int(arms[clock]), x[clock], float(rewards[clock]))

    asked = some_contexts(5, 2)
    scores = np.empty((5, ARMS))
    for arm, share in enumerate((0.25, 1.0, 1.0)):
        own = x[arms == arm]
        a = 2.0 * np.eye(DIM) + own.T @ own
        theta = np.linalg.solve(a, own.T @ rewards[arms == arm])
        doubt = np.sqrt(np.einsum("nd,nd->n", asked, np.linalg.solve(a, asked.T).T))
        scores[:, arm] = 1.4 / 2.4 * asked @ theta - share / 2.4 + 0.3 * doubt
    np.testing.assert_allclose(
        policy.probabilities(state, asked), softmax(scores / 0.05, axis=1), atol=1e-9
    )


def test_a_push_is_the_gradient_of_the_log_chance_that_was_logged():
    """d ln pi_a / d w with pi a softmax of w_l'x, by differences; a longer x counts as length 1."""
    x, chances = np.array([0.3, -0.4, 0.5]), np.array([0.2, 0.7, 0.1])
    state = ReinforcedState.empty(a_policy().prior, ARMS)

    state.reinforce(1, x, None, 1.0, chances, 0.0)

    def log_chance(w: Array) -> float:
        return float(np.log(softmax(np.log(chances) + w.reshape(ARMS, DIM) @ x)[1]))

    slope = approx_fprime(np.zeros(ARMS * DIM), log_chance, 1e-7)
    np.testing.assert_allclose(state.pushes.ravel(), slope, atol=1e-6)
    long = ReinforcedState.empty(a_policy().prior, ARMS)
    long.reinforce(1, 50.0 * x, None, 1.0, chances, 0.0)
    np.testing.assert_allclose(long.pushes, state.pushes / np.linalg.norm(x))


def reinforced(policy: MixLLM, order: NDArray[np.int64], *, wrong: bool = False) -> Any:
    """Verdicts with the chances that they were logged with, in some order."""
    rng, x = np.random.default_rng(4), some_contexts(40, 4)
    arms, values = rng.integers(ARMS, size=40), rng.integers(2, size=40).astype(float)
    logged = rng.dirichlet(np.ones(ARMS), size=40)
    state = policy.start(ARMS)
    for at in order.tolist():
        arm, value = int(arms[at]), float(values[at])
        if not wrong or at not in (7, 9):
            policy.update(state, arm, x[at], value, clock=float(at))
            policy.reinforce(state, arm, x[at], None, value, logged[at], clock=float(at))
            continue
        policy.update(state, arm, x[at], 0.25, clock=float(at))
        policy.reinforce(state, arm, x[at], None, 0.25, logged[at], clock=float(at))
    if wrong:
        for at in (7, 9):
            arm, new = int(arms[at]), None if at == 9 else float(values[at])
            policy.revise(state, arm, x[at], 0.25, new, clock=float(at))
            policy.reinforce(state, arm, x[at], 0.25, new, logged[at], clock=float(at))
    return state


@pytest.mark.parametrize("half_life", [None, 15.0])
def test_order_does_not_matter_and_a_revised_verdict_leaves_no_trace(half_life):
    policy = build("mixllm", dim=DIM, half_life=half_life, settings={"step": 0.1}, prices=PRICES)
    assert isinstance(policy, MixLLM)
    every = np.arange(40)
    plain = reinforced(policy, every).canonical()
    shuffled = reinforced(policy, np.random.default_rng(0).permutation(40)).canonical()
    for name in ("sums", "pushes", "pulls", "verdicts"):
        np.testing.assert_allclose(shuffled[name], plain[name], atol=1e-10)

    never = reinforced(policy, every[every != 9]).canonical()
    revised = reinforced(policy, every, wrong=True).canonical()
    for name in ("sums", "pushes", "pulls", "verdicts"):
        np.testing.assert_allclose(revised[name], never[name], atol=1e-10)


def test_the_baseline_is_the_mean_of_all_verdicts():
    policy = a_policy(step=0.1)
    state = reinforced(policy, np.arange(40))
    rng = np.random.default_rng(4)
    arms, values = rng.integers(ARMS, size=40), rng.integers(2, size=40).astype(float)
    logged, x = rng.dirichlet(np.ones(ARMS), size=40), some_contexts(40, 4)
    expected = np.zeros((ARMS, DIM))
    for arm, value, chances, one in zip(arms, values, logged, x, strict=True):
        lead = np.eye(ARMS)[arm] - chances
        # The contexts here are all shorter than 1 or count as 1.
        expected += (value - values.mean()) * np.outer(lead, one / max(1.0, np.linalg.norm(one)))

    np.testing.assert_allclose(state.direction, expected, atol=1e-10)


def satisfaction(step: float, seed: int) -> float:
    """Over the last third of 1,500 thumbs: arm l pleases with .85 where feature l leads, else .3.
    Its predictors know nothing, and stay so."""
    priors = Priors(tuple(ArmPrior(weights=(0.0, 0.0, 0.0), level=0.5) for _ in range(ARMS)))
    policy = a_policy(
        priors, dim=4, refined=0, step=step, temperature=0.1, willingness=1e6, width=0
    )
    state, rng, earned = policy.start(ARMS), np.random.default_rng(seed), []
    for clock in range(1500):
        x = np.append(np.eye(3)[rng.integers(3)], 0.2)
        chances = policy.probabilities(state, x[None])[0]
        arm = int(rng.choice(ARMS, p=chances))
        thumb = float(rng.random() < (0.85 if x[arm] == 1.0 else 0.3))
        policy.update(state, arm, x, thumb, clock=float(clock))
        policy.reinforce(state, arm, x, None, thumb, chances, clock=float(clock))
        earned.append(thumb)
    return float(np.mean(earned[1000:]))


def test_thumbs_alone_teach_by_the_gradient_what_the_predictors_never_hear():
    with_gradient = np.mean([satisfaction(0.005, seed) for seed in range(3)])
    without = np.mean([satisfaction(0.0, seed) for seed in range(3)])

    assert without == pytest.approx((0.85 + 0.3 + 0.3) / 3, abs=0.04)
    assert with_gradient > 0.75


def test_predictors_that_are_not_refined_keep_what_they_said_but_not_their_doubt():
    priors = Priors((ArmPrior(weights=(0.4, -0.2), level=0.6, n_eff=20.0),))
    policy = a_policy(priors, refined=0)
    state, x = policy.start(1), some_contexts(30, 6)
    before = policy.estimates(state, x[:4])
    for one in x:
        policy.update(state, 0, one, 1.0)

    after = policy.estimates(state, x[:4])

    np.testing.assert_allclose(after.mean, before.mean, atol=1e-9)
    assert (after.deviation < before.deviation).all()


def test_it_is_told_the_chances_and_others_are_not():
    assert isinstance(a_policy(), LearnsChoices)
    assert not isinstance(build("linucb", dim=2), LearnsChoices)


def test_an_arm_that_came_later_had_no_chance():
    state = ReinforcedState.empty(a_policy().prior, 2)
    state.add_arm()
    x = np.array([0.0, 0.6, 0.5])

    state.reinforce(0, x, None, 1.0, np.array([0.5, 0.5]), 0.0)

    np.testing.assert_allclose(state.pushes, np.outer([0.5, -0.5, 0.0], x))
    state.drop_arm(0)
    np.testing.assert_array_equal(state.pushes[0], 0.0)
    assert state.verdicts.sum() == 0.0
