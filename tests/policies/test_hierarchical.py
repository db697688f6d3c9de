"""The hierarchical model against the dense Gaussian model that it stands for."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from policies import build
from policies.hierarchical_state import HierarchicalState, Member, SharedPrior
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
    """All observations in one Gaussian with its covariance written out: no sums, no blocks."""

    def __init__(self, prior: SharedPrior, ridge: float, seen: list[Seen], age: Array) -> None:
        self.own = 1.0 / prior.precisions(ridge, ARMS)
        self.shared = 1.0 / prior.shared_precision(ridge)
        self.leads = prior.leads(ARMS)
        self.x = np.array([s.context for s in seen])
        self.arm = np.array([s.arm for s in seen])
        weights = np.array([s.weight for s in seen]) * age
        self.covariance = self.between(self.x, self.arm, self.x, self.arm) + np.diag(1.0 / weights)
        self.left = np.array([s.quality for s in seen]) - (self.x * self.leads[self.arm]).sum(
            axis=1
        )
        self.weights = weights
        self.prior = prior

    def between(self, x: Array, a: Array, y: Array, b: Array) -> Array:
        alike: Array = (x * self.shared) @ y.T + (a[:, None] == b) * ((x * self.own[a]) @ y.T)
        return alike

    def mean(self, x: Array, arm: int) -> float:
        cross = self.between(x[None], np.array([arm]), self.x, self.arm)
        return float(
            x @ self.leads[arm] + (cross @ np.linalg.solve(self.covariance, self.left)).item()
        )

    def spread_given_shared(self, x: Array, arm: int) -> float:
        mine = self.arm == arm
        rows = self.x[mine]
        precision = np.diag(1.0 / self.own[arm]) + (rows * self.weights[mine][:, None]).T @ rows
        return float(x @ np.linalg.solve(precision, x))

    def variance(self) -> float:
        error = float(self.left @ np.linalg.solve(self.covariance, self.left))
        count, noise = self.prior.noise_count, self.prior.noise
        return float((count * noise**2 + error) / (count + self.weights.sum()))

    def log_evidence(self) -> float:
        """The density of a Student's t at the data, but for what the ridge has no part in.

        The marginal over an inverse-gamma noise, from the Gaussian at unit noise.
        """
        unit = multivariate_normal(np.zeros(len(self.left)), self.covariance)
        error = float(self.left @ np.linalg.solve(self.covariance, self.left))
        at_unit_noise = float(unit.logpdf(self.left)) + 0.5 * error
        total = self.prior.noise_count + self.weights.sum()
        return float(at_unit_noise - 0.5 * total * np.log(self.variance()))


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
        expected = [best.mean(x, arm) for arm in range(ARMS)]
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


def test_a_warm_start_leads_the_arms_that_it_knows():
    policy = policy_of(priors=PRIORS)
    x = np.array([[1.0, 2.0, 1.0]])

    believed = policy.estimates(policy.start(ARMS), x).mean[0]

    # Levels by dearness: 0.9, 1.05, 1.0 and 1.0; the last two have their own.
    np.testing.assert_allclose(believed, [0.9, 1.05 + 0.4 - 0.6, 0.2, 0.7 - 0.1 + 0.4], atol=1e-12)


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
