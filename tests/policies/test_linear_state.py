"""The regressions behind the linear policies, against plain computations."""

import numpy as np
import pytest

from policies import build
from policies.aging import faded, tick
from policies.linear import LinearPolicy
from policies.linear_state import LinearState, Prior
from policies.policy import Array


def ridge_of(policy: LinearPolicy, X: Array, r: Array, weights: Array) -> tuple[Array, Array]:
    """theta and A^-1 by least squares on the data with the prior as extra rows."""
    root = np.sqrt(policy.prior.precision())
    rows = np.concatenate((np.sqrt(weights)[:, None] * X, np.diag(root)))
    targets = np.concatenate((np.sqrt(weights) * r, root * policy.prior.mean()))
    theta = np.linalg.lstsq(rows, targets, rcond=None)[0]
    return theta, np.linalg.inv(rows.T @ rows)


def data(seed: int, count: int, dim: int) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, dim)) / np.sqrt(dim)
    X[:, -1] = 1.0
    return X, rng.random(count), rng.choice([0.5, 1.0, 2.0], count)


def one_arm(**settings: float) -> LinearPolicy:
    policy = build("linucb", dim=6, settings=settings)
    assert isinstance(policy, LinearPolicy)
    return policy


def caches(state: LinearState) -> tuple[Array, Array, Array]:
    return state.blocks.copy(), state.residuals.copy(), state.evidence.copy()


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("count", [0, 3, 500])
def test_means_and_spreads_are_those_of_ridge_regression(count: int, intercept: bool) -> None:
    policy = one_arm(ridge=0.7, intercept_ridge=0.2, prior_mean=0.6, intercept=intercept)
    X, r, weights = data(1, count, 6)
    state = policy.start(1)
    policy.estimates(state, np.ones((1, 6)))  # so that what follows goes by Sherman-Morrison steps

    for x, quality, weight in zip(X, r, weights, strict=True):
        policy.update(state, 0, x, quality, weight=weight)

    theta, inverse = ridge_of(policy, X, r, weights)
    asked = data(2, 9, 6)[0]
    got = policy.estimates(state, asked)
    spread = np.sqrt(np.einsum("nd,de,ne->n", asked, inverse, asked))
    np.testing.assert_allclose(got.mean[:, 0], asked @ theta, atol=1e-9)
    np.testing.assert_allclose(got.deviation[:, 0], spread, atol=1e-9)


def test_the_residual_is_the_penalised_squared_error() -> None:
    policy = one_arm(ridge=0.7, prior_mean=0.6)
    X, r, weights = data(1, 300, 6)
    state = policy.start(1)
    policy.estimates(state, X[:1])

    for x, quality, weight in zip(X, r, weights, strict=True):
        policy.update(state, 0, x, quality, weight=weight)

    theta, _ = ridge_of(policy, X, r, weights)
    lag = theta - policy.prior.mean()
    error = weights @ (r - X @ theta) ** 2 + policy.prior.precision() @ lag**2
    np.testing.assert_allclose(state.residuals[0], error, rtol=1e-10)


@pytest.mark.parametrize("rows", [1, 5, 300])
def test_a_large_batch_is_read_in_parts_that_fit_together(rows: int) -> None:
    policy = build("linucb", dim=24)
    X, r, _ = data(3, 40, 24)
    state = policy.start(120)  # 3,000 rows of inverses: parts of 87 contexts
    for i in range(40):
        policy.update(state, i % 7, X[i], r[i])

    asked = data(4, rows, 24)[0]
    got = policy.estimates(state, asked)

    last = policy.estimates(state, asked[-1:])
    np.testing.assert_allclose(got.mean[-1:], last.mean, atol=1e-12)
    np.testing.assert_allclose(got.deviation[-1:], last.deviation, atol=1e-12)


def test_data_fades_by_half_and_the_prior_never() -> None:
    policy = build("linucb", dim=2, half_life=10.0, settings={"ridge": 3.0, "intercept_ridge": 2.0})
    state = policy.start(1)
    x = np.array([2.0, 1.0])
    policy.update(state, 0, x, 0.9, weight=4.0, clock=50.0)

    for halvings in (0, 1, 2, 1000):
        now = 50.0 + 10.0 * halvings  # on a tick: 60 is 384 times 10 / 64
        got = policy.estimates(state, x[None], clock=tick(now, 10.0))
        A = np.diag([3.0, 2.0]) + 4.0 * faded(tick(now, 10.0) - 50.0, 10.0) * np.outer(x, x)
        np.testing.assert_allclose(got.deviation[0, 0], np.sqrt(x @ np.linalg.solve(A, x)))


def test_an_unplayed_arm_fades_like_a_played_one() -> None:
    policy = build("linucb", dim=1, half_life=10.0, settings={"intercept_ridge": 1.0})
    state = policy.start(2)
    x = np.ones(1)
    for arm in (0, 1):
        policy.update(state, arm, x, 0.9, weight=9.0, clock=0.0)
    before = policy.estimates(state, x[None], clock=0.0).deviation[0]

    policy.update(state, 0, x, 0.9, clock=100.0)

    after = policy.estimates(state, x[None], clock=100.0).deviation[0]
    assert after[1] > before[1]
    np.testing.assert_allclose(after[1], 1.0 / np.sqrt(1.0 + 9.0 * 2.0**-10.0), rtol=1e-6)


def test_a_burst_of_late_feedback_does_not_wash_out_the_rest() -> None:
    # 1000 qualities of clocks 0..999, half-life 138 (0.995 a step), all told at clock 2000: what is
    # left of them is the sum of 0.995^(2000 - t), about 1.3.
    policy = build("linucb", dim=1, half_life=np.log(0.5) / np.log(0.995))
    state = policy.start(1)
    policy.update(state, 0, np.ones(1), 1.0, clock=2000.0)

    for t in range(1000):
        policy.update(state, 0, np.ones(1), 0.0, clock=float(t))

    wanted = 1.0 + sum(0.995 ** (2000 - t) for t in range(1000))
    assert state.canonical()["sums"][0, -1, -1] == pytest.approx(wanted, rel=1e-9)
    assert wanted == pytest.approx(2.3, abs=0.1)


def test_reading_within_a_tick_rebuilds_nothing() -> None:
    policy = build("linucb", dim=1, half_life=64.0)
    state = policy.start(1)
    policy.update(state, 0, np.ones(1), 1.0, clock=5.5)

    policy.estimates(state, np.ones((1, 1)), clock=5.6)
    blocks = state.blocks.copy()
    policy.estimates(state, np.ones((1, 1)), clock=6.0)
    np.testing.assert_array_equal(state.blocks, blocks)
    policy.estimates(state, np.ones((1, 1)), clock=6.1)
    assert (state.blocks != blocks).any()


def test_a_rebuild_depends_on_nothing_but_sums_prior_and_tick() -> None:
    policy = build("linucb", dim=5, half_life=30.0)
    X, r, _ = data(1, 200, 5)
    state = policy.start(2)
    for i in range(200):
        policy.update(state, i % 2, X[i], r[i], clock=float(i))
        policy.estimates(state, X[:1], clock=float(i))

    one, other = state.copy(), policy.restore(state.canonical())
    for rebuilt in (one, other):
        policy.estimates(rebuilt, X[:1], clock=199.0)

    for a, b, kept in zip(caches(one), caches(other), caches(state), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(kept, a, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("half_life", [None, 230.0])  # 230 steps: 0.997 a step
def test_a_hundred_thousand_updates_do_not_drift(half_life: float | None) -> None:
    # One-hot blocks of 4 and 6 levels with a constant are collinear: no data ever comes in
    # the directions their sums differ in. Decayed with the data, the ridge would vanish there.
    rng = np.random.default_rng(0)
    dim, ridge = 11, 0.05
    X = np.zeros((1000, dim))
    X[np.arange(1000), rng.integers(0, 4, 1000)] = 1.0
    X[np.arange(1000), 4 + rng.integers(0, 6, 1000)] = 1.0
    X[:, -1] = 1.0
    r = rng.random(1000)
    settings = {"ridge": ridge, "intercept_ridge": ridge}
    policy = build("linucb", dim=dim, half_life=half_life, settings=settings)
    state = policy.start(1)

    for t in range(100_000):
        if t % 40 == 0:
            policy.estimates(state, X[:1], clock=float(t))
        policy.update(state, 0, X[t % 1000], r[t % 1000], clock=float(t))

    policy.estimates(state, X[:1], clock=100_000.0)
    rebuilt = state.copy()
    policy.estimates(rebuilt, X[:1], clock=100_000.0)
    for kept, exact in zip(caches(state), caches(rebuilt), strict=True):
        np.testing.assert_allclose(kept, exact, rtol=1e-9, atol=1e-9)
    least = 1.0 / np.linalg.eigvalsh(rebuilt.blocks[0, :dim]).max()
    assert least == pytest.approx(ridge, rel=1e-9)


def test_many_steps_between_rebuilds_stay_within_a_billionth() -> None:
    policy = build("linucb", dim=8)
    X, r, _ = data(5, 999, 8)
    state = policy.start(1)
    policy.estimates(state, X[:1])
    for x, quality in zip(X, r, strict=True):
        policy.update(state, 0, x, quality)

    rebuilt = state.copy()
    policy.estimates(rebuilt, X[:1])

    assert not state.stale
    for kept, exact in zip(caches(state), caches(rebuilt), strict=True):
        np.testing.assert_allclose(kept, exact, rtol=1e-9, atol=1e-9)


EXTREME = 3000  # updates
LINEAR = {
    "linucb": ("linucb", {}),
    "linucb_oful": ("linucb", {"oful": 1.0}),
    "linear_thompson": ("linear_thompson", {}),
    "linear_thompson_unknown": ("linear_thompson", {"unknown_noise": 1.0}),
    "squarecb": ("squarecb", {}),
    "epsilon_greedy": ("epsilon_greedy", {}),
}


EXTREMES = ("large", "seven hundred thousand", "mixed", "graded", "collinear")


def extreme(kind: str, dim: int = 7) -> Array:
    """Contexts up to the largest magnitude the service accepts, the constant last."""
    rng = np.random.default_rng(8)
    X = rng.uniform(-1.0, 1.0, (EXTREME, dim))
    if kind == "large":
        X *= 1e6
    elif kind == "seven hundred thousand":
        X = 7e5 + X
    elif kind == "mixed":
        X *= 10.0 ** rng.uniform(-6.0, 6.0, X.shape)
    elif kind == "graded":
        X *= 10.0 ** np.linspace(-6.0, 6.0, dim)
    elif kind == "collinear":
        X *= 1e6
        X[:, 1] = X[:, 0]
        X[:, 2] = X[:, 0] - X[:, 3]
        X[:, 4] = X[:, 3] * 1e-9
    X = np.clip(X, -1e6, 1e6)
    X[:, -1] = 1.0
    return X


# Every kind with every half-life for one algorithm or another, and every algorithm with every kind.
@pytest.mark.parametrize(
    ("name", "kind", "half_life"),
    [
        (name, kind, (None, 200.0)[(i + j) % 2])
        for i, name in enumerate(LINEAR)
        for j, kind in enumerate(EXTREMES)
    ],
)
def test_no_accepted_context_is_too_extreme(name: str, kind: str, half_life: float | None) -> None:
    algorithm, special = LINEAR[name]
    settings = {"ridge": 1e-3, "intercept_ridge": 1e-3, **special}
    X, arms = extreme(kind), 3
    policy = build(algorithm, dim=X.shape[1], half_life=half_life, settings=settings)
    r = np.random.default_rng(9).random(EXTREME)
    read, unread = policy.start(arms), policy.start(arms)

    for t in range(EXTREME):
        policy.update(read, t % arms, X[t], r[t], clock=float(t))
        policy.update(unread, t % arms, X[t], r[t], clock=float(t))
        if t % 30 == 0 or t < 30:
            rows = X[t : t + 1 + t % 60]  # one and several
            chances = policy.probabilities(read, rows, clock=float(t))
            assert (chances >= -1e-12).all()
            np.testing.assert_allclose(chances.sum(axis=1), 1.0, atol=1e-9)
            believed = policy.estimates(read, rows, clock=float(t))
            assert np.isfinite(believed.mean).all()
            assert np.isfinite(believed.deviation).all()

    for key, sums in read.canonical().items():
        np.testing.assert_array_equal(sums, unread.canonical()[key])
    policy.probabilities(read, X[:1], clock=1e4)
    policy.probabilities(unread, X[:1], clock=1e4)
    for state in (read, unread):
        assert all(np.isfinite(cache).all() for cache in caches(state))


@pytest.mark.parametrize("kind", ["large", "graded"])
def test_a_step_that_would_lose_the_digits_is_a_rebuild_instead(kind: str) -> None:
    policy = build("linucb", dim=7, settings={"ridge": 1e-3})
    X = extreme(kind)
    state = policy.start(1)
    policy.estimates(state, X[:1])

    for t in range(600):
        policy.update(state, 0, X[t], 0.5)
        if t < 100:
            policy.estimates(state, X[:1])

    assert not state.stale  # once every direction is known, steps do
    rebuilt = state.copy()
    got, exact = policy.estimates(state, X[:9]), policy.estimates(rebuilt, X[:9])
    np.testing.assert_allclose(got.mean, exact.mean, rtol=1e-6)
    np.testing.assert_allclose(got.deviation, exact.deviation, rtol=1e-6)


def test_collinear_features_of_any_scale_are_learned() -> None:
    policy = build("linucb", dim=4, settings={"ridge": 1e-3, "intercept_ridge": 1e-3})
    rng = np.random.default_rng(4)
    x = rng.uniform(-1.0, 1.0, (500, 2))
    X = np.stack((1e6 * x[:, 0], 1e6 * x[:, 0], x[:, 1], np.ones(500)), axis=1)
    r = 0.5 + 0.2 * x[:, 0] + 0.1 * x[:, 1]
    state = policy.start(1)

    for row, quality in zip(X, r, strict=True):
        policy.update(state, 0, row, quality)

    np.testing.assert_allclose(policy.estimates(state, X).mean[:, 0], r, atol=1e-3)


def test_what_withdrawn_data_leaves_behind_can_be_read() -> None:
    X = extreme("large")[:300]
    policy = build("linear_thompson", dim=7, settings={"ridge": 1e-3, "unknown_noise": 1.0})
    state = policy.start(2)
    for x in X:
        policy.update(state, 0, x, 0.7)
    for x in X[::-1]:
        policy.revise(state, 0, x, 0.7, None)
        assert np.isfinite(policy.probabilities(state, X[:2])).all()

    # Whatever rounding leaves, at its worst: no sign is sure.
    sums = np.random.default_rng(0).normal(size=(20, 9, 9))
    rests = {"sums": sums + sums.transpose(0, 2, 1), "clocks": np.zeros(20)}
    left = policy.restore({**rests, "observations": np.zeros(20)})
    np.testing.assert_allclose(policy.probabilities(left, X[:2]).sum(axis=1), 1.0)


def test_a_rebuild_that_needs_help_gives_equal_bits_each_time() -> None:
    prior = Prior(7, None, intercept=True, ridge=1e-6, intercept_ridge=1e-6, prior_mean=1.0)
    X = extreme("collinear")
    state = LinearState.empty(prior, 1)
    for t in range(1000):
        state.learn(0, X[t], 0.3, 1.0, 0.0)
        if t % 50 == 0:
            state.read(X[:1], 0.0)

    one, other = state.copy(), LinearState.restored(prior, state.canonical())
    for rebuilt in (one, other):
        rebuilt.refresh(0.0)

    for a, b in zip(caches(one), caches(other), strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.isfinite(a).all()
    assert (np.diagonal(one.blocks[0]) > 0.0).all()
