"""From prices to chances: who can be paid, what is mixed, and what the floor may take."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.best import best_split, judged
from policies.budget import Exhaustion, Prices, Purse, restrain
from policies.budget.restraint import FIRST_TRIES, FLOOR_SHARE

MEANS = np.array([[1.0], [5.0], [100.0]])
UPPERS = 2.0 * MEANS
OPEN = np.ones((1, 3), dtype=bool)
FREE = Prices(np.zeros(1))
TRIED = np.full(3, 100.0)


def purse(rate=10.0, spent=0.0, requests=0, left=100.0):
    return Purse(np.array([rate]), np.array([spent]), requests, left)


def restrained(purse, eligible=OPEN, prices=FREE, means=MEANS, tried=TRIED, **how):
    return restrain(prices, purse, eligible, means, 2.0 * means, tried, **how)


def greedy(scores):
    def learner(offsets, eligible):
        return best_split(judged(scores, eligible, offsets))

    return learner


# -- who can be paid ----------------------------------------------------------------------


def test_an_arm_is_paid_for_after_the_cheapest_has_served_the_rest():
    # 300 remain for 100 requests, 99 are kept for the cheapest: 201 pay for the dearest at 200.
    assert restrained(purse(rate=3.0)).eligible.tolist() == [[True, True, True]]
    assert restrained(purse(rate=2.98)).eligible.tolist() == [[True, True, False]]
    assert restrained(purse(rate=1.08)).eligible.tolist() == [[True, False, False]]


def test_a_rate_without_an_end_has_no_end_to_keep_for():
    assert restrained(purse(rate=0.1, spent=50.0, left=None)).eligible.all()


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, [True, False, False]),
        ({"exhaustion": Exhaustion.REFUSE}, [False, False, False]),
        ({"exhaustion": Exhaustion.FALLBACK, "fallback": 1}, [False, True, False]),
    ],
)
def test_what_happens_when_nothing_can_be_paid(how, expected):
    assert restrained(purse(spent=999.5), **how).eligible.tolist() == [expected]


def test_the_cheapest_is_that_of_the_query():
    only_dear = np.array([[False, True, True], [True, True, True]])

    assert restrained(purse(spent=999.5), only_dear).eligible.tolist() == [
        [False, True, False],
        [True, False, False],
    ]


def test_an_arm_that_is_not_there_keeps_nothing_back():
    """The rest of the requests go to the second arm, so that much more is kept for them."""
    two = np.array([[False, True, True]])

    # 705 remain, 495 are kept: 210 pay for the dearest at 200; with 685 they do not.
    assert restrained(purse(rate=7.05), two).eligible.tolist() == [[False, True, True]]
    assert restrained(purse(rate=6.85), two).eligible.tolist() == [[False, True, False]]


def test_an_arm_of_unknown_amount_cannot_be_paid():
    means = np.array([[1.0], [np.nan], [100.0]])

    assert restrained(purse(rate=1000.0), means=means).eligible.tolist() == [[True, False, True]]


def test_each_of_several_budgets_has_a_say():
    two = Purse(np.array([10.0, 10.0]), np.zeros(2), 0, 10.0)
    means = np.array([[1.0, 1.0], [30.0, 1.0], [1.0, 30.0], [80.0, 80.0]])

    kept = restrain(FREE, two, np.ones((1, 4), dtype=bool), means, 2.0 * means, np.ones(4))

    assert kept.eligible is not None
    assert kept.eligible.tolist() == [[True, True, True, False]]


def test_a_closed_threshold_leaves_the_cheapest():
    prices = Prices(np.zeros(1), open=np.array([[False, False, True], [False, False, False]]))
    two = np.ones((2, 3), dtype=bool)

    kept = restrain(prices, purse(rate=50.0), two, MEANS, UPPERS, TRIED)

    assert kept.eligible is not None
    assert kept.eligible.tolist() == [[False, False, True], [True, False, False]]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.floats(1.0, 8.0), st.integers(20, 200))
def test_no_stream_spends_more_than_the_budget(seed, rate, count):
    """Amounts up to their upper estimate, whatever the learner wants: always the dearest."""
    rng = np.random.default_rng(seed)
    spent = 0.0
    for step in range(count):
        now = purse(rate, spent, step, float(count - step))
        chances = restrained(now).chances(greedy(MEANS.T), None, 0.0)
        arm = int(chances[0].argmax())
        # The cheapest takes what it is expected to; the others anything up to their upper.
        spent += MEANS[0, 0] if arm == 0 else float(rng.uniform(0.0, UPPERS[arm, 0]))
    assert spent <= rate * count * (1.0 + 1e-9)


# -- mixing -------------------------------------------------------------------------------


def test_two_prices_are_mixed_by_their_weight():
    scores = np.array([[0.5, 0.7, 0.8]])
    prices = Prices(np.array([0.01]), np.array([0.2]), 0.3)

    found = restrained(purse(rate=1000.0), prices=prices).chances(greedy(scores), None, 0.0)

    # at .01: .49 .65 -.2; at .2 the cheapest wins
    np.testing.assert_allclose(found, [[0.7, 0.3, 0.0]])


def test_prices_add_to_what_the_objective_offsets():
    scores, offsets = np.array([[0.5, 0.7, 0.8]]), np.array([[0.0, -0.5, 0.0]])
    prices = Prices(np.array([0.01]))

    found = restrained(purse(rate=1000.0), prices=prices).chances(greedy(scores), offsets, 0.0)

    np.testing.assert_allclose(found, [[1.0, 0.0, 0.0]])


# -- the floor ----------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.floats(1.5, 400.0), st.floats(0.0, 0.3))
def test_the_floor_takes_no_more_than_its_share(rate, floor):
    at = restrained(purse(rate=rate))

    found = at.chances(greedy(np.array([[0.9, 0.1, 0.1]])), None, floor)

    above = max(rate * 100.0 - 99.0, 0.0) / 100.0
    taken = (found @ (MEANS - MEANS.min()))[0, 0]
    assert taken <= FLOOR_SHARE * above * (1 + 1e-9)
    assert found.sum() == pytest.approx(1.0)
    assert (found[~at.eligible] == 0.0).all()
    assert (found[0, 1:] <= floor / at.eligible.sum() + 1e-12).all()


def test_with_money_to_spare_the_floor_is_whole():
    found = restrained(purse(rate=1e6)).chances(greedy(np.array([[0.9, 0.1, 0.1]])), None, 0.03)

    np.testing.assert_allclose(found, [[0.98, 0.01, 0.01]])


def test_an_arm_never_tried_is_tried_soon_where_the_share_pays_for_it():
    fresh = np.zeros(3)
    scores = greedy(np.array([[0.9, 0.1, 0.1]]))

    found = restrained(purse(rate=20.0), tried=fresh).chances(scores, None, 0.01)

    # The pot is 2 % of 1,900: three tries of the second arm fit, of the dearest they do not.
    assert found[0, 1] == pytest.approx(0.05 / 3)
    assert found[0, 2] < 0.01 / 3
    later = restrained(purse(rate=20.0), tried=fresh + FIRST_TRIES).chances(scores, None, 0.01)
    assert later[0, 1] <= 0.01 / 3
    assert restrained(purse(rate=20.0), tried=fresh).chances(scores, None, 0.0)[0, 1] == 0.0
