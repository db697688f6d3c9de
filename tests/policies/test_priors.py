"""Warm starts of the linear family, against least squares with the prior as rows of data."""

from typing import Any

import numpy as np
import pytest

from policies import ArmPrior, Priors, build
from policies.linear import LinearPolicy
from policies.linucb import LinUCB

DIM = 4
WEIGHTS, LEVEL, N_EFF = (0.3, -0.2, 0.5), 0.6, 40.0
SPREAD = (0.2, 1.0, 3.0)
PRIORS = Priors((None, ArmPrior(WEIGHTS, LEVEL, N_EFF)), SPREAD)
SETTINGS = {"ridge": 2.0, "intercept_ridge": 0.5, "prior_mean": 0.9}
LINEAR = ("linucb", "linear_thompson", "epsilon_greedy", "squarecb")


def warm(name: str = "linucb", priors: Priors = PRIORS, **settings: float) -> LinearPolicy:
    made = build(name, dim=DIM, settings={**SETTINGS, **settings}, priors=priors)
    assert isinstance(made, LinearPolicy)
    return made


def contexts(count: int, seed: int = 0) -> Any:
    made = np.random.default_rng(seed).normal(size=(count, DIM))
    made[:, -1] = 1.0
    return made


@pytest.mark.parametrize("name", LINEAR)
def test_before_any_data_an_arm_is_what_its_prior_says(name: str) -> None:
    policy, asked = warm(name), contexts(5)

    believed = policy.estimates(policy.start(3), asked)

    np.testing.assert_allclose(believed.mean[:, 1], asked @ [*WEIGHTS, LEVEL], atol=1e-12)
    for cold in (0, 2):
        np.testing.assert_allclose(believed.mean[:, cold], 0.9, atol=1e-12)


@pytest.mark.parametrize("steps", [False, True])
def test_what_is_learned_is_least_squares_with_n_eff_requests_more(steps: bool) -> None:
    """The prior as rows: sqrt(ridge + n_eff * spread) e_i, with the target that gives its mean."""
    policy, rng = warm(), np.random.default_rng(1)
    x, quality = contexts(30, seed=2), rng.random(30)
    state = policy.start(2)
    if steps:
        policy.estimates(state, x[:1])
    for row, one in zip(x, quality, strict=True):
        policy.update(state, 1, row, one)

    root = np.sqrt([2.0 + N_EFF * 0.2, 2.0 + N_EFF * 1.0, 2.0 + N_EFF * 3.0, 0.5 + N_EFF])
    rows = np.concatenate((x, np.diag(root)))
    targets = np.concatenate((quality, root * [*WEIGHTS, LEVEL]))
    theta = np.linalg.lstsq(rows, targets, rcond=None)[0]
    inverse = np.linalg.inv(rows.T @ rows)
    asked = contexts(6, seed=3)
    got = policy.estimates(state, asked)
    np.testing.assert_allclose(got.mean[:, 1], asked @ theta, atol=1e-9)
    spread = np.sqrt(np.einsum("nd,de,ne->n", asked, inverse, asked))
    np.testing.assert_allclose(got.deviation[:, 1], spread, atol=1e-9)


def test_n_eff_requests_carry_an_arm_half_way_from_its_prior() -> None:
    """One knob: after n_eff requests the data weigh as much as the prior does (no other ridge)."""
    priors = Priors((ArmPrior(level=1.0, n_eff=200.0),))
    policy = build("linucb", dim=1, settings={"intercept_ridge": 1e-3}, priors=priors)
    state = policy.start(1)
    policy.update(state, 0, np.ones(1), 0.0, weight=200.0)

    believed = policy.estimates(state, np.ones((1, 1))).mean

    assert believed.item() == pytest.approx(0.5, abs=1e-5)


def test_an_exact_ridge_takes_the_place_of_what_follows_from_n_eff() -> None:
    priors = Priors((ArmPrior(WEIGHTS, n_eff=99.0, ridge=1.25),))
    policy = build("linucb", dim=3, settings={"intercept": 0.0}, priors=priors)
    state, x = policy.start(1), np.array([[0.6, 0.0, 0.8]])
    policy.update(state, 0, x[0], 1.0)

    # One observation of unit length against A = 1.25 I: x'A^-1 x = 1 / 2.25.
    believed = policy.estimates(state, x)
    first = float(x[0] @ WEIGHTS)
    assert believed.deviation.item() == pytest.approx(np.sqrt(1 / 2.25), abs=1e-12)
    assert believed.mean.item() == pytest.approx(first + (1.0 - first) / 2.25, abs=1e-12)


def test_the_oful_width_of_a_warm_arm_takes_its_own_precision() -> None:
    policy = LinUCB(dim=DIM, oful=True, bound=2.0, noise=0.4, delta=0.05, priors=PRIORS)
    state = policy.start(3)
    policy.estimates(state, contexts(1))

    log_part = 0.4 * np.sqrt(2 * np.log(20.0))
    most = max(15.0 + N_EFF * 3.0, 1.0 + N_EFF)
    expected = np.sqrt([15.0, most, 15.0]) * 2.0 + log_part
    np.testing.assert_allclose(policy.radius(state), expected)


def test_another_prior_needs_no_replay() -> None:
    cold, later = build("linucb", dim=DIM, settings=SETTINGS), warm()
    x, quality = contexts(20, seed=5), np.random.default_rng(6).random(20)
    taught, afresh = cold.start(2), later.start(2)
    for row, one in zip(x, quality, strict=True):
        cold.update(taught, 1, row, one)
        later.update(afresh, 1, row, one)

    taken_over = later.estimates(later.restore(taught.canonical()), x)

    np.testing.assert_allclose(taken_over.mean, later.estimates(afresh, x).mean, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "priors", "said"),
    [
        ("linucb", Priors((ArmPrior((1.0,)),)), "weights must have 3 numbers, got 1"),
        ("linucb", Priors((ArmPrior((1.0, 2.0, float("nan"))),)), "weights must be in"),
        ("linucb", Priors((ArmPrior(level=float("inf")),)), "level must be finite"),
        ("linucb", Priors((ArmPrior(level=0.5, n_eff=-1.0),)), r"n_eff must be in \[0, 1e\+06\]"),
        ("linucb", Priors((ArmPrior(WEIGHTS, ridge=0.0),)), "ridge must be in"),
        ("linucb", Priors((ArmPrior(level=0.5, ridge=1.0),)), "give weights too"),
        ("linucb", Priors(spread=(1.0,)), "spread must have 3 numbers, got 1"),
        ("linucb", Priors(spread=(1.0, -1.0, 1.0)), "spread must be finite and >= 0"),
        ("linucb", Priors(projection=((1.0,) * DIM,)), "only pilot has a use for a projection"),
        ("hierarchical_thompson", Priors((ArmPrior((1.0,)),)), "weights must have 3 numbers"),
        ("uniform", Priors(), "uniform cannot start from a prior"),
        ("ti_ucb", Priors(), "ti_ucb cannot start from a prior"),
    ],
)
def test_a_prior_that_does_not_fit_says_wanted_and_got(
    name: str, priors: Priors, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        build(name, dim=DIM, priors=priors)


def test_a_level_without_a_constant_is_refused() -> None:
    with pytest.raises(ValueError, match="level needs a constant feature"):
        build(
            "linucb",
            dim=DIM,
            settings={"intercept": 0.0},
            priors=Priors((ArmPrior(level=0.5),)),
        )
