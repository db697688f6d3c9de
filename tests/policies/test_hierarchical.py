"""The hierarchical model against the dense Gaussian model that it stands for."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from policies import build
from policies.hierarchical_member import Member
from policies.hierarchical_prior import SharedPrior
from policies.hierarchical_state import HierarchicalState
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
# Every weight of every arm, one of them to an exact precision.
COMPLETE = Priors(
    arms=tuple(
        ArmPrior(weights=(0.1 * arm, -0.2), level=0.5, n_eff=3.0 + arm, ridge=2.0 if arm else None)
        for arm in range(ARMS)
    )
)
SLOPES = Priors(arms=tuple(ArmPrior(weights=(0.3, 0.1 * arm), n_eff=4.0) for arm in range(ARMS)))
LEVELS = Priors(arms=tuple(ArmPrior(level=0.2 * arm, n_eff=2.0 * arm) for arm in range(ARMS)))
WARMTHS = pytest.mark.parametrize(
    "priors",
    [None, PRIORS, COMPLETE, SLOPES, LEVELS],
    ids=["cold", "some", "everything", "slopes", "levels"],
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
    """One Gaussian of what all arms share, of what the told ones do, and of all arms' weights,
    its covariance written out and conditioned upon all observations. No sums, no blocks."""

    def __init__(self, prior: SharedPrior, ridge: float, seen: list[Seen], age: Array) -> None:
        mean, covariance = _believed(prior, ridge)
        self.prior, self.weights = prior, np.array([s.weight for s in seen]) * age
        rows = np.array([_row(s.context, s.arm) for s in seen])
        quality = np.array([s.quality for s in seen])
        self.left = quality - rows @ mean
        self.marginal = rows @ covariance @ rows.T + np.diag(1.0 / self.weights)
        gain = np.linalg.solve(self.marginal, rows @ covariance).T
        self.after, self.left_over = mean + gain @ self.left, covariance - gain @ rows @ covariance

    def expected(self, x: Array, arm: int) -> float:
        return float(_row(x, arm) @ self.after)

    def spread_given_shared(self, x: Array, arm: int) -> float:
        """Conditioning upon the shared weights, too: as if they were seen, without noise."""
        row, shared = _row(x, arm), self.left_over[: 2 * DIM]
        used = np.flatnonzero(shared.diagonal())  # what no arm leans on has no variance here
        cross = shared[used] @ row
        known = np.linalg.solve(shared[np.ix_(used, used)], cross)
        return float(row @ self.left_over @ row - cross @ known)

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
    """x at the place of the arm's weights; what is shared comes first."""
    row = np.zeros((ARMS + 2, DIM))
    row[2 + arm] = x
    return row.ravel()


def _believed(prior: SharedPrior, ridge: float) -> tuple[Array, Array]:
    """Mean and covariance at unit noise of beta, gamma and theta_1 ... theta_K, by weights."""
    alone, shared = np.full((2, DIM), ridge)
    shared = shared * prior.shared_share
    alone[-1], shared[-1] = prior.arm_ridge, prior.intercept_ridge
    mean = np.zeros((ARMS + 2, DIM))
    mean[2:, -1] = [*prior.levels, prior.level][:ARMS]
    covariance = np.zeros((ARMS + 2, DIM, ARMS + 2, DIM))
    told = _told(prior.priors)
    for i in range(DIM):
        untold_variance = 1.0 / alone[i] + 1.0 / shared[i]
        variances = {  # of a told weight: exactly the ridge, or n_eff looks more
            arm: 1.0 / looks if is_exact else 1.0 / (1.0 / untold_variance + looks)
            for (arm, at), (_, looks, is_exact) in told.items()
            if at == i
        }
        covariance[0, i, 0, i] = 1.0 / shared[i]
        covariance[1, i, 1, i] = 0.5 * min(variances.values(), default=0.0)
        for arm in range(ARMS):
            source, variance = (1, variances[arm]) if arm in variances else (0, untold_variance)
            leaned = covariance[source, i, source, i]
            covariance[2 + arm, i, source, i] = covariance[source, i, 2 + arm, i] = leaned
            for other in range(ARMS):
                if (other in variances) == (arm in variances):
                    covariance[2 + arm, i, 2 + other, i] = leaned
            covariance[2 + arm, i, 2 + arm, i] = variance
            if arm in variances:
                mean[2 + arm, i] = told[arm, i][0]
    side = (ARMS + 2) * DIM
    return mean.ravel(), covariance.reshape(side, side)


def _told(priors: Priors) -> dict[tuple[int, int], tuple[float, float, bool]]:
    """(arm, weight) -> what was told, by how many looks at it, and whether that is exact."""
    spread = priors.spread or (1.0 / (DIM - 1),) * (DIM - 1)
    made: dict[tuple[int, int], tuple[float, float, bool]] = {}
    for arm, told in enumerate(priors.arms):
        if told is not None and told.weights is not None:
            for i, value in enumerate(told.weights):
                exact = told.ridge is not None
                made[arm, i] = value, told.ridge or told.n_eff * spread[i], exact
        if told is not None and told.level is not None:
            made[arm, DIM - 1] = told.level, told.n_eff, False
    return made


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


@WARMTHS
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


@WARMTHS
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


def test_before_any_data_a_warm_start_is_what_was_told():
    policy = policy_of(priors=PRIORS)
    x = np.array([[1.0, 2.0, 1.0]])

    believed = policy.estimates(policy.start(ARMS), x).mean[0]

    # Levels by dearness: 0.9, 1.05, 1.0 and 1.0; the last two have their own.
    np.testing.assert_allclose(believed, [0.9, 1.05 + 0.4 - 0.6, 0.2, 0.7 - 0.1 + 0.4], atol=1e-12)


@pytest.mark.parametrize("half_life", [None, 20.0])
def test_a_told_level_stands_whatever_the_others_have_turned_out_to_be(half_life):
    """Told .9 by 12 requests of an arm that comes late; then it is asked 12 times, and fails.

    Untold it would be expected to be like the others, who have earned .3 throughout.
    """
    policy = policy_of(half_life, Priors((None, None, None, ArmPrior(level=0.9, n_eff=12.0))))
    x, state = np.array([[0.0, 0.0, 1.0]]), policy.start(ARMS - 1)
    for turn in range(300):
        policy.update(state, turn % 3, x[0], 0.3, clock=float(turn))
    state.add_arm()
    now = 64.0 * 20.0 if half_life else 300.0

    assert policy.estimates(state, x, clock=now).mean[0, 3] == pytest.approx(0.9, abs=1e-12)
    untold = policy_of(half_life)
    assert untold.estimates(untold.restore(state.canonical()), x, clock=300.0).mean[0, 3] < 0.4
    policy.update(state, 3, x[0], 0.0, weight=12.0, clock=now)
    strength = 12.0 + 1.0 / (1.0 / 8.0 + 1.0 / 0.3)  # and what the policy knows by itself
    after = policy.estimates(state, x, clock=now).mean[0, 3]
    assert after == pytest.approx(0.9 * strength / (strength + 12.0), rel=1e-9)


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
    for turn in range(300):
        if turn == 150:
            state.add_arm()
        x = np.append(0.5 * rng.normal(size=DIM - 1), 1.0)
        luck, draw = rng.random(ARMS), float(rng.random())
        chances = policy.probabilities(state, x[None])[0]
        arm = min(int(np.searchsorted(chances.cumsum(), draw)), len(chances) - 1)
        policy.update(state, arm, x, float(luck[arm] < truth[arm]))
        if arm == 3:
            chosen.append(turn - 150)
    return chosen


def test_a_good_newcomer_that_was_told_of_is_adopted_sooner_and_a_bad_one_is_dropped_sooner():
    """6 streams. A newcomer is adopted with its 30th request."""
    good, bad = ArmPrior(level=1.0, n_eff=10.0), ArmPrior(level=0.2, n_eff=10.0)

    def adopted(told: ArmPrior | None) -> float:
        streams = [requests_of_a_newcomer(told, 0.9, seed) for seed in range(6)]
        return float(np.mean([one[29] if len(one) >= 30 else 150 for one in streams]))

    def wasted(told: ArmPrior | None) -> float:
        return float(np.mean([len(requests_of_a_newcomer(told, 0.2, s)) for s in range(6)]))

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
