"""The prices of a window, against scipy's linear programs and the hull of two arms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit_service.evaluation.hull import upper_hull
from policies.budget.dual import CLOSE, FINE, HALVINGS, NARROW, NOTHING, SWEEPS, solve
from tests.policies.budget.streams import chances, relaxed

AMOUNTS = np.array([[1.0], [6.0], [100.0]])


@pytest.mark.parametrize("target", [1.5, 4.0, 6.0, 20.0, 60.0, 99.0])
def test_one_price_spends_the_target_and_earns_what_the_program_does(target):
    values = np.random.default_rng(1).normal([0.5, 0.6, 0.7], 0.2, (400, 3))

    found = chances(solve(values, AMOUNTS, np.array([target])), values, AMOUNTS)

    best = relaxed(values, AMOUNTS, np.array([target * 400]))
    free = AMOUNTS[values.argmax(axis=1), 0].mean()
    spent = (found @ AMOUNTS).mean()
    assert min(target, free) * (1.0 - FINE) <= spent <= min(target, free) * (1.0 + 1e-9)
    assert (found * values).sum() == pytest.approx(best, rel=2e-3)


@pytest.mark.parametrize("target", [1.0, 2.0, 5.9, 6.0, 7.0, 50.0, 100.0, 1000.0])
def test_where_queries_look_alike_two_prices_reach_the_hull(target):
    quality = np.array([0.5, 0.7, 0.75])
    values = np.tile(quality, (30, 1))

    found = chances(solve(values, AMOUNTS, np.array([target])), values, AMOUNTS)

    hull = upper_hull(AMOUNTS[:, 0], quality)
    assert (found @ quality).mean() == pytest.approx(hull.quality_at(target), abs=1e-9)
    assert (found @ AMOUNTS).mean() == pytest.approx(min(target, 100.0), rel=1e-9)


def test_money_is_left_where_it_buys_nothing():
    values = np.tile([0.9, 0.7, 0.75], (20, 1))

    prices = solve(values, AMOUNTS, np.array([50.0]))

    assert prices.second is None
    assert prices.first.tolist() == [0.0]


def test_below_the_cheapest_the_cheapest_is_all_there_is():
    values = np.random.default_rng(0).random((50, 3))

    found = chances(solve(values, AMOUNTS, np.array([0.3])), values, AMOUNTS)

    assert found[:, 0].tolist() == [1.0] * 50


@pytest.mark.parametrize("resources", [2, 3])
def test_several_budgets_against_the_program(resources):
    rng = np.random.default_rng(resources)
    values = rng.normal(0.6, 0.2, (800, 5))
    amounts = rng.exponential(1.0, (5, resources))
    targets = amounts.mean(axis=0) * np.linspace(0.6, 0.8, resources)

    found = chances(solve(values, amounts, targets), values, amounts)

    assert (found * values).sum() >= 0.995 * relaxed(values, amounts, targets * 800)
    assert ((found @ amounts).mean(axis=0) <= 1.005 * targets).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.floats(1e-7, 1e7), st.integers(2, 6))
def test_prices_follow_the_units(seed, unit, arms):
    """Dollars or micro-dollars: the same choices, at prices that scale."""
    rng = np.random.default_rng(seed)
    values, amounts = rng.random((40, arms)), rng.exponential(1.0, (arms, 1))
    target = amounts.mean(axis=0) * 0.7

    plain, scaled = solve(values, amounts, target), solve(values, amounts * unit, target * unit)

    np.testing.assert_allclose(scaled.mean * unit, plain.mean, rtol=3e-4, atol=1e-9)


def test_ineligible_arms_take_no_part():
    values = np.random.default_rng(3).random((60, 3))
    values[::2, 1] = -np.inf

    found = chances(solve(values, AMOUNTS, np.array([3.0])), values, AMOUNTS)

    assert (found[::2, 1] == 0.0).all()
    assert (found @ AMOUNTS).mean() == pytest.approx(3.0, rel=FINE)


def test_a_first_guess_changes_nothing_but_the_way():
    values = np.random.default_rng(5).random((300, 3))
    target = np.array([4.0])

    cold, warm = (solve(values, AMOUNTS, target, np.array([at])) for at in (0.0, 0.07))

    np.testing.assert_allclose(warm.mean, cold.mean, rtol=2e-4)


def looked_at(scores, amounts, targets, start):
    """`solve` without any shortcut: all queries are looked at, at every price that is tried."""
    price, (low, high, weight), last = start.copy(), (0.0, 0.0, 0.0), 0
    most = [10.0 * _dearest(scores, amount) for amount in amounts.T]
    for _ in range(SWEEPS):
        before = price.copy()
        for one in range(len(targets)):
            rest = np.where(np.arange(len(targets)) == one, 0.0, price)
            found = _looked_at(scores - amounts @ rest, amounts[:, one], targets[one], price[one])
            if len(targets) > 1:
                found = min(found[0], most[one]), min(found[1], most[one]), found[2]
            price[one] = found[1]
            if found[1] > 0.0 or one == 0:
                (low, high, weight), last = found, one
        if len(targets) == 1 or np.allclose(price, before, rtol=10 * CLOSE, atol=0.0):
            break
    first, second = price.copy(), price.copy()
    first[last], second[last] = low, high
    return first, second, weight


def _dearest(scores, amount):
    known = scores[np.isfinite(scores)]
    gaps = np.diff(np.sort(amount))
    return 1.01 * (known.max() - known.min() + CLOSE) / gaps[gaps > 0.0].min()


def _looked_at(scores, amount, target, start):
    def taken(price):
        return amount[(scores - price * amount).argmax(axis=1)].mean()

    if taken(0.0) <= target:
        return 0.0, 0.0, 1.0
    dearest = _dearest(scores, amount)
    if taken(dearest) > target:
        return dearest, dearest, 1.0
    low, high = 0.0, dearest
    for guess in (start / NARROW, start * NARROW):
        if 0.0 < start < dearest and low < guess < high:
            low, high = (guess, high) if taken(guess) > target else (low, guess)
    for _ in range(HALVINGS):
        if high - low <= CLOSE * high or high < NOTHING * dearest:
            break
        middle = (low * high) ** 0.5 if low > 0.0 else high / 32.0
        low, high = (middle, high) if taken(middle) > target else (low, middle)
    above, below = taken(low), taken(high)
    if above - below <= FINE * target:
        return high, high, 1.0
    return low, high, min(max((target - below) / (above - below), 0.0), 1.0)


@settings(deadline=None, max_examples=80)
@given(
    st.integers(0, 10**6),
    st.integers(1, 3),
    st.integers(2, 16),
    st.floats(0.02, 1.3),
    st.sampled_from([0.0, 1e-3, 0.1, 3.0]),
    st.booleans(),
)
def test_the_steps_say_what_a_look_at_all_queries_says(seed, resources, arms, part, start, holes):
    rng = np.random.default_rng(seed)
    scores = rng.normal(0.6, 0.2, (int(rng.integers(1, 120)), arms))
    if holes:
        scores[rng.random(scores.shape) < 0.3] = -np.inf
        scores[:, 0] = 0.5
    amounts = rng.lognormal(0.0, 1.5, (arms, resources))
    targets = part * amounts.mean(axis=0)
    starts = np.full(resources, start)

    found = solve(scores, amounts, targets, starts)

    first, second, weight = looked_at(scores, amounts, targets, starts)
    np.testing.assert_allclose(found.first, first, rtol=1e-9, atol=1e-12)
    if found.second is None:
        assert weight >= 1.0
    else:
        np.testing.assert_allclose(found.second, second, rtol=1e-9, atol=1e-12)
        assert found.weight == pytest.approx(weight, abs=1e-7)


def test_budgets_that_cannot_be_met_do_not_drive_each_other_up():
    """Each is below what the cheapest arm takes. Alone, a price of 22.2 and of .00029 leaves
    nothing but that arm: the least by which arms differ is .00675 dollars and 525 joules."""
    scores = np.array([[0.87, 1.02, 1.11]])
    amounts = np.array([[0.00075, 105.0], [0.0075, 630.0], [0.027, 3_150.0]])
    targets = np.array([0.0004, 6.5])

    both = solve(scores, amounts, targets).mean

    alone = np.array([0.15 / 0.00675, 0.15 / 525.0])
    assert (both >= alone).all()
    assert (both <= 20.0 * alone).all()
    judged = scores - amounts @ both
    assert judged.argmax() == 0
    # Arms that cost the same are told apart by their quality all the same.
    assert 0.60 - amounts[0] @ both < 0.63 - amounts[0] @ both
