"""PILOT, against its algorithm written out with dense matrices."""

import numpy as np
import pytest

from policies import ArmPrior, Priors, build
from policies.pilot import Pilot
from policies.policy import Array

DIM, SPACE, ARMS = 5, 3, 3
RNG = np.random.default_rng(0)
PROJECTION = RNG.normal(size=(SPACE, DIM))
EMBEDDINGS = RNG.normal(size=(ARMS, SPACE))
LAMBDAS = (1.2, 2.0, 4.5)


def pilot(cosine: bool, width: float = 0.3, level: float | None = None) -> Pilot:
    arms = tuple(
        ArmPrior(tuple(theta), level=level, ridge=lam)
        for theta, lam in zip(EMBEDDINGS.tolist(), LAMBDAS, strict=True)
    )
    made = build(
        "pilot",
        dim=DIM,
        settings={"cosine": cosine, "width": width, "intercept_ridge": 2.0, "prior_mean": 0.4},
        priors=Priors(arms, projection=tuple(tuple(row) for row in PROJECTION.tolist())),
    )
    assert isinstance(made, Pilot)
    return made


def contexts(count: int, seed: int) -> Array:
    made = np.random.default_rng(seed).normal(size=(count, DIM))
    made[:, -1] = 1.0
    return made


@pytest.mark.parametrize("cosine", [True, False])
def test_scores_are_those_of_algorithm_1(cosine: bool) -> None:
    """Chosen arms over 60 rounds, with A and b as the paper has them; beside the linear score
    stands a constant."""
    policy, alpha, rng = pilot(cosine), 0.3, np.random.default_rng(1)
    size = SPACE + (not cosine)
    a_matrix = np.array([np.diag([lam] * SPACE + [2.0] * (not cosine)) for lam in LAMBDAS])
    start = np.concatenate((EMBEDDINGS, np.full((ARMS, 1), 0.4)), axis=1)[:, :size]
    b = np.einsum("kde,ke->kd", a_matrix, start)
    state = policy.start(ARMS)
    for x in contexts(60, seed=2):
        psi = PROJECTION @ x
        psi = np.append(psi / np.linalg.norm(psi), [1.0] * (not cosine))
        scores = []
        for arm in range(ARMS):
            inverse = np.linalg.inv(a_matrix[arm])
            theta = inverse @ b[arm]
            mean = float(psi @ theta)
            if cosine:
                mean /= float(np.linalg.norm(theta))
            scores.append(mean + alpha * float(np.sqrt(psi @ inverse @ psi)))
        chances = policy.probabilities(state, x[None])[0]
        assert chances.argmax() == np.argmax(scores)
        assert chances.max() == 1.0
        arm, reward = int(np.argmax(scores)), float(rng.random() < 0.6)
        a_matrix[arm] += np.outer(psi, psi)
        b[arm] += reward * psi
        policy.update(state, arm, x, reward)


def test_before_any_reward_the_belief_is_the_preference_prior() -> None:
    policy, asked = pilot(cosine=True), contexts(6, seed=3)

    believed = policy.estimates(policy.start(ARMS), asked)

    psi = asked @ PROJECTION.T
    psi /= np.linalg.norm(psi, axis=1, keepdims=True)
    np.testing.assert_allclose(believed.mean, psi @ EMBEDDINGS.T, atol=1e-9)
    np.testing.assert_allclose(
        believed.deviation, np.tile(1.0 / np.sqrt(LAMBDAS), (6, 1)), atol=1e-9
    )


def test_the_cosine_discards_the_level_of_reward_and_the_linear_score_does_not() -> None:
    """Two arms, .9 and .3 everywhere: nearly parallel weights."""
    rng, picked = np.random.default_rng(4), {}
    for cosine in (True, False):
        policy = build("pilot", dim=9, settings={"cosine": cosine, "width": 0.0, "ridge": 1.0})
        state = policy.start(2)
        draws = rng.normal(size=(600, 9)) + np.array([1.0] * 8 + [0.0])
        draws[:, -1] = 1.0
        for x in draws[:400]:
            for arm, rate in enumerate((0.9, 0.3)):
                policy.update(state, arm, x, float(rng.random() < rate))
        picked[cosine] = float(policy.probabilities(state, draws[400:])[:, 0].mean())

    assert picked[False] > 0.95
    assert picked[True] < 0.75


@pytest.mark.parametrize(
    ("priors", "said"),
    [
        (Priors(projection=((1.0, 2.0),)), "projection must have rows of 5 numbers"),
        (Priors(projection=((float("nan"),) * DIM,)), "projection must be finite"),
        (Priors((ArmPrior((1.0,) * 4),), projection=((1.0,) * DIM,) * 2), "weights must have 2"),
    ],
)
def test_a_projection_that_does_not_fit_is_refused(priors: Priors, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build("pilot", dim=DIM, priors=priors)


def test_the_published_score_has_no_constant_for_a_level() -> None:
    with pytest.raises(ValueError, match="level needs a constant feature"):
        pilot(cosine=True, level=0.5)
