"""Who wins duels: by hand, by scipy, and against what all queries would have said."""

import msgspec
import numpy as np
import pytest
from scipy import stats

from bandit_service.cli.replay_output import show
from bandit_service.evaluation.logs import Traffic
from bandit_service.evaluation.logs.rows import batch_of
from bandit_service.evaluation.offpolicy.comparison import compare
from bandit_service.evaluation.offpolicy.duels import DuelsSoFar, wilson, win_rates
from bandit_service.evaluation.offpolicy.report import as_html
from bandit_service.evaluation.offpolicy.settings import Settings
from bandit_service.evaluation.offpolicy.targets import target
from tests.offpolicy.worlds import a_world, rows_of


def test_win_rates_by_hand():
    """Two duels of 0 and 1, one each way round, and one of 1 and 2."""
    found = win_rates(
        np.array([0, 1, 1]),
        np.array([1, 0, 2]),
        np.array([0.5, 0.25, 1.0]),
        np.array([1.0, 1.0, 0.5]),
        3,
    )

    assert found.rate[0, 1] == pytest.approx(2 / 6)  # weights 2 (won) and 4 (lost)
    assert found.rate[1, 0] == pytest.approx(4 / 6)
    assert found.rate[1, 2] == found.rate[2, 1] == 0.5
    assert np.isnan(found.rate[0, 2])
    assert found.duels.tolist() == [[0, 2, 0], [2, 0, 1], [0, 1, 0]]
    assert found.effective_size[0, 1] == pytest.approx(36 / 20)


def test_win_rates_are_over_all_queries_not_over_those_that_met():
    """Easy queries, where the first arm wins, bring the pair together nine times as often."""
    rng = np.random.default_rng(0)
    easy = rng.random(20_000) < 0.5
    chance = np.where(easy, 0.9, 0.1)
    met = rng.random(20_000) < chance
    won = (rng.random(20_000) < np.where(easy, 0.8, 0.2)).astype(float)
    count = int(met.sum())
    first, second = np.zeros(count, dtype=int), np.ones(count, dtype=int)
    found = win_rates(first, second, chance[met], won[met], 2)

    assert abs(found.rate[0, 1] - 0.5) < 4 * found.standard_error[0, 1]
    assert won[met].mean() > 0.7
    with pytest.raises(ValueError, match=r"in \(0, 1\]"):
        win_rates(first[:1], second[:1], np.array([0.0]), np.ones(1), 2)
    with pytest.raises(ValueError, match="cannot meet itself"):
        win_rates(first[:1], first[:1], np.array([0.5]), np.ones(1), 2)


def drawn_duels(rng, count=800):
    """The outer arms meet far more often on easy queries, where the first one wins."""
    easy = rng.random(count) < 0.5
    chances = np.where(easy[:, None], [0.35, 0.1, 0.55], [0.2, 0.6, 0.2])
    first = (rng.random(count)[:, None] > np.cumsum(chances, axis=1)).sum(axis=1)
    rows = np.arange(count)
    rest = chances.copy()
    rest[rows, first] = 0.0
    rest /= rest.sum(axis=1, keepdims=True)
    second = (rng.random(count)[:, None] > np.cumsum(rest, axis=1)).sum(axis=1)
    pairs = chances[rows, first] * rest[rows, second]
    # Arm 0 beats arm 2 on easy queries nine times in ten, on others three times.
    strength = np.where(easy[:, None], [0.9, 0.5, 0.1], [0.3, 0.5, 0.7])
    one, other = strength[rows, first], strength[rows, second]
    won = rng.random(count) < 0.5 + 0.5 * (one - other)
    return first, second, pairs, won.astype(float)


def test_intervals_hold_what_all_queries_would_have_said():
    truth = 0.5 + 0.5 * (0.5 * (0.9 - 0.1) + 0.5 * (0.3 - 0.7))
    held, plain = 0, []
    for seed in range(200):
        first, second, pairs, won = drawn_duels(np.random.default_rng(seed))
        found = win_rates(first, second, pairs, won, 3)
        low, high = wilson(float(found.rate[0, 2]), float(found.effective_size[0, 2]), 0.95)
        held += low <= truth <= high
        met = ((first == 0) & (second == 2)) | ((first == 2) & (second == 0))
        plain.append(np.where(first == 0, won, 1.0 - won)[met].mean())

    assert held >= 180
    # The duels that happened tell another story: they came with the easy queries.
    assert abs(np.mean(plain) - truth) > 5 * np.std(plain) / np.sqrt(200)


@pytest.mark.parametrize(("wins", "count"), [(0, 5), (7, 7), (30, 80)])
def test_the_interval_is_wilsons(wins, count):
    theirs = stats.binomtest(wins, count).proportion_ci(0.95, method="wilson")

    assert wilson(wins / count, count, 0.95) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_sums_over_blocks_are_those_over_all():
    duels = drawn_duels(np.random.default_rng(0))
    parts = DuelsSoFar(3)
    for part in np.array_split(np.arange(800), 7):
        parts.add(*(column[part] for column in duels))

    first, second, pairs, won = duels
    expected = win_rates(first, second, pairs, won, 3)
    for whole, one in zip(fields_of(expected), fields_of(parts.rates()), strict=True):
        np.testing.assert_allclose(one, whole, rtol=1e-9)


def fields_of(rates):
    return rates.rate, rates.standard_error, rates.effective_size, rates.duels


def test_a_comparison_tells_of_the_duels_in_its_log(capsys):
    first, second, pairs, won = drawn_duels(np.random.default_rng(1))
    rows = [
        msgspec.structs.replace(
            row,
            arm=f"arm-{first[at]}",
            propensity=None,
            second_arm=f"arm-{second[at]}",
            pair_propensity=float(pairs[at]),
            preference=float(won[at]) if at % 4 else None,
            probabilities={f"arm-{slot}": 0.25 for slot in range(4)},
        )
        for at, row in enumerate(rows_of(a_world(count=800), 1))
    ]
    traffic = Traffic("log", lambda: iter([batch_of(rows, range(1, 801))]))
    result = compare(traffic, [target("uniform", traffic.arms, 3)], Settings(resamples=100))
    told = np.arange(800) % 4 > 0
    expected = win_rates(first[told], second[told], pairs[told], won[told], 4)
    (found,) = (each for each in result.duels if {each.arm, each.other} == {"arm-0", "arm-2"})

    assert len(result.duels) == 3
    slots = [int(name[-1]) for name in (found.arm, found.other)]
    assert found.rate == pytest.approx(expected.rate[*slots])
    assert found.rate >= 0.5
    assert found.duels == expected.duels[0, 2]
    show(result)
    assert f"{found.arm} beats {found.other}" in capsys.readouterr().out
    assert "Who is preferred when two arms answer" in as_html(result)
