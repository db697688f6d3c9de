"""Feel-good Thompson sampling for duels: its posterior, its regret, its symmetry."""

from typing import Any

import numpy as np
import pytest
from scipy import optimize, special

from policies.fgts_cdb import FGTSCDB
from policies.policy import Array

ARMS, DIM = 8, 12


def a_world(seed: int, length: float = 2.0) -> tuple[Array, Array]:
    """Embeddings of the arms, (K, d), and true weights of the given length, (d,)."""
    rng = np.random.default_rng(seed)
    embeddings, weights = rng.normal(size=(ARMS, DIM)), rng.normal(size=DIM)
    return embeddings, length * weights / np.linalg.norm(weights)


def a_policy(embeddings: Array, **settings: Any) -> FGTSCDB:
    return FGTSCDB(dim=DIM, embeddings=tuple(map(tuple, embeddings.tolist())), **settings)


def regrets(seed: int, rounds: int = 600, **settings: Any) -> tuple[float, float]:
    """Of the policy and of random duels, on contexts of length 1 and Bradley-Terry verdicts."""
    rng = np.random.default_rng(1000 + seed)
    embeddings, truth = a_world(seed)
    policy = a_policy(embeddings, horizon=rounds, norm=2.0, **settings)
    state = policy.start(ARMS)
    mine, random = 0.0, 0.0
    for clock in range(rounds):
        x = rng.normal(size=DIM)
        x /= np.linalg.norm(x)
        utility = (embeddings * x) @ truth
        chances = policy.pair_probabilities(state, x[None])
        first, second = (int(rng.choice(ARMS, p=side[0])) for side in chances)
        mine += utility.max() - 0.5 * (utility[first] + utility[second])
        random += utility.max() - utility.mean()
        if first != second:
            won = float(rng.random() < special.expit(utility[first] - utility[second]))
            policy.compare(state, (first, x), (second, x), won, clock=float(clock))
    return mine, random


def duels(seed: int, count: int) -> list[tuple[int, int, Array, float]]:
    rng = np.random.default_rng(seed)
    embeddings, truth = a_world(seed)
    made = []
    for _ in range(count):
        x = rng.normal(size=DIM)
        first, second = (int(a) for a in rng.choice(ARMS, 2, replace=False))
        gap = float(((embeddings[first] - embeddings[second]) * x) @ truth)
        made.append((first, second, x, float(rng.random() < special.expit(gap))))
    return made


def test_regret_is_a_third_of_random() -> None:
    # Four seeds; benchmarks.duelling shows twenty, with the variants that are worse.
    mine, random = np.array([regrets(seed) for seed in range(4)]).T

    assert mine.mean() <= 0.35 * random.mean()


def test_the_draws_have_the_mean_and_spread_of_the_posterior() -> None:
    """Against the mode and the curvature there, found without the policy."""
    embeddings, _ = a_world(3)
    policy = a_policy(embeddings, mu=0.0, draws=64, moved=64, steps=40, window=1000)
    state = policy.start(ARMS)
    seen = duels(3, 250)
    for clock, (first, second, x, won) in enumerate(seen):
        if (
            clock < len(seen) - 1
        ):  # rows alone: the draws move with the last one, from where they are
            state.rows.add((first, x), (second, x), won, 1.0, float(clock))
        else:
            policy.compare(state, (first, x), (second, x), won, clock=float(clock))
    for _ in range(30):
        state._move()
    z = np.array([(embeddings[a] - embeddings[b]) * x for a, b, x, _ in seen])
    wins = np.array([one[3] for one in seen])

    def loss(theta: Array) -> float:
        u = z @ theta
        return float(np.logaddexp(0.0, u).sum() - wins @ u + 0.5 * theta @ theta)

    mode = optimize.minimize(loss, np.zeros(DIM), method="BFGS", options={"gtol": 1e-8}).x
    chance = special.expit(z @ mode)
    curvature = (z.T * (chance * (1 - chance))) @ z + np.eye(DIM)
    # The posterior is skewed, so its mean is not its mode: draws around the mode, reweighted.
    noise = np.random.default_rng(0).normal(size=(40_000, DIM))
    tried = mode + np.linalg.solve(np.linalg.cholesky(curvature).T, 1.2 * noise.T).T
    u = tried @ z.T
    log_odds = wins @ u.T - np.logaddexp(0.0, u).sum(axis=1) - 0.5 * (tried**2).sum(axis=1)
    log_odds += 0.5 * (noise**2).sum(axis=1)
    weights = np.exp(log_odds - log_odds.max())
    weights /= weights.sum()
    mean = weights @ tried
    variances = weights @ (tried - mean) ** 2
    draws = state.draws.reshape(-1, DIM)

    # 128 draws: four and a half standard errors for twelve means. The dynamics' own discretisation
    # widens the draws a little.
    error = 4.5 * np.sqrt(variances / len(draws))
    assert (np.abs(draws.mean(axis=0) - mean) < error).all()
    assert 0.7 < np.var(draws, axis=0).sum() / variances.sum() < 1.5


def test_swapping_arms_and_verdict_changes_nothing() -> None:
    embeddings, _ = a_world(4)
    policy = a_policy(embeddings, mu=0.0)
    one, other = policy.start(ARMS), policy.start(ARMS)

    for clock, (first, second, x, won) in enumerate(duels(4, 40)):
        policy.compare(one, (first, x), (second, x), won, clock=float(clock))
        policy.compare(other, (second, x), (first, x), 1.0 - won, clock=float(clock))

    np.testing.assert_allclose(one.draws, other.draws, atol=2e-4)  # the grid, a few times


def test_a_tie_is_half_a_win_of_each() -> None:
    embeddings, _ = a_world(5)
    policy = a_policy(embeddings, mu=0.0, draws=2, moved=2)
    tied, split = policy.start(ARMS), policy.start(ARMS)
    first, second, x, _ = duels(5, 1)[0]

    policy.compare(tied, (first, x), (second, x), 0.5)
    for won in (1.0, 0.0):
        split.rows.add((first, x), (second, x), won, 0.5, 0.0)
    split._move()

    np.testing.assert_allclose(tied.draws, split.draws, atol=1e-4)


def test_the_feel_good_term_looks_at_the_other_samplers_arm() -> None:
    embeddings, _ = a_world(6)
    policy = a_policy(embeddings, mu=0.5)
    state = policy.start(ARMS)
    for clock, (first, second, x, won) in enumerate(duels(6, 5)):
        policy.compare(state, (first, x), (second, x), won, clock=float(clock))
    theta = np.random.default_rng(0).normal(size=(1, DIM))

    def by_hand(side: int) -> Array:
        total = np.zeros(DIM)
        for (x, _), arms in zip(state.rows.sides, state.rows.arms, strict=True):
            best = int(((embeddings * x) @ theta[0]).argmax())
            total += embeddings[best] * x - embeddings[arms[side]] * x
        return total

    for sampler in (0, 1):
        slope = state._feel_good(theta, 1 - sampler, state.rows.weights)
        np.testing.assert_allclose(slope[0], by_hand(1 - sampler), atol=1e-12)


@pytest.mark.parametrize("embedded", [True, False])
def test_what_leaves_the_window_goes_on_counting(embedded: bool) -> None:
    embeddings, _ = a_world(7)
    table = tuple(map(tuple, embeddings.tolist())) if embedded else ()
    small, large = (
        FGTSCDB(dim=DIM, embeddings=table, window=window, mu=0.0, width=DIM)
        for window in (40, 1000)
    )
    states = small.start(ARMS), large.start(ARMS)
    for clock, (first, second, x, won) in enumerate(duels(7, 200)):
        for policy, state in zip((small, large), states, strict=True):
            policy.compare(state, (first, x), (second, x), won, clock=float(clock))

    assert len(states[0].rows) <= 40
    assert states[0].precision.any()
    means = [state.draws.mean(axis=(0, 1)) for state in states]
    cosine = means[0] @ means[1] / np.prod([np.linalg.norm(mean) for mean in means])
    assert cosine > 0.9


def test_features_have_a_prior_of_their_own_where_arms_have_weights_of_their_own() -> None:
    # In the weights that the state holds, the prior is round; so the utilities and the differences
    # of weights `theta` of x, and their prior with a precision each, are to come out of these.
    ridge, feature_ridge = 2.0, 18.0
    policy = FGTSCDB(dim=DIM, width=5, ridge=ridge, feature_ridge=feature_ridge)
    state = policy.start(ARMS)
    seen = [0, 1, 2, 3, 4, DIM - 1]
    precision = np.array([feature_ridge] * 5 + [ridge])
    theta = np.random.default_rng(11).normal(size=(ARMS, 6))
    x = np.random.default_rng(12).normal(size=(20, DIM))
    held = theta * np.sqrt(precision / ridge)

    assert ridge * (held**2).sum() == pytest.approx((precision * theta**2).sum())
    utilities = state.utilities(x, held.reshape(1, -1))[0]
    np.testing.assert_allclose(utilities, x[:, seen] @ theta.T, atol=1e-12)
    policy.compare(state, (3, x[0]), (6, x[0]), 1.0, clock=0.0)
    gap = state._differences() @ held.ravel()
    np.testing.assert_allclose(gap, [x[0, seen] @ (theta[3] - theta[6])], atol=1e-12)


def test_a_revised_verdict_takes_the_place_of_the_first() -> None:
    embeddings, _ = a_world(8)
    policy = a_policy(embeddings)
    state = policy.start(ARMS)
    first, second, x, _ = duels(8, 1)[0]

    policy.compare(state, (first, x), (second, x), 1.0, clock=1.0)
    policy.compare(state, (first, x), (second, x), 0.0, old=1.0, clock=1.0)

    assert state.rows.values.tolist() == [0.0]
    assert state.observations[[first, second]].tolist() == [1.0, 1.0]


def test_embeddings_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"every embedding must have 3 numbers \(dim\)"):
        FGTSCDB(dim=3, embeddings=((1.0, 2.0),))


def test_a_verdict_revised_from_the_other_side_is_the_same_row() -> None:
    embeddings, _ = a_world(9)
    policy = a_policy(embeddings)
    state = policy.start(ARMS)
    first, second, x, _ = duels(9, 1)[0]

    policy.compare(state, (first, x), (second, x), 1.0, clock=1.0)
    policy.compare(state, (second, x), (first, x), 1.0, old=0.0, clock=1.0)

    assert state.rows.arms.tolist() == [[first, second]]
    assert state.rows.values.tolist() == [0.0]


def test_swapping_sides_verdict_and_what_was_shown_first_changes_nothing() -> None:
    embeddings, _ = a_world(6)
    policy = a_policy(embeddings, mu=0.0, position=True)
    one, other = policy.start(ARMS), policy.start(ARMS)
    seen = duels(6, 30)
    for clock, (first, second, x, won) in enumerate(seen):
        shown, at = (1.0, -1.0, 0.0)[clock % 3], float(clock)
        policy.compare(one, (first, x), (second, x), won, clock=at, shown=shown)
        policy.compare(other, (second, x), (first, x), 1.0 - won, clock=at, shown=-shown)
    first, second, x, won = seen[28]
    policy.compare(one, (first, x), (second, x), 0.5, old=won, clock=28.0, shown=-1.0)
    policy.compare(other, (first, x), (second, x), 0.5, old=won, clock=28.0, shown=-1.0)

    np.testing.assert_array_equal(one.rows.shown, -other.rows.shown)
    assert one.rows.values[28] == other.rows.values[28] == 0.5
    np.testing.assert_allclose(one.draws, other.draws, atol=5e-4)  # the grid, a few times


def test_a_planted_liking_for_what_comes_first_is_learned_apart() -> None:
    """Two arms alike. Readers choose what they see first with sigmoid(1.5), and arm 0 comes first
    nine times in ten: without `position` it looks the better one."""
    rng, x = np.random.default_rng(11), np.ones(1)
    seen = []
    for _ in range(300):
        is_first = bool(rng.random() < 0.9)  # whether arm 0 is shown first
        liked_first = bool(rng.random() < special.expit(1.5))
        seen.append((1.0 if is_first else -1.0, float(liked_first == is_first)))

    def learned(position: bool) -> tuple[FGTSCDB, Any]:
        policy = FGTSCDB(dim=1, position=position, mu=0.0, draws=64, moved=64, steps=10)
        state = policy.start(2)
        for clock, (shown, won) in enumerate(seen[:-1]):
            state.rows.add((0, x), (1, x), won, 1.0, float(clock), shown * position)
        shown, won = seen[-1]
        policy.compare(state, (0, x), (1, x), won, clock=float(len(seen)), shown=shown)
        for _ in range(10):
            state._move()
        return policy, state

    (plain, misled), (policy, state) = learned(False), learned(True)

    # The mode of the same posterior, with the intercept and without, by scipy.
    def mode(design: Array) -> Array:
        won = np.array([one[1] for one in seen])

        def loss(w: Array) -> float:
            u = design @ w
            return float(np.sum(np.logaddexp(0.0, u) - won * u) + 0.5 * w @ w)

        found: Array = optimize.minimize(loss, np.zeros(design.shape[1])).x
        return found

    shown = np.array([one[0] for one in seen])
    ones = np.ones(len(seen))
    beta, high, low = mode(np.column_stack((shown, ones, -ones)))
    gap = state.draws[:, :, 1] - state.draws[:, :, 2]
    assert state.draws[:, :, 0].mean() == pytest.approx(beta, abs=0.15)
    assert beta == pytest.approx(1.5, abs=0.35)
    assert gap.mean() == pytest.approx(high - low, abs=0.2)
    believed = plain.estimates(misled, np.ones((1, 1))).mean[0]
    assert believed[0] - believed[1] > 0.2
    fair = policy.estimates(state, np.ones((1, 1))).mean[0]
    assert abs(fair[0] - fair[1]) < 0.1


def test_an_order_that_nobody_asks_for_is_not_stored() -> None:
    policy = FGTSCDB(dim=2)
    one, other = policy.start(2), policy.start(2)
    x = np.ones(2)

    policy.compare(one, (0, x), (1, x), 1.0, shown=1.0)
    policy.compare(other, (0, x), (1, x), 1.0)

    assert "shown" not in one.canonical()
    assert {k: v.tobytes() for k, v in one.canonical().items()} == {
        k: v.tobytes() for k, v in other.canonical().items()
    }


def test_position_survives_a_restart_an_arm_more_and_an_arm_less() -> None:
    policy = FGTSCDB(dim=2, position=True)
    state, x = policy.start(2), np.ones(2)
    for clock in range(20):
        policy.compare(state, (0, x), (1, x), 1.0, clock=float(clock), shown=1.0)
    state.add_arm()
    beta = state.draws[:, :, 0].copy()
    back = policy.restore(state.canonical())

    assert {k: v.tobytes() for k, v in back.canonical().items()} == {
        k: v.tobytes() for k, v in state.canonical().items()
    }
    assert policy.probabilities(back, np.ones((1, 2))).shape == (1, 3)
    state.drop_arm(0)
    np.testing.assert_array_equal(state.draws[:, :, 0], beta)
    assert len(state.rows) == 0
