"""The bounds alone, on made-up traffic whose truth is known."""

import numpy as np
import pytest

from bandit_service.evaluation.challengers.judging import bounds, verdict
from bandit_service.evaluation.offpolicy.drifting import paired_bounds
from bandit_service.model import Interval, Verdict

ARMS = 3


def drawn_from(incumbent, challenger, qualities, share, seed):
    """Weights of both and quality, of rows with these chances (n, K); and the difference that
    each row has on average."""
    luck = np.random.default_rng(seed)
    drawn = (1.0 - share) * incumbent + share * challenger
    arms = (drawn.cumsum(axis=1) < luck.random(len(drawn))[:, None]).sum(axis=1)
    at = np.arange(len(drawn)), arms
    quality = (luck.random(len(drawn)) < qualities[arms]).astype(float)
    truth = (challenger - incumbent) @ qualities
    return challenger[at] / drawn[at], incumbent[at] / drawn[at], quality, truth


def equal(seed, count, share):
    """Both choose by chances of their own for every row, and no arm is better."""
    luck = np.random.default_rng(seed)
    both = luck.dirichlet(np.ones(ARMS), size=(2, count)) * 0.85 + 0.05
    return drawn_from(both[0], both[1], np.full(ARMS, 0.6), share, seed + 1_000)


def unequal(seed, count, gap, share):
    incumbent = np.full((count, ARMS), [0.1, 0.8, 0.1])
    challenger = np.full((count, ARMS), [0.8, 0.1, 0.1])
    qualities = np.array([0.6 + gap / 1.4, 0.6 - gap / 1.4, 0.6])
    return drawn_from(incumbent, challenger, qualities, share, seed)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_equal_challengers_are_hardly_ever_rolled_back(share):
    """Whoever looks after every single row, with no margin at all, over 400 contests."""
    rolled_back = promoted = 0
    for seed in range(400):
        mine, other, quality, _ = equal(seed, 2_000, share)
        path = paired_bounds(mine, other, quality, 1.0 / (1.0 - share))
        rolled_back += bool((path.high < 0.0).any())
        promoted += bool((path.low > 0.0).any())
    assert rolled_back <= 0.05 * 400
    assert promoted <= 0.05 * 400


def test_a_normal_interval_at_every_look_would_be_wrong_far_too_often():
    """That the test above can fail."""
    wrong = 0
    for seed in range(200):
        mine, other, quality, _ = equal(seed, 2_000, 0.3)
        terms, rows = (mine - other) * quality, np.arange(1, 2_001)
        means = np.cumsum(terms) / rows
        errors = np.sqrt((np.cumsum(terms**2) / rows - means**2) / rows)
        wrong += bool((means + 1.96 * errors < 0.0)[50:].any())
    assert wrong > 0.1 * 200


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5])
def test_a_better_ones_bound_rises_above_nothing_and_a_worse_ones_falls_below(share):
    for gap in (0.3, -0.3):
        mine, other, quality, truth = unequal(5, 8_000, gap, share)
        path = paired_bounds(mine, other, quality, 1.0 / (1.0 - share))
        assert truth[0] == pytest.approx(gap)
        assert (path.low <= gap).all()
        assert (path.high >= gap).all()
        assert (path.low <= path.value).all()
        widths = (path.high - path.low)[[100, 1_000, 7_999]]
        assert widths[0] > widths[1] > widths[2]
        last = bounds(mine, other, quality, 1.0 - share)
        assert verdict(last, 0.02) is (Verdict.BETTER if gap > 0 else Verdict.WORSE)


def test_the_average_is_meant_where_a_challenger_learns():
    """At first it is worse by .3, later better by .3: the bounds hold the average at every row."""
    half = 4_000
    first = unequal(6, half, -0.3, 0.3)
    second = unequal(7, half, 0.3, 0.3)
    mine, other, quality, truth = (np.concatenate(both) for both in zip(first, second, strict=True))
    path = paired_bounds(mine, other, quality, 1.0 / 0.7)

    stakes_go_by = 1.0 / np.sqrt(np.arange(1, 2 * half + 1))
    average = np.cumsum(stakes_go_by * truth) / np.cumsum(stakes_go_by)
    assert (path.low <= average + 0.02).all()
    assert (path.high >= average - 0.02).all()
    assert path.high[half - 1] < -0.2
    assert path.high[-1] > path.high[half - 1] + 0.1


def test_how_good_the_unequal_are_is_seen_by_simulation_too():
    """Independently of weights: the mean quality that each would have drawn."""
    luck = np.random.default_rng(0)
    qualities = np.array([0.6 + 0.3 / 1.4, 0.6 - 0.3 / 1.4, 0.6])
    means = [
        (luck.random(200_000) < qualities[luck.choice(3, 200_000, p=chances)]).mean()
        for chances in ([0.8, 0.1, 0.1], [0.1, 0.8, 0.1])
    ]
    mine, other, quality, _ = unequal(8, 20_000, 0.3, 0.3)
    assert bounds(mine, other, quality, 0.7).value == pytest.approx(means[0] - means[1], abs=0.05)


def test_the_margin_decides_between_what_is_sure():
    assert verdict(Interval(0.0, -1.0, 1.0), 0.0) is Verdict.OPEN
    assert verdict(Interval(-0.01, -0.015, -0.005), 0.02) is Verdict.BETTER
    assert verdict(Interval(-0.01, -0.015, -0.005), 0.0) is Verdict.WORSE
    assert verdict(Interval(-0.01, -0.03, 0.01), 0.02) is Verdict.OPEN
    assert bounds(np.zeros(0), np.zeros(0), np.zeros(0), 1.0) == Interval(0.0, -1.0, 1.0)
