"""Budgets that began at different times, and end at different ones, or never."""

import numpy as np
import pytest

from policies.budget import Exhaustion, Prices, Purse, Resolving, restrain

RATE = np.array([0.5, 2.0])
SPENT = np.array([30.0, 300.0])
MEANS = np.array([[0.1, 1.0], [1.0, 5.0], [3.0, 2.0]])
UPPERS = 2.0 * MEANS
ALL = np.ones((1, 3), dtype=bool)
TRIED = np.full(3, 100.0)


def left_of(purse: Purse) -> tuple[np.ndarray, ...]:
    found = restrain(
        Prices(np.zeros(2)), purse, ALL.copy(), MEANS, UPPERS, TRIED, Exhaustion.REFUSE
    )
    assert found.eligible is not None
    return Resolving().targets(purse), found.eligible, found.room


@pytest.mark.parametrize("left", [1.0, 40.0, 5_000.0])
def test_of_equal_spans_each_is_as_one_for_all(left):
    one = Purse(RATE, SPENT, 100, left)
    each = Purse(RATE, SPENT, np.array([100.0, 100.0]), np.array([left, left]))

    assert all(map(np.array_equal, left_of(one), left_of(each)))


def test_without_an_end_each_is_as_one_for_all():
    one = Purse(RATE, SPENT, 100, None)
    each = Purse(RATE, SPENT, np.array([100.0, 100.0]), np.full(2, np.inf))

    assert all(map(np.array_equal, left_of(one), left_of(each)))
    assert np.isinf(each.remaining).all()


def test_each_budget_makes_up_for_its_own_debt_over_its_own_rest():
    purse = Purse(RATE, SPENT, np.array([100.0, 50.0]), np.array([1_000.0, np.inf]))

    targets = Resolving(leak=200.0).targets(purse)

    # 20 ahead, over 1,000 requests; 200 behind, over the leak, and at least a fifth of the rate.
    assert targets == pytest.approx([0.5 + 20 / 1_000, 2.0 - 200 / 200])
    assert purse.remaining == pytest.approx([0.5 * 1_100 - 30, np.inf])


def test_an_arm_has_to_fit_into_what_remains_of_every_budget():
    # 4 are left of the first after the cheapest arm has served the other 9 requests.
    purse = Purse(RATE, np.array([0.1, 0.0]), np.array([0.0, 0.0]), np.array([10.0, 1_000.0]))

    eligible = left_of(purse)[1]

    assert eligible.tolist() == [[True, True, False]]
