"""MetaLLM and ParetoBandit, against their rules written out."""

import numpy as np
import pytest

from policies import ArmPrior, Priors, build
from policies.metallm import MetaLLM
from policies.paretobandit import ParetoBandit
from policies.policy import Array

DIM = 3
PRICES = (2.0, 8.0, None)


def metallm(prices: tuple[float | None, ...] = PRICES, **settings: float) -> MetaLLM:
    made = build("metallm", dim=DIM, settings=settings, prices=prices)
    assert isinstance(made, MetaLLM)
    return made


def data(count: int, seed: int) -> list[tuple[int, Array, float]]:
    rng = np.random.default_rng(seed)
    return [
        (int(rng.integers(3)), np.append(rng.normal(size=DIM - 1) / 2, 1.0), float(rng.random()))
        for _ in range(count)
    ]


def test_the_mixed_reward_is_quality_less_the_share_of_the_dearest_price() -> None:
    """lam = 12.94, b = 0 at first: ridge regression of r - p * price / max price."""
    policy = metallm(mixed=True, price_weight=0.4, width=0.0, ridge=12.94, intercept=0.0)
    state, seen, asked = policy.start(3), data(60, seed=1), np.array([[0.4, -0.3, 1.0]])
    for arm, x, quality in seen:
        policy.update(state, arm, x, quality)

    rewards = []
    for arm, share in enumerate((0.25, 1.0, 1.0)):  # an unknown price is the dearest
        rows = np.array([x for a, x, _ in seen if a == arm])
        r = np.array([q for a, _, q in seen if a == arm]) - 0.4 * share
        theta = np.linalg.solve(12.94 * np.eye(DIM) + rows.T @ rows, rows.T @ r)
        rewards.append(float(asked[0] @ theta))
    np.testing.assert_allclose(
        policy.estimates(state, asked).mean[0] - [0.1, 0.4, 0.4], rewards, atol=1e-9
    )
    assert policy.probabilities(state, asked).argmax() == np.argmax(rewards)


def test_a_price_weighed_when_deciding_acts_at_once_and_corrupts_nothing() -> None:
    """The cheap arm is .6, the dear one .8; p = .1 still takes the dear one, p = .5 the cheap one.
    Then the prices change places."""
    x = np.array([[0.0, 0.0, 1.0]])
    taught = {}
    for mixed in (False, True):
        policy = metallm((1.0, 10.0), mixed=mixed, price_weight=0.5, width=0.0)
        state = policy.start(2)
        for _ in range(300):
            policy.update(state, 0, x[0], 0.6)
            policy.update(state, 1, x[0], 0.8)
        taught[mixed] = state
        assert policy.probabilities(state, x).argmax() == 0

    turned = metallm((10.0, 1.0), price_weight=0.5, width=0.0)
    assert turned.probabilities(turned.restore(taught[False].canonical()), x).argmax() == 1
    believed = turned.estimates(turned.restore(taught[False].canonical()), x).mean[0]
    np.testing.assert_allclose(believed, [0.6, 0.8], atol=0.01)
    stuck = metallm((10.0, 1.0), mixed=True, price_weight=0.5, width=0.0)
    assert stuck.probabilities(stuck.restore(taught[True].canonical()), x).argmax() == 0
    patient = metallm((1.0, 10.0), price_weight=0.1, width=0.0)
    assert patient.probabilities(patient.restore(taught[False].canonical()), x).argmax() == 1


def pareto(half_life: float | None = 231.0, **more: object) -> ParetoBandit:
    settings = more.pop("settings", {})
    made = build(
        "paretobandit", dim=DIM, half_life=half_life, settings=settings, **more,  # type: ignore[arg-type]
    )  # fmt: skip
    assert isinstance(made, ParetoBandit)
    return made


def test_scores_follow_the_published_recursion() -> None:
    """A <- g^dt A + x x', b <- g^dt b + r x of the chosen arm, v = x'A^-1 x / max(g^dt, 1/200): as
    long as the ridge is above a tenth of itself, where the released code begins to put it back."""
    half_life = 60.0
    gamma = 2.0 ** (-1.0 / half_life)
    policy = pareto(half_life)
    state, rng = policy.start(3), np.random.default_rng(2)
    a_matrix, b, last = np.array([np.eye(DIM)] * 3), np.zeros((3, DIM)), np.full(3, np.nan)
    for clock, (arm, x, quality) in enumerate(data(120, seed=3), start=1):
        fade = 1.0 if np.isnan(last[arm]) else gamma ** (clock - last[arm])
        a_matrix[arm] = fade * a_matrix[arm] + np.outer(x, x)
        b[arm] = fade * b[arm] + quality * x
        last[arm] = clock
        policy.update(state, arm, x, quality, clock=float(clock))

    for now in (120.0, 200.0, 5000.0):
        asked = np.append(rng.normal(size=DIM - 1), 1.0)
        got = policy.estimates(state, asked[None], clock=now)
        for arm in range(3):
            inverse = np.linalg.inv(a_matrix[arm])
            rest = min(now - last[arm], 1000.0)
            wide = asked @ inverse @ asked / max(gamma**rest, 1.0 / 200.0)
            np.testing.assert_allclose(got.mean[0, arm], asked @ inverse @ b[arm], atol=1e-9)
            np.testing.assert_allclose(got.deviation[0, arm], np.sqrt(wide), rtol=1e-9)


def test_however_it_is_read_it_is_the_ridge_regression_of_the_faded_data() -> None:
    """One query at a time or several, straight after a lesson or long after one, before and after
    a tenth of the ridge is left: A = max(left, .1) I + sum g^age x x' from the list of lessons."""
    half_life, rng = 40.0, np.random.default_rng(8)
    policy = pareto(half_life)
    state, untouched = policy.start(3), policy.start(3)
    lessons: list[list[tuple[float, Array, float]]] = [[], [], []]
    for clock, (arm, x, quality) in enumerate(data(400, seed=9), start=1):
        for one in (state, untouched):
            policy.update(one, arm, x, quality, clock=float(clock))
        lessons[arm].append((float(clock), x, quality))
        single = clock % 40 != 0
        often = 30 if clock % 100 == 50 else 0  # so often that inverses are made
        for asked in rng.normal(size=(often, 1, DIM)):
            policy.estimates(state, asked, clock=float(clock))
        asked = rng.normal(size=(1 if single else 5, DIM))
        got = policy.estimates(state, asked, clock=float(clock))
        if clock < 10 or clock % 10:
            continue
        for arm, seen in enumerate(lessons):
            clocks, rows, qualities = (np.array(column) for column in zip(*seen, strict=True))
            weights = 2.0 ** ((clocks - clocks[-1]) / half_life)
            left = max(2.0 ** ((clocks[0] - clocks[-1]) / half_life), 0.1)
            inverse = np.linalg.inv(left * np.eye(DIM) + (rows.T * weights) @ rows)
            wide = np.einsum("nd,de,ne->n", asked, inverse, asked)
            wide *= min(2.0 ** ((clock - clocks[-1]) / half_life), 200.0)
            theta = inverse @ (rows.T @ (weights * qualities))
            np.testing.assert_allclose(got.mean[:, arm], asked @ theta, atol=1e-9)
            np.testing.assert_allclose(got.deviation[:, arm], np.sqrt(wide), rtol=1e-9)

    for name, sums in untouched.canonical().items():  # reading leaves no trace
        assert sums.tobytes() == state.canonical()[name].tobytes()


def test_a_tenth_of_the_ridge_stays_whatever_is_forgotten() -> None:
    """One-hot features beside the constant: a ridge that fades away leaves nothing to invert."""
    policy = pareto(20.0)
    state, x = policy.start(1), np.array([1.0, 0.0, 1.0])
    for clock in range(5000):
        policy.update(state, 0, x, 0.5, clock=float(clock))

    unseen = policy.estimates(state, np.array([[0.0, 1.0, 0.0]]), clock=4999.0)

    assert unseen.deviation.item() == pytest.approx(np.sqrt(10.0), rel=1e-9)


def test_n_eff_is_what_500_requests_forget() -> None:
    """n_eff = (g^-500 - 1) / (1 - g) = 1163.9: after as many requests that all go to one arm, prior
    and data weigh the same."""
    gamma = 0.997
    n_eff = (gamma**-500 - 1) / (1 - gamma)
    assert n_eff == pytest.approx(1163.9, abs=0.05)
    priors = Priors((ArmPrior(level=1.0, n_eff=n_eff),))
    policy = build(
        "paretobandit", dim=1, half_life=float(-np.log(2) / np.log(gamma)), priors=priors,
        settings={"intercept_ridge": 1e-3},
    )  # fmt: skip
    state = policy.start(1)
    for clock in range(500):
        policy.update(state, 0, np.ones(1), 0.0, clock=float(clock))

    half = policy.estimates(state, np.ones((1, 1)), clock=499.0).mean.item()

    assert half == pytest.approx(0.5, abs=0.001)


def test_the_price_is_on_a_logarithmic_scale() -> None:
    """(in + out) / 2 for a thousand tokens between 1e-4 and .1 USD: 0, 1/3 and 1."""
    policy = pareto(settings={"price_weight": 0.3, "width": 0.0}, prices=(0.2, 2.0, 200.0))
    state, x = policy.start(3), np.array([[0.0, 0.0, 1.0]])

    for lead, best in ((0.0999, 0), (0.1001, 1)):
        chances = policy.probabilities(state, x, offsets=np.array([0.0, lead, 0.0]))
        assert chances.argmax() == best
    for lead, best in ((0.2999, 0), (0.3001, 2)):
        chances = policy.probabilities(state, x, offsets=np.array([0.0, 0.0, lead]))
        assert chances.argmax() == best


def test_a_new_arm_is_played_until_it_has_been_seen_often_enough() -> None:
    policy = pareto(settings={"burn_in": 20.0, "trial": 0.5})
    state, x = policy.start(2), np.array([[0.0, 0.0, 1.0]])
    for _ in range(30):
        policy.update(state, 0, x[0], 0.9)
    for _ in range(19):
        policy.update(state, 1, x[0], 0.1)
    np.testing.assert_allclose(policy.probabilities(state, x), [[0.5, 0.5]])

    policy.update(state, 1, x[0], 0.1)

    np.testing.assert_array_equal(policy.probabilities(state, x), [[1.0, 0.0]])


def test_a_ceiling_below_the_floor_is_refused() -> None:
    with pytest.raises(ValueError, match="ceiling_usd must be above floor_usd"):
        pareto(settings={"floor_usd": 1.0, "ceiling_usd": 0.5})
