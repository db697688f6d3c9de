"""Where every arm can be paid, decisions are made by a shorter way: it must come to the same."""

import numpy as np
import pytest

from policies.budget import Consumption, Exhaustion, Prices, Purse, restrain, scores
from policies.budget.restraint import Restraint
from policies.policy import Estimates

ARMS, BUDGETS = 7, 3


def world(seed: int) -> tuple[np.random.Generator, np.ndarray, Purse, Prices]:
    rng = np.random.default_rng(seed)
    means = rng.uniform(0.1, 3.0, (ARMS, BUDGETS))
    means[rng.integers(ARMS)] = 0.05  # one that takes least of everything
    purse = Purse(
        rng.uniform(1.0, 3.0, BUDGETS),
        rng.uniform(0.0, 50.0, BUDGETS),
        rng.uniform(50.0, 90.0, BUDGETS),
        np.array([rng.uniform(100.0, 900.0), np.inf, rng.uniform(100.0, 900.0)]),
    )
    prices = Prices(rng.uniform(0.0, 0.3, BUDGETS), rng.uniform(0.3, 0.5, BUDGETS), rng.random())
    return rng, means, purse, prices


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("tries", [0.0, 2.0, 100.0])
def test_no_mask_is_as_a_mask_of_all_arms(seed, tries):
    rng, means, purse, prices = world(seed)
    tried = np.where(rng.random(ARMS) < 0.5, tries, 100.0)
    offsets = -rng.random((4, ARMS))
    given = means, 2.0 * means, tried, Exhaustion.REFUSE

    def soft(offsets, eligible):
        judged = np.exp(3.0 * (offsets if eligible is None else np.where(eligible, offsets, -9e9)))
        return judged / judged.sum(axis=1, keepdims=True)

    short = restrain(prices, purse, None, *given, rows=4)
    long = restrain(prices, purse, np.ones((4, ARMS), dtype=bool), *given)

    assert short.eligible is None
    assert long.eligible is not None
    assert long.eligible.all()
    np.testing.assert_allclose(
        short.chances(soft, offsets, 0.05), long.chances(soft, offsets, 0.05), rtol=1e-12
    )
    np.testing.assert_allclose(short.chances(soft, offsets, 0.05).sum(axis=1), 1.0, rtol=1e-12)


@pytest.mark.parametrize("room", [0.0, 1e-9, 1e-3, 10.0])
def test_the_floor_keeps_to_its_room_where_all_can_be_paid(room):
    """Against the definition: an equal part of the floor, less where it would take more."""
    rng, means, _, _ = world(3)
    chances = rng.dirichlet(np.ones(ARMS), size=2)
    found = Restraint(Prices(np.zeros(BUDGETS)), means, None, np.full(BUDGETS, room), None)

    mixed = found.with_floor(chances, 0.1)

    above = means - means.min(axis=0)
    least = [
        min([0.1, *(room / each for each in row if each > 0.0)]) / ARMS for row in above.tolist()
    ]
    expected = chances * (1.0 - sum(least)) + np.array(least)
    np.testing.assert_allclose(mixed, expected, rtol=1e-12)


def test_what_does_not_fit_is_found_without_a_mask_too():
    _, means, purse, prices = world(1)
    uppers = 2.0 * means
    uppers[2] = 1e6

    found = restrain(prices, purse, None, means, uppers, np.full(ARMS, 9.0), rows=2)

    assert found.eligible is not None
    assert found.eligible.tolist() == 2 * [[True, True, False, *[True] * 4]]


def test_amounts_learned_one_by_one_are_those_of_all_together():
    """Kept up to date row by row; against sums made at once, by the definition."""
    rng = np.random.default_rng(5)
    calls = [(int(rng.integers(3)), rng.uniform(0.1, 9.0, 2)) for _ in range(400)]
    found = Consumption(np.ones((3, 2)))
    for arm, taken in calls:
        found.note(arm, taken)
        found.means(), found.uppers()

    for arm in range(3):
        mine = np.array([taken for each, taken in calls if each == arm])
        weights = (1.0 - 1.0 / 300.0) ** np.arange(len(mine))[::-1]
        mean = weights @ mine / weights.sum()
        about = weights @ mine**2 - mean * (weights @ mine)
        spread = np.sqrt((about + 2.0 * mean**2) / (weights.sum() + 2.0))
        np.testing.assert_allclose(found.means()[arm], mean, rtol=1e-10)
        upper = mean + 2.0 * spread * np.sqrt(1.0 + 1.0 / weights.sum())
        np.testing.assert_allclose(found.uppers()[arm], upper, rtol=1e-10)


class Drawing:
    draws, width, optimism = True, 0.5, 1.0


def test_luck_does_not_depend_on_how_decisions_are_batched():
    rng = np.random.default_rng(6)
    beliefs = Estimates(rng.random((600, 3)), rng.random((600, 3)))

    whole = scores(Drawing(), beliefs, 100)  # type: ignore[arg-type]

    for row in (0, 155, 156, 157, 411, 412, 599):
        one = Estimates(beliefs.mean[row : row + 1], beliefs.deviation[row : row + 1])
        alone = scores(Drawing(), one, 100 + row)  # type: ignore[arg-type]
        np.testing.assert_array_equal(whole[row], alone[0])
