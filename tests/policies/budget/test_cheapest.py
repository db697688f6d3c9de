"""Which arm is taken for the cheapest where nothing else can be paid."""

import numpy as np

from policies.budget import Consumption, Keeper, Resolving


def played(first_calls: list[float], steps: int = 2_000) -> tuple[float, np.ndarray]:
    """Two arms that take 3 and 1 on average, with heavy tails, within 1.4 a request; the first
    calls of the cheaper one are given. What was spent over the budget, and the arms' shares."""
    rng = np.random.default_rng(11)
    rate, spent = 1.4, 0.0
    keeper = Keeper(Resolving(), np.array([rate]), Consumption(np.array([[3.0], [1.0]])), steps)
    for amount in first_calls:
        keeper.reserve(1)
        keeper.settle(1, np.array([amount]))
        spent += amount
    while keeper.decided < steps:
        restraint = keeper.restraint(np.array([[0.5, 0.5]]), None)
        prices = restraint.prices.mean
        open_ = np.ones(2, bool) if restraint.eligible is None else restraint.eligible[0]
        judged = np.where(open_, 0.5 - restraint.amounts @ prices, -np.inf)
        chances = restraint.with_floor(np.eye(2)[[int(judged.argmax())]], 0.01)[0]
        arm = int(rng.random() > chances[0])
        taken = float(rng.lognormal(-0.5, 1.0)) * (3.0, 1.0)[arm]
        keeper.reserve(arm)
        keeper.settle(arm, np.array([taken]))
        spent += taken
    return spent / (rate * steps), keeper.tried / steps


def test_an_arm_whose_first_calls_were_dear_is_found_out_to_be_cheap():
    """By the means alone the other arm is the cheapest for ever: nobody tries this one again."""
    spent, shares = played([0.5, 9.0, 2.0, 8.0, 1.0, 7.0])
    assert spent < 1.02
    assert shares[1] > 0.75


def test_the_list_price_counts_for_four_calls_where_calls_to_come_are_set_aside():
    """Of an arm whose first calls were cheap; one that was dear is set aside at its mean. Both with
    a standard error, to which two calls count that deviate as much as the mean is high."""
    listed = np.array([[3.0], [1.0], [np.nan], [2.0]])
    found, afresh = Consumption(listed), Consumption(listed)
    for arm, amount in ((0, 0.1), (1, 5.0), (2, 7.0), (3, 2.0), (0, 0.2), (0, 0.1)):
        found.note(arm, np.array([amount]))
        found.asides()  # what is kept is brought up to date, arm by arm
        afresh.note(arm, np.array([amount]))

    fade = 1.0 - 1.0 / 300.0
    weights, amounts = np.array([fade**2, fade, 1.0]), np.array([0.1, 0.2, 0.1])
    total, weight = weights @ amounts, weights.sum()
    mean = total / weight
    variance = (weights @ (amounts - mean) ** 2 + 2.0 * mean**2) / (weight + 2.0)
    once = np.array([5.0, 7.0, 2.0])
    expected = [
        (total + 4 * 3.0) / (weight + 4) + np.sqrt(variance / (3 + 4)),
        *(once + once * np.sqrt(2.0 / 3.0 / (1 + 4))),
    ]
    np.testing.assert_allclose(found.asides()[:, 0], expected)
    assert found.asides().tolist() == afresh.asides().tolist()


def test_lower_bounds_are_two_standard_errors_below_the_mean():
    found = Consumption(np.array([[3.0], [1.0]]))
    assert found.lowers().tolist() == [[3.0], [1.0]]  # as listed
    amounts = np.tile([1.0, 2.0, 3.0, 2.0], 10)
    for amount in amounts:
        found.note(0, np.array([amount]))
    weights = (1.0 - 1.0 / 300.0) ** np.arange(40)[::-1]
    mean = weights @ amounts / weights.sum()
    about = weights @ (amounts - mean) ** 2
    error = np.sqrt((about + 2.0 * mean**2) / (weights.sum() + 2.0) / weights.sum())
    np.testing.assert_allclose(found.lowers()[0, 0], mean - 2.0 * error)


def test_of_arms_of_which_little_is_known_the_one_listed_cheapest_may_be_the_cheapest():
    """A call of three took nearly all that either of the first two took so far: by deviations alone
    both may be free. What is usual for a list price says which of them."""
    found = Consumption(np.array([[50.0], [400.0], [100.0]]))
    for arm, amounts in ((0, [1.0, 1.0, 400.0]), (1, [2.0, 2.0, 400.0]), (2, [10.0] * 50)):
        for amount in amounts:
            found.note(arm, np.array([amount]))

    ratios = (found.means() / found.listed)[:, 0]
    usual = np.sort(ratios)[1]
    lowers = found.lowers()[:, 0]
    np.testing.assert_allclose(lowers[:2], usual * np.array([50.0, 400.0]) / 3.0)
    assert lowers[0] < found.means()[2, 0] < lowers[1]
    assert found.means()[:, 0].argmin() == 2  # of which it is known


def test_one_call_beyond_all_measure_does_not_make_arms_look_dear_that_nobody_has_called():
    """Of the last two arms only list prices are known. A mean of the three ratios of what is known
    would be 17.3, and the third arm, the cheapest by far, would look dearer than the first."""
    found = Consumption(np.array([[1.0], [2.0], [0.1], [np.nan], [5.0]]))
    for arm, amount in ((0, 0.9), (1, 2.2), (4, 250.0)):
        found.note(arm, np.array([amount]))

    assert found.usual().tolist() == [2.2 / 2.0]  # the middle one of .9, 1.1 and 50
    assert found.means()[2, 0] == 3.0 * (2.2 / 2.0) * 0.1  # three times what is usual
    assert found.means()[3, 0] == 250.0  # as dear as the dearest
    assert found.lowers()[2, 0] < found.means()[0, 0]

    found.note(2, np.array([0.09]))  # now there are two in the middle: .9 and 1.1
    np.testing.assert_allclose(found.usual(), [np.sqrt(0.9 * 1.1)])


def test_what_calls_take_for_their_list_price_is_unknown_before_the_first():
    assert Consumption(np.array([[1.0, np.nan]])).usual().tolist() == [1.0, 1.0]
