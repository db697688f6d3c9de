"""Bounds on averages of what moves, on made-up rows whose means are known."""

import math

import numpy as np
import pytest

from bandit_service.evaluation.offpolicy import anytime
from bandit_service.evaluation.offpolicy.bounds import PathSoFar
from bandit_service.evaluation.offpolicy.drifting import Differences, Values, paired_bounds
from bandit_service.evaluation.offpolicy.evidence import Evidence

ROWS = 6000


def learned(seed):
    """Half of the traffic goes to each of two arms, and the target gives more and more of its own
    to the good one: weights, qualities, and the target's value at each row."""
    luck = np.random.default_rng(seed)
    good = np.linspace(0.05, 0.95, ROWS)
    arms = luck.integers(2, size=ROWS)
    weights = np.where(arms == 1, good, 1.0 - good) / 0.5
    quality = (luck.random(ROWS) < np.where(arms == 1, 0.9, 0.1)).astype(float)
    return weights, quality, 0.9 * good + 0.1 * (1.0 - good)


def staked_average(values, spreads, scale):
    """One row after the other: the stake of each is known before it."""
    alpha, squares, won, staked, found = 0.025, 0.1 * 10.0, 0.0, 0.0, []
    for at, (value, spread) in enumerate(zip(values.tolist(), spreads.tolist(), strict=True), 1):
        seen = squares / (at - 1 + 10.0)
        stake = min(0.5, math.sqrt(2.0 * math.log(1.0 / alpha) / (seen * at * math.log(1.0 + at))))
        won, staked = won + stake * value, staked + stake
        squares += (spread / scale) ** 2
        found.append(won / staked)
    return np.array(found)


def test_bets_on_one_mean_cross_where_it_moves():
    """That the tests below are about something."""
    weights, quality, _ = learned(0)
    looks = anytime.value_bounds(weights, quality, anytime.looks(ROWS))
    assert looks.low[-1] > looks.high[-1]


def test_bounds_on_the_average_hold_it_at_every_row_and_never_cross():
    missed = 0
    for seed in range(60):
        weights, quality, values = learned(seed)
        path = Values(0.95).judge(weights, quality)
        assert (path.low <= path.high).all()
        truth = staked_average(values, weights, 1.0)
        missed += not ((path.low <= truth) & (truth <= path.high)).all()
        assert path.high[-1] - path.low[-1] < 0.2
        # What was surely exceeded at first is not for ever.
        assert path.high[1500] < path.high[-1]

        difference = paired_bounds(weights, np.ones(ROWS), quality, 1.0)
        assert (difference.low <= difference.high).all()
        truth = staked_average(values - 0.5, weights - 1.0, 1.25)
        missed += not ((difference.low <= truth) & (truth <= difference.high)).all()
    assert missed <= 0.05 * 120


@pytest.mark.parametrize("cuts", [(1,), (17, 17, 500), range(1, 200, 7)])
def test_blocks_are_as_good_as_all_at_once(cuts):
    weights, quality, _ = learned(3)
    luck = np.random.default_rng(5)
    others = luck.dirichlet(np.ones(2), ROWS)[:, 0] * 2.0
    for whole, bounds in (
        (Values(0.9).judge(weights, quality), Values(0.9)),
        (paired_bounds(weights, others, quality, 2.0, 0.9), Differences(2.0, 0.9)),
    ):
        parts = []
        for rows in np.split(np.arange(ROWS), list(cuts)):
            told = (weights[rows], quality[rows])
            if isinstance(bounds, Differences):
                parts.append(bounds.compare(told[0], others[rows], told[1]))
            else:
                parts.append(bounds.judge(*told))
        for at, name in enumerate(("value", "low", "high")):
            joined = np.concatenate([part[at] for part in parts])
            np.testing.assert_allclose(joined, whole[at], rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("drifts", [False, True])
def test_a_report_of_what_went_on_learning_has_bounds_that_do_not_cross(drifts):
    weights, quality, values = learned(4)
    path = PathSoFar(ROWS, 0.95, drifts)
    for rows in np.array_split(np.arange(ROWS), 7):
        taught = np.ones(len(rows), dtype=bool)
        nothing = np.zeros(len(rows))
        path.add(Evidence(weights[rows], quality[rows], nothing, nothing, taught))
    found = path.found()
    low, high = np.array(found.low), np.array(found.high)
    assert found.rows[-1] == ROWS
    np.testing.assert_allclose(found.value[-1], (weights * quality).mean(), atol=1e-12)
    assert path.last == (low[-1], high[-1])
    if not drifts:
        assert low[-1] > high[-1]
        return
    truth = staked_average(values, weights, 1.0)[np.array(found.rows) - 1]
    assert (low <= truth).all()
    assert (high >= truth).all()
