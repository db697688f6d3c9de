"""Thompson sampling: the law that is drawn from, for Gaussian, Student-t and Beta beliefs."""

import numpy as np
import pytest
from scipy import stats

from policies.beta_thompson import BetaThompson
from policies.linear_thompson import LinearThompson
from policies.policy import Array

DRAWS = 100_000


def contexts(seed: int, count: int, dim: int) -> Array:
    made: Array = np.random.default_rng(seed).normal(size=(count, dim)) / np.sqrt(dim)
    made[:, -1] = 1.0
    return made


def test_the_deviation_drawn_with_is_noise_times_the_spread() -> None:
    # Not noise^2 times, and not the spread alone: an arm is beaten by a known one exactly as often
    # as a Gaussian of deviation width * sigma * sqrt(x' A^-1 x) says.
    policy = LinearThompson(dim=3, width=0.6, noise=0.25, ridge=2.0, intercept_ridge=0.5)
    state = policy.start(2)
    X = contexts(1, 50, 3)
    for x in X:
        policy.update(state, 0, x, 0.5)
    policy.update(state, 1, X[0], 0.7, weight=1e15)
    A = np.diag([2.0, 2.0, 0.5]) + X.T @ X
    deviation = 0.25 * np.sqrt(X[0] @ np.linalg.solve(A, X[0]))

    believed = policy.estimates(state, X[:1])
    chances = policy.probabilities(state, X[:1], offsets=np.array([0.21, 0.0]))

    assert believed.deviation[0, 0] == pytest.approx(deviation, rel=1e-9)
    lead = (believed.mean[0, 0] + 0.21 - believed.mean[0, 1]) / (0.6 * deviation)
    assert chances[0, 0] == pytest.approx(stats.norm.cdf(lead), abs=1e-6)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_chances_are_those_of_drawing_whole_weight_vectors(seed: int) -> None:
    rng = np.random.default_rng(seed)
    policy = LinearThompson(dim=4, width=1.0, noise=0.5, ridge=0.7)
    state = policy.start(5)
    X = contexts(seed, 60, 4)
    for i, x in enumerate(X):
        policy.update(state, [0, 0, 0, 1, 1, 2][i % 6], x, float(rng.random()))  # 3, 4 stay cold
    x = X[7]

    chances = policy.probabilities(state, x[None])[0]

    draws = np.empty((DRAWS, 5))
    for arm in range(5):
        inverse, theta = state.blocks[arm, :4], state.blocks[arm, 4]
        root = np.linalg.cholesky(0.25 * inverse)
        draws[:, arm] = (theta + rng.normal(size=(DRAWS, 4)) @ root.T) @ x
    wins = np.bincount(draws.argmax(axis=1), minlength=5) / DRAWS
    error = np.sqrt(chances * (1 - chances) / DRAWS)
    assert (np.abs(wins - chances) < 4.5 * error + 1e-9).all()


@pytest.mark.parametrize("seed", [1, 2])
def test_with_unknown_noise_chances_are_those_of_drawing_noise_and_weights(seed: int) -> None:
    rng = np.random.default_rng(seed)
    policy = LinearThompson(dim=3, width=1.0, noise=0.3, unknown_noise=True, noise_count=1.5,
                            ridge=1.0, intercept_ridge=1.0)  # fmt: skip
    state = policy.start(3)
    X = contexts(seed, 40, 3)
    seen: list[list[int]] = [[], [], []]
    r = rng.normal(0.5, [0.05, 0.5], (20, 2)).ravel()
    for i in range(40):
        arm = i % 2 if i < 39 else 2
        seen[arm].append(i)
        policy.update(state, arm, X[i], float(r[i]))
    x = X[3]

    chances = policy.probabilities(state, x[None])[0]

    draws = np.empty((DRAWS, 3))
    prior, theta0 = np.eye(3), np.array([0.0, 0.0, policy.prior_mean])
    for arm, rows in enumerate(seen):  # the textbook normal-inverse-gamma posterior
        A = prior + X[rows].T @ X[rows]
        theta = np.linalg.solve(A, prior @ theta0 + X[rows].T @ r[rows])
        a = 1.5 + len(rows) / 2
        b = 1.5 * 0.3**2 + 0.5 * (r[rows] @ r[rows] + theta0 @ prior @ theta0 - theta @ A @ theta)
        noise = np.sqrt(b / rng.gamma(a, size=DRAWS))
        spread = np.sqrt(x @ np.linalg.solve(A, x))
        draws[:, arm] = x @ theta + noise * spread * rng.normal(size=DRAWS)
    wins = np.bincount(draws.argmax(axis=1), minlength=3) / DRAWS
    error = np.sqrt(chances * (1 - chances) / DRAWS)
    assert (np.abs(wins - chances) < 4.5 * error + 1e-9).all()


def test_unknown_noise_is_learned() -> None:
    rng = np.random.default_rng(0)
    policy = LinearThompson(dim=1, noise=0.5, unknown_noise=True, intercept_ridge=1e-3)
    state = policy.start(2)
    for _ in range(4000):
        for arm, noise in enumerate([0.02, 0.3]):
            policy.update(state, arm, np.ones(1), float(rng.normal(0.5, noise)))

    policy.estimates(state, np.ones((1, 1)))

    # 4 standard errors of a deviation from 4000: 4 / sqrt(8000) = 4.5 %, plus the prior's 4 of 4004
    np.testing.assert_allclose(policy.noises(state), [0.0255, 0.3], rtol=0.06)


def test_without_width_the_highest_mean_is_played() -> None:
    policy = LinearThompson(dim=1, width=0.0, prior_mean=0.0)
    state = policy.start(3)
    policy.update(state, 1, np.ones(1), 0.9)

    np.testing.assert_allclose(
        policy.probabilities(state, np.ones((1, 1))), [[0.0, 1.0, 0.0]], atol=1e-12
    )


def test_each_cluster_of_contexts_has_its_own_betas() -> None:
    policy = BetaThompson(dim=3, clusters=2)
    state = policy.start(2)
    for _ in range(50):
        policy.update(state, 0, np.array([1.0, 0.0, 9.0]), 1.0)
        policy.update(state, 0, np.array([0.0, 1.0, 9.0]), 0.0)

    chances = policy.probabilities(state, np.array([[0.7, 0.2, 0.0], [0.2, 0.7, 0.0]]))

    # An untaught arm is Beta(1, 1): Beta(51, 1) beats it with its mean 51 / 52, Beta(1, 51)
    # with 1 / 52.
    np.testing.assert_allclose(chances[:, 0], [51 / 52, 1 / 52], atol=1e-9)


def test_a_graded_quality_is_part_won_and_part_lost() -> None:
    policy = BetaThompson(dim=1, prior_wins=2.0, prior_losses=3.0)
    state = policy.start(1)

    policy.update(state, 0, np.ones(1), 0.75, weight=2.0)

    believed = policy.estimates(state, np.ones((1, 1)))
    law = stats.beta(2.0 + 1.5, 3.0 + 0.5)
    assert believed.mean[0, 0] == pytest.approx(law.mean())
    assert believed.deviation[0, 0] == pytest.approx(law.std())


@pytest.mark.parametrize("quality", [-0.1, 1.1])
def test_a_quality_outside_0_to_1_is_refused_by_beta(quality: float) -> None:
    policy = BetaThompson(dim=1)

    with pytest.raises(ValueError, match=r"quality must be in \[0, 1\]"):
        policy.update(policy.start(1), 0, np.ones(1), quality)


def test_betas_fade_to_the_prior_and_not_beyond() -> None:
    policy = BetaThompson(dim=1, half_life=5.0, prior_wins=3.0)
    state = policy.start(1)
    policy.update(state, 0, np.ones(1), 1.0, weight=8.0, clock=10.0)

    for clock, wins in ((10.0, 11.0), (15.0, 7.0), (20.0, 5.0), (1e6, 3.0)):
        mean = policy.estimates(state, np.ones((1, 1)), clock=clock).mean[0, 0]
        assert mean == pytest.approx(wins / (wins + 1.0))
