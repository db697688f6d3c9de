"""The hierarchical model against the dense Gaussian model that it stands for."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from policies import build
from policies.hierarchical_prior import SharedPrior
from policies.hierarchical_state import HierarchicalState, Member
from policies.hierarchical_thompson import HierarchicalThompson
from policies.policy import Array
from policies.priors import ArmPrior, Priors
from tests.policies.worlds import ARMS, DIM, Seen, some_observations

DEARNESS = (-1.0, 0.5, 0.0)  # the fourth arm's is not known
NOW = 60.0


# The second arm has weights, the third a level, the fourth both.
PRIORS = Priors(
    arms=(
        None,
        ArmPrior(weights=(0.4, -0.3), n_eff=6.0),
        ArmPrior(level=0.2, n_eff=9.0),
        ArmPrior(weights=(-0.1, 0.2), level=0.7, n_eff=4.0),
    ),
    spread=(0.5, 2.0),
)


def policy_of(
    half_life: float | None = None, priors: Priors | None = None, **settings: float
) -> HierarchicalThompson:
    made = build(
        "hierarchical_thompson",
        dim=DIM,
        half_life=half_life,
        settings={"ridge_spread": 3.0, "price_prior": 0.1, **settings},
        dearness=DEARNESS,
        priors=priors,
    )
    assert isinstance(made, HierarchicalThompson)
    return made


def taught(policy: HierarchicalThompson, seen: list[Seen]) -> HierarchicalState:
    state = policy.start(ARMS)
    for s in seen:
        policy.update(state, s.arm, s.context, s.quality, weight=s.weight, clock=s.clock)
    return state


class Dense:
    """One Gaussian of the shared weights and of all arms', its covariance written out: what was
    told is conditioned upon row by row, then all observations. No sums, no blocks."""

    def __init__(self, prior: SharedPrior, ridge: float, seen: list[Seen], age: Array) -> None:
        everyone = np.ones((ARMS + 1, ARMS + 1))
        own = np.diag([0.0] + [1.0] * ARMS)
        shared_precision, precision = np.full((2, DIM), ridge)
        shared_precision = ridge * np.full(DIM, prior.shared_share)
        shared_precision[-1], precision[-1] = prior.intercept_ridge, prior.arm_ridge
        covariance = np.kron(everyone, np.diag(1.0 / shared_precision))
        covariance += np.kron(own, np.diag(1.0 / precision))
        mean = np.zeros((ARMS + 1, DIM))
        mean[1:, -1] = [*prior.levels, prior.level][:ARMS]
        self.mean, self.covariance = _conditioned(
            mean.ravel(), covariance, *_told_rows(prior.priors)
        )
        self.prior, self.weights = prior, np.array([s.weight for s in seen]) * age
        self.rows = np.array([_row(s.context, s.arm) for s in seen])
        quality = np.array([s.quality for s in seen])
        self.left = quality - self.rows @ self.mean
        self.marginal = self.rows @ self.covariance @ self.rows.T + np.diag(1.0 / self.weights)
        self.after, self.left_over = _conditioned(
            self.mean, self.covariance, self.rows, quality, self.weights
        )

    def expected(self, x: Array, arm: int) -> float:
        return float(_row(x, arm) @ self.after)

    def spread_given_shared(self, x: Array, arm: int) -> float:
        """Conditioning upon the shared weights, too: as if they were seen, without noise."""
        shared = np.eye(DIM, len(self.after))
        cross = shared @ self.left_over @ _row(x, arm)
        known = np.linalg.solve(shared @ self.left_over @ shared.T, cross)
        return float(_row(x, arm) @ self.left_over @ _row(x, arm) - cross @ known)

    def variance(self) -> float:
        error = float(self.left @ np.linalg.solve(self.marginal, self.left))
        count, noise = self.prior.noise_count, self.prior.noise
        return float((count * noise**2 + error) / (count + self.weights.sum()))

    def log_evidence(self) -> float:
        """The density of a Student's t at the data, but for what the ridge has no part in.

        The marginal over an inverse-gamma noise, from the Gaussian at unit noise.
        """
        unit = multivariate_normal(np.zeros(len(self.left)), self.marginal)
        error = float(self.left @ np.linalg.solve(self.marginal, self.left))
        at_unit_noise = float(unit.logpdf(self.left)) + 0.5 * error
        total = self.prior.noise_count + self.weights.sum()
        return float(at_unit_noise - 0.5 * total * np.log(self.variance()))


def _row(x: Array, arm: int) -> Array:
    """x at the place of the arm's weights; the shared ones come first."""
    row = np.zeros((ARMS + 1, DIM))
    row[1 + arm] = x
    return row.ravel()


def _told_rows(priors: Priors) -> tuple[Array, Array, Array]:
    """Rows, values and weights: n_eff looks at a level, n_eff times its spread at each weight."""
    spread = priors.spread or (1.0 / (DIM - 1),) * (DIM - 1)
    made: list[tuple[Array, float, float]] = []
    for arm, told in enumerate(priors.arms):
        if told is not None and told.weights is not None:
            for i, value in enumerate(told.weights):
                count = told.n_eff * spread[i] if told.ridge is None else told.ridge
                made.append((_row(np.eye(DIM)[i], arm), value, count))
        if told is not None and told.level is not None:
            made.append((_row(np.eye(DIM)[-1], arm), told.level, told.n_eff))
    made = [one for one in made if one[2] > 0.0]
    rows = np.array([row for row, _, _ in made]).reshape(-1, (ARMS + 1) * DIM)
    return rows, np.array([one for _, one, _ in made]), np.array([count for _, _, count in made])


def _conditioned(
    mean: Array, covariance: Array, rows: Array, values: Array, weights: Array
) -> tuple[Array, Array]:
    """A Gaussian after `values` were seen at `rows`, with noise of variance 1 / weights."""
    cross = covariance @ rows.T
    gain = np.linalg.solve(rows @ cross + np.diag(1.0 / weights), cross.T).T
    return mean + gain @ (values - rows @ mean), covariance - gain @ cross.T


def denses(state: HierarchicalState, seen: list[Seen], half_life: float | None) -> list[Dense]:
    clocks = np.array([s.clock for s in seen])
    age = np.ones(len(seen)) if half_life is None else 2.0 ** (-(state.ticked - clocks) / half_life)
    return [Dense(state.prior, ridge, seen, age) for ridge in state.prior.ridges]


def assert_as_dense(state: HierarchicalState, seen: list[Seen], half_life: float | None) -> None:
    policy_contexts = np.array([s.context for s in some_observations(seed=9, count=5)])
    means, spreads, noise = state.read(policy_contexts, NOW)
    dense = denses(state, seen, half_life)
    best = max(dense, key=Dense.log_evidence)

    evidences = np.array([d.log_evidence() for d in dense])
    ours = np.array([state.log_evidence(member) for member in state.members])
    np.testing.assert_allclose(ours - ours[0], evidences - evidences[0], rtol=1e-9, atol=1e-8)
    np.testing.assert_allclose(noise**2, best.variance(), rtol=1e-9)
    for row, x in enumerate(policy_contexts):
        expected = [best.expected(x, arm) for arm in range(ARMS)]
        np.testing.assert_allclose(means[row], expected, rtol=1e-9, atol=1e-9)
        wide = [best.spread_given_shared(x, arm) for arm in range(ARMS)]
        np.testing.assert_allclose(spreads[row], wide, rtol=1e-9)
        one, _, _ = state.read(x[None], NOW)
        np.testing.assert_allclose(one[0], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("priors", [None, PRIORS], ids=["cold", "warm"])
@pytest.mark.parametrize("half_life", [None, 20.0])
def test_rank_one_steps_and_rebuilds_both_give_the_dense_model(half_life, priors):
    policy = policy_of(half_life, priors)
    seen = some_observations(seed=4)
    state = policy.start(ARMS)
    policy.estimates(state, seen[0].context[None], clock=NOW)  # from here on by steps
    for s in seen:
        policy.update(state, s.arm, s.context, s.quality, weight=s.weight, clock=s.clock)
    assert not state.stale

    assert_as_dense(state, seen, half_life)
    assert_as_dense(policy.restore(state.canonical()), seen, half_life)


@pytest.mark.parametrize("priors", [None, PRIORS], ids=["cold", "warm"])
def test_a_revision_by_steps_gives_the_dense_model_of_the_new_value(priors):
    policy, seen = policy_of(priors=priors), some_observations(seed=5)
    state = taught(policy, seen)
    policy.estimates(state, seen[0].context[None])
    for at in (3, 17, 3):
        s, new = seen[at], 1.0 - seen[at].quality / 2.0
        policy.revise(state, s.arm, s.context, s.quality, new, weight=s.weight, clock=s.clock)
        seen[at] = Seen(s.arm, s.context, new, s.weight, s.clock)
    assert not state.stale

    assert_as_dense(state, seen, None)


def test_evidence_finds_out_whether_the_context_matters():
    """20 worlds: noise alone takes the strongest ridge, a steep slope the weakest."""
    policy = HierarchicalThompson(dim=9, ridge_spread=12.0)
    strongest: list[int] = []
    weakest: list[int] = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        slopes = rng.normal(size=(3, 8))
        for steep, found in ((0.0, strongest), (0.5, weakest)):
            state = policy.start(3)
            for _ in range(300):
                arm, x = int(rng.integers(3)), np.append(rng.normal(size=8) / 8**0.5, 1.0)
                quality = 0.5 + steep * float(slopes[arm] @ x[:-1]) + 0.1 * rng.normal()
                policy.update(state, arm, x, quality)
            state.refresh(0.0)
            found.append(state.members.index(state.best()))

    assert strongest.count(2) >= 18
    assert weakest.count(0) >= 18


def test_an_untaught_arm_is_expected_to_be_like_the_others():
    policy = HierarchicalThompson(dim=2, dearness=(0.0, 0.0, 0.0))
    state = policy.start(3)
    for turn in range(200):
        policy.update(state, turn % 2, np.array([0.1 * (turn % 3), 1.0]), 0.4)

    untaught = policy.estimates(state, np.array([[0.1, 1.0]])).mean[0, 2]

    assert untaught == pytest.approx(0.4, abs=0.05)  # prior_mean is 1


def test_the_dear_arm_is_expected_to_be_better_until_the_data_speak():
    policy = policy_of(price_prior=0.2)
    x = np.array([[0.0, 0.0, 1.0]])
    before = policy.estimates(policy.start(ARMS), x).mean[0]
    state = policy.start(ARMS)
    for turn in range(2000):
        policy.update(state, turn % ARMS, x[0], 0.3 + 0.2 * (turn % ARMS == 0))

    np.testing.assert_allclose(before, [0.8, 1.1, 1.0, 1.0], atol=1e-12)
    after = policy.estimates(state, x).mean[0]
    np.testing.assert_allclose(after, [0.5, 0.3, 0.3, 0.3], atol=0.02)


@pytest.mark.parametrize("half_life", [None, 20.0])
def test_a_told_level_says_what_as_many_requests_would(half_life):
    """Told, or seen just now with the features at 0: the same means and spreads of every arm."""
    seen = some_observations(seed=7)
    told = Priors((None, None, ArmPrior(level=0.2, n_eff=9.0), ArmPrior(level=0.7, n_eff=4.0)))
    warm = policy_of(half_life, told, ridge_spread=1.0)
    cold = policy_of(half_life, ridge_spread=1.0)
    now, nowhere = 64.0 * 20.0, np.array([0.0, 0.0, 1.0])
    state, as_seen = taught(warm, seen), taught(cold, seen)
    for arm, level, n_eff in ((2, 0.2, 9.0), (3, 0.7, 4.0)):
        cold.update(as_seen, arm, nowhere, level, weight=n_eff, clock=now)
    asked = np.array([s.context for s in some_observations(seed=8, count=5)])

    means, spreads, _ = state.read(asked, now)
    seen_means, seen_spreads, _ = as_seen.read(asked, now)

    np.testing.assert_allclose(means, seen_means, rtol=1e-9)
    np.testing.assert_allclose(spreads, seen_spreads, rtol=1e-9)


def test_a_told_level_stands_where_the_others_have_turned_out_otherwise():
    """Untold, a new arm is expected to be like the others, .3; told, to be what was told."""
    policy = policy_of(priors=Priors((None, None, None, ArmPrior(level=0.9, n_eff=1e5))))
    x = np.array([[0.0, 0.0, 1.0]])
    state = policy.start(ARMS - 1)
    for turn in range(300):
        policy.update(state, turn % 3, x[0], 0.3)
    state.add_arm()

    assert policy.estimates(state, x).mean[0, 3] == pytest.approx(0.9, abs=1e-3)
    untold = policy_of()
    assert untold.estimates(untold.restore(state.canonical()), x).mean[0, 3] < 0.4


def test_what_is_told_of_an_arm_that_is_there_already_is_as_if_it_had_been_told_at_first():
    cold, later, seen = policy_of(), policy_of(priors=PRIORS), some_observations(seed=3)
    state = taught(cold, seen)
    later.estimates(state, seen[0].context[None])  # takes the state over, with its steps
    for s in seen:
        later.update(state, s.arm, s.context, s.quality, weight=s.weight, clock=s.clock)

    assert_as_dense(state, [*seen, *seen], None)


def requests_of_a_newcomer(told: ArmPrior | None, quality: float, seed: int) -> list[int]:
    """When a fourth arm was chosen, among others of .7, .5 and .4 that are known by then."""
    truth, rng = np.array([0.7, 0.5, 0.4, quality]), np.random.default_rng(seed)
    policy = HierarchicalThompson(dim=DIM, priors=Priors((None, None, None, told)))
    state, chosen = policy.start(ARMS - 1), []
    for turn in range(450):
        if turn == 300:
            state.add_arm()
        x = np.append(0.5 * rng.normal(size=DIM - 1), 1.0)
        luck, draw = rng.random(ARMS), float(rng.random())
        chances = policy.probabilities(state, x[None])[0]
        arm = min(int(np.searchsorted(chances.cumsum(), draw)), len(chances) - 1)
        policy.update(state, arm, x, float(luck[arm] < truth[arm]))
        if arm == 3:
            chosen.append(turn - 300)
    return chosen


def test_a_good_newcomer_that_was_told_of_is_adopted_sooner_and_a_bad_one_is_dropped_sooner():
    """12 streams. A newcomer is adopted with its 30th request."""
    good, bad = ArmPrior(level=1.0, n_eff=10.0), ArmPrior(level=0.2, n_eff=10.0)

    def adopted(told: ArmPrior | None) -> float:
        streams = [requests_of_a_newcomer(told, 0.9, seed) for seed in range(12)]
        return float(np.mean([one[29] if len(one) >= 30 else 150 for one in streams]))

    def wasted(told: ArmPrior | None) -> float:
        return float(np.mean([len(requests_of_a_newcomer(told, 0.2, s)) for s in range(12)]))

    assert adopted(good) < 0.8 * adopted(None)
    assert wasted(bad) < 0.5 * wasted(None)


def test_optimism_shifts_every_draw_by_its_own_deviation():
    from policies.gaussian_best import chance_of_best

    policy = policy_of(width=0.4, optimism=1.5)
    state, x = taught(policy, some_observations(seed=6)), np.array([[0.3, -0.2, 1.0]])
    belief = policy.estimates(state, x)
    wide = 0.4 * belief.deviation

    np.testing.assert_allclose(
        policy.probabilities(state, x), chance_of_best(belief.mean + 1.5 * wide, wide), atol=1e-12
    )


def test_steps_stay_with_a_rebuild_over_a_long_life():
    """One-hot, collinear with the constant, forgetting: what once led to NaN."""
    policy = HierarchicalThompson(dim=5, half_life=300.0)
    state, rng = policy.start(3), np.random.default_rng(0)
    for clock in range(20_000):
        x = np.zeros(5)
        x[rng.integers(4)] = x[4] = 1.0
        policy.update(state, int(rng.integers(3)), x, float(rng.random()), clock=float(clock))
        if clock % 500 == 0:
            policy.estimates(state, x[None], clock=float(clock + 1))
    asked = np.eye(5)[:4] + np.eye(5)[4]

    ours = policy.estimates(state, asked, clock=20_000.0)
    afresh = policy.estimates(policy.restore(state.canonical()), asked, clock=20_000.0)

    np.testing.assert_allclose(ours.mean, afresh.mean, rtol=1e-9)
    np.testing.assert_allclose(ours.deviation, afresh.deviation, rtol=1e-9)


def test_a_step_that_would_lose_digits_is_left_to_a_rebuild():
    policy = policy_of()
    state, x = policy.start(ARMS), np.array([1e5, 0.0, 1.0])
    policy.estimates(state, x[None])

    policy.update(state, 0, x, 0.5)

    assert state.stale
    assert np.isfinite(policy.estimates(state, x[None]).mean).all()
    assert all(isinstance(member, Member) for member in state.members)
