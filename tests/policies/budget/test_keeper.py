"""What calls take, and a controller at work."""

import numpy as np
import pytest

from policies.budget import Consumption, Keeper, Resolving
from policies.budget.consumption import MEMORY, UNPAID, UNPAID_UPPER

LISTED = np.array([[1.0], [10.0], [np.nan]])


# -- consumption --------------------------------------------------------------------------


def test_before_anything_is_paid_list_prices_are_taken_high():
    np.testing.assert_allclose(Consumption(LISTED).means()[:, 0], UNPAID * np.array([1, 10, 10]))


def test_what_was_paid_scales_the_list_prices_of_the_others():
    amounts = Consumption(LISTED)
    for taken in (1.0, 3.0):
        amounts.note(0, np.array([taken]))

    expected = (1.0 * (1 - 1 / MEMORY) + 3.0) / (2 - 1 / MEMORY)
    np.testing.assert_allclose(
        amounts.means()[:, 0], [expected, UNPAID * 10 * expected, UNPAID * 10 * expected]
    )


def test_nothing_known_is_not_a_number():
    assert np.isnan(Consumption(np.full((2, 1), np.nan)).means()).all()


def test_an_unknown_amount_teaches_nothing():
    amounts = Consumption(np.array([[1.0, 5.0]]))
    amounts.note(0, np.array([2.0, np.nan]))

    assert amounts.means().tolist() == [[2.0, UNPAID * 5.0]]


def test_means_follow_a_price_that_changes_without_notice():
    amounts = Consumption(np.array([[1.0]]))
    for _ in range(2000):
        amounts.note(0, np.array([1.0]))
    for _ in range(int(3 * MEMORY)):
        amounts.note(0, np.array([2.0]))

    assert amounts.means()[0, 0] == pytest.approx(2.0 - np.exp(-3.0), abs=0.01)


def test_a_list_price_that_changes_moves_what_was_learned_at_once():
    amounts = Consumption(np.array([[1.0], [4.0]]))
    for taken in (2.0, 6.0, 4.0):
        amounts.note(0, np.array([taken]))
    mean, upper = amounts.means()[0, 0], amounts.uppers()[0, 0]

    amounts.reprice(np.array([[0.25], [4.0]]))

    assert amounts.means()[0, 0] == pytest.approx(mean / 4)
    assert amounts.uppers()[0, 0] == pytest.approx(upper / 4)


@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0])
def test_upper_estimates_are_hardly_ever_exceeded(spread):
    rng = np.random.default_rng(0)
    amounts = Consumption(np.array([[1.0]]))
    exceeded = []
    for taken in rng.lognormal(0.0, spread, 3000):
        exceeded.append(taken > amounts.uppers()[0, 0])
        amounts.note(0, np.array([taken]))

    assert np.mean(exceeded) < 0.06
    assert amounts.uppers()[0, 0] >= amounts.means()[0, 0]


# -- the keeper ---------------------------------------------------------------------------


def a_keeper(requests=10, rate=2.0):
    return Keeper(Resolving(), np.array([rate]), Consumption(LISTED), requests)


def test_reserved_until_settled():
    keeper = a_keeper()

    keeper.reserve(0)
    assert keeper.spent.tolist() == [UNPAID_UPPER]
    keeper.settle(0, np.array([0.5]))
    assert keeper.spent.tolist() == [0.5]
    keeper.reserve(1)
    keeper.settle(1, np.array([np.nan]))

    # An amount that never becomes known stays as it was reserved.
    assert keeper.spent.tolist() == [0.5 + UNPAID_UPPER * 10 * 0.5]
    purse = keeper.purse()
    assert (purse.requests, purse.left) == (2, 8.0)
    assert purse.remaining[0] == pytest.approx(20.0 - keeper.spent[0])
    assert keeper.tried.tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_budget_must_be_positive(rate):
    with pytest.raises(ValueError, match="budget must be positive"):
        a_keeper(rate=rate)


def test_a_stream_of_known_prices_is_spent_to_the_end():
    """Two arms alike in price on the list but not in truth: the keeper finds out."""
    rng = np.random.default_rng(4)
    count, rate = 1500, 2.0
    keeper = Keeper(Resolving(), np.array([rate]), Consumption(np.ones((2, 1))), count)
    true, spent, dear = np.array([1.0, 4.0]), 0.0, 0
    for _ in range(count):
        scores = rng.normal([0.5, 0.7], 0.1)[None]
        restraint = keeper.restraint(scores, np.ones((1, 2), dtype=bool))
        price = restraint.prices.mean
        assert restraint.eligible is not None
        judged = np.where(restraint.eligible[0], scores[0] - restraint.amounts @ price, -np.inf)
        arm = int(judged.argmax())
        keeper.reserve(arm)
        taken = true[arm] * rng.uniform(0.8, 1.2)
        keeper.settle(arm, np.array([taken]))
        spent, dear = spent + taken, dear + arm

    assert 0.98 * rate * count <= spent <= 1.005 * rate * count
    assert dear == pytest.approx(count / 3, rel=0.05)


def test_the_first_bill_says_what_those_are_worth_that_have_not_come():
    """After one bill of a a call likely takes a, and twice the deviation sqrt(2/3) a, at most; that
    counts for one call, and ten times a for another: the first bill need not be a dear one."""
    keeper = a_keeper(requests=1000)
    for _ in range(5):
        keeper.reserve(0)
    assert keeper.spent.tolist() == [5 * UNPAID_UPPER]

    keeper.settle(0, np.array([0.5]))

    likely = 0.5 * (1.0 + 2.0 * (2.0 / 3.0) ** 0.5)
    assert keeper.spent[0] == pytest.approx(0.5 + 4 * (likely + UNPAID_UPPER * 0.5) / 2)
    for _ in range(4):
        keeper.settle(0, np.array([0.5]))
    assert keeper.spent.tolist() == [2.5]


@pytest.mark.parametrize("listed", [0.5, 1.0, 2.0])
def test_where_bills_come_late_a_budget_is_kept_and_used(listed):
    """Bills 300 of 1,500 queries late, list prices at half, once and twice the truth. Until the
    first one comes nobody knows better than ten times the list; then there is catching up."""
    rng = np.random.default_rng(8)
    count, late, rate, true = 1500, 300, 2.0, np.array([1.0, 4.0])
    keeper = Keeper(Resolving(), np.array([rate]), Consumption(listed * true[:, None]), count)
    waiting, taken = [], []
    for _ in range(count):
        scores = rng.normal([0.5, 0.7], 0.1)[None]
        restraint = keeper.restraint(scores, None)
        open_ = np.ones(2, bool) if restraint.eligible is None else restraint.eligible[0]
        first, second = restraint.prices.first, restraint.prices.second
        is_first = second is None or rng.random() < restraint.prices.weight
        price = first if is_first or second is None else second
        arm = int(np.where(open_, scores[0] - restraint.amounts @ price, -np.inf).argmax())
        keeper.reserve(arm)
        taken.append(true[arm] * rng.uniform(0.8, 1.2))
        waiting.append((arm, taken[-1]))
        if len(waiting) > late:
            paid, amount = waiting.pop(0)
            keeper.settle(paid, np.array([amount]))

    assert 0.9 * rate * count <= sum(taken) <= 1.02 * rate * count
