"""Intervals against formulas, against scipy's bootstrap, and by how often they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from bandit_service.evaluation.offpolicy import (
    adaptive,
    anytime,
    estimators,
    intervals,
    quantiles,
    resampling,
)
from bandit_service.evaluation.offpolicy.drifting import paired_bounds
from bandit_service.evaluation.offpolicy.estimators import Terms
from bandit_service.evaluation.offpolicy.resampling import Resampler, Resampling, resampled
from tests.offpolicy.worlds import a_world


def mean_of(values):
    return Terms(np.zeros(len(values)), np.asarray(values, dtype=float))


def test_resampled_rows_count_as_a_poisson_variable_does():
    table = resampling._counts_table()

    assert len(table) == 65536
    assert table.mean() == pytest.approx(1.0, abs=1e-4)
    assert table.var() == pytest.approx(1.0, abs=1e-3)
    for count in range(7):
        assert (table == count).mean() == pytest.approx(
            stats.poisson.pmf(count, 1.0), abs=2 / 65536
        )


@pytest.mark.parametrize("skewed", [False, True])
def test_the_bootstrap_agrees_with_scipys(skewed):
    """Its BCa takes the acceleration from a jackknife, ours from the resamples."""
    rng = np.random.default_rng(0)
    values = rng.pareto(2.5, size=300) if skewed else rng.exponential(size=300)
    path = resampled([mean_of(values)], 1, resamples=8000)[:, 0]
    ours = intervals.bias_corrected(path, float(values.mean()))
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=8000, method="BCa", random_state=2
    ).confidence_interval

    width = theirs.high - theirs.low
    assert ours[0] == pytest.approx(theirs.low, abs=0.08 * width)
    assert ours[1] == pytest.approx(theirs.high, abs=0.08 * width)


def test_values_without_bias_or_skewness_are_taken_as_they_are():
    values = np.linspace(-1.0, 1.0, 2001)

    assert intervals.bias_corrected(values, 0.0, 0.9) == pytest.approx((-0.9, 0.9), abs=1e-3)
    assert intervals.bias_corrected(np.full(9, 0.5), 0.5) == (0.5, 0.5)


def test_a_ratios_bootstrap_spreads_as_the_delta_method_says():
    evidence = a_world(count=3000, floor=0.4).evidence(1)
    terms = estimators.snips(evidence)
    spread = resampled([terms], 0, resamples=2000)[:, 0].std()

    assert spread == pytest.approx(terms.standard_error, rel=0.06)


def test_the_same_rows_are_resampled_for_every_estimate():
    values = np.random.default_rng(0).random(50)
    paths = resampled([mean_of(values), mean_of(values + 2.0)], 3)

    np.testing.assert_allclose(paths[:, 1] - paths[:, 0], 2.0, atol=1e-12)


def test_clusters_are_resampled_as_wholes():
    """Fifty sessions of twenty equal decisions know as much as fifty decisions."""
    rng = np.random.default_rng(1)
    sessions = rng.random(50)
    values, clusters = np.repeat(sessions, 20), np.repeat(np.arange(50), 20)
    rows = resampled([mean_of(values)], 0, resamples=2000)[:, 0].std()
    grouped = resampled([mean_of(values)], 0, clusters=clusters, resamples=2000)
    expected = sessions.std() / np.sqrt(50)

    assert grouped[:, 0].std() == pytest.approx(expected, rel=0.08)
    assert rows < 0.3 * expected


def test_beyond_the_limit_neighbours_count_together_and_little_changes():
    values = np.random.default_rng(0).exponential(size=20_000)
    terms, alone = mean_of(values), np.full(20_000, -1)
    grouped = Resampler(0, 2000, 20_000, most=1000)
    paths = resampled([terms], 0, resamples=2000, most=1000)[:, 0]

    assert len(np.unique(grouped.units(alone, 0))) == 1000
    assert len(np.unique(grouped.units(np.arange(20_000), 0))) == 1000
    assert paths.mean() == pytest.approx(values.mean(), rel=0.01)
    assert paths.std() == pytest.approx(terms.standard_error, rel=0.1)


def test_counts_of_rows_and_resamples_are_independent_poisson_variables():
    """Every row's count in every resample, by resampling a table with a column a row."""
    rows = 300
    resampler = Resampler(5, 2000, rows)
    counts = resampler.sums(np.full(rows, -1), 0, np.eye(rows))[1:]

    assert stats.chisquare(
        np.bincount(counts.astype(int).ravel(), minlength=12)[:7],
        counts.size * stats.poisson.pmf(range(7), 1.0) / stats.poisson.cdf(6, 1.0)
        * (counts < 7).mean(),
    ).pvalue > 1e-4  # fmt: skip
    between_rows = np.asarray(np.corrcoef(counts.T))[np.triu_indices(rows, 1)]
    between_resamples = np.asarray(np.corrcoef(counts))[np.triu_indices(2000, 1)]
    for correlations, count in ((between_rows, 2000), (between_resamples, rows)):
        assert abs(correlations).max() < 6.0 / np.sqrt(count)
        assert correlations.std() == pytest.approx(1.0 / np.sqrt(count), rel=0.05)
    other = Resampler(6, 2000, rows).sums(np.full(rows, -1), 0, np.eye(rows))[1:]
    assert abs(np.corrcoef(counts.ravel(), other.ravel())[0, 1]) < 0.01


@pytest.mark.parametrize("most", [10_000, 40])
def test_resamples_do_not_depend_on_where_blocks_end(most):
    """Sessions that go on in other blocks count alike there."""
    rng = np.random.default_rng(2)
    values, clusters = (
        rng.random(500),
        np.where(rng.random(500) < 0.5, rng.integers(0, 60, 500), -1),
    )
    whole = resampled([mean_of(values)], 1, clusters=clusters, resamples=130, most=most)[:, 0]
    sums = Resampling(Resampler(1, 130, 500, most))
    for start in range(0, 500, 37):
        part = slice(start, start + 37)
        mask = np.ones(len(values[part]), dtype=bool)
        sums.add(start, clusters[part], {("", ""): (mean_of(values[part]), mask)})

    np.testing.assert_allclose(sums.found(0.95).paths["", ""], whole, rtol=1e-12)


def test_bootstrap_holds_the_truth_about_as_often_as_it_says():
    """300 logs of 600 decisions: 95 % would miss 15, and rarely more than 30."""
    world = a_world(count=600, seed=3, floor=0.3)
    missed = dict.fromkeys(("dr", "snips"), 0)
    for seed in range(300):
        evidence = world.evidence(seed, world.means)
        terms = [estimators.dr(evidence), estimators.snips(evidence)]
        paths = resampled(terms, seed, resamples=300)
        for at, name in enumerate(missed):
            low, high = intervals.bias_corrected(paths[:, at], terms[at].value)
            missed[name] += not low <= world.truth <= high

    assert max(missed.values()) <= 30


def test_empirical_bernstein_is_maurers_and_pontils():
    values = np.random.default_rng(0).random(100)
    mean, total = values.sum() / 100, 0.0
    for one in values:
        for other in values:
            total += (one - other) ** 2
    variance = total / (2 * 100 * 99)
    log = np.log(2 / 0.025)
    by_hand = mean - np.sqrt(2 * variance * log / 100) - 7 * 3.0 * log / (3 * 99)

    assert intervals.bernstein_lower(values, -1.0, 2.0, 0.025) == pytest.approx(by_hand, rel=1e-12)


def test_a_range_that_is_not_one_is_refused():
    with pytest.raises(ValueError, match=r"are not in \[0, 1\]"):
        intervals.bernstein_lower(np.array([0.5, 1.5]), 0.0, 1.0, 0.05)


def test_bernstein_bounds_almost_always_hold():
    world = a_world(count=500, seed=3, floor=0.5)
    most = float((world.target / world.logger).max())
    logged = float((world.logger * world.means).sum(axis=1).mean())
    missed = 0
    for seed in range(200):
        evidence = world.evidence(seed)
        low, high = intervals.bernstein_value(evidence.weights, evidence.outcomes, most)
        missed += not low <= world.truth <= high
        low, high = intervals.bernstein_difference(evidence.weights, evidence.outcomes, most)
        missed += not low <= world.truth - logged <= high

    assert missed <= 20


def test_betting_bounds_are_those_of_a_plain_loop():
    terms = np.random.default_rng(1).exponential(0.7, size=60)
    points, alpha = 20, 0.05
    at = np.array([1, 10, 60])
    bounds = anytime.lower_bounds(terms, at, alpha, points=points)

    def by_loop(upto):
        low = 0.0
        for point in range(1, points + 1):
            m, wealth, peak = point / points, 1.0, 1.0
            seen, squares = [0.5], [0.5]
            for x in terms[:upto]:
                mean = sum(seen) / len(seen)
                variance = sum(squares) / len(squares) - mean**2
                stake = (mean - m) / (variance + (mean - m) ** 2)
                wealth *= 1 + min(max(stake, 0.0), 0.5 / m) * (x - m)
                peak = max(peak, wealth)
                seen.append(x)
                squares.append(x * x)
            if peak < 1 / alpha:
                break
            low = m
        return low

    np.testing.assert_allclose(bounds, [by_loop(upto) for upto in at], atol=1e-12)


def test_betting_bounds_do_not_depend_on_blocks(monkeypatch):
    terms = np.random.default_rng(1).exponential(0.7, size=500)
    at = anytime.looks(500, 25)
    whole = anytime.lower_bounds(terms, at, 0.05)
    monkeypatch.setattr(anytime, "_AT_ONCE", 37)

    np.testing.assert_allclose(anytime.lower_bounds(terms, at, 0.05), whole, atol=1e-12)


@pytest.mark.parametrize("floor", [0.5, 0.02])
def test_anytime_bounds_hold_at_every_look_and_normal_ones_do_not(floor):
    """A reader who looks 100 times at 150 logs; with weights up to about 150, too."""
    world = a_world(count=1000, seed=3, floor=floor)
    logged = (world.logger * world.means).sum(axis=1)
    # Rows in random order, so that every row has the same mean, given those before.
    truth, difference = world.truth, world.truth - float(logged.mean())
    at, missed, peeked = anytime.looks(1000, 100), 0, 0
    for seed in range(150):
        order = np.random.default_rng(seed).integers(0, 1000, 1000)
        here = type(world)(
            world.contexts[order], world.means[order], world.logger[order], world.target[order]
        )
        evidence = here.evidence(seed)
        value = anytime.value_bounds(evidence.weights, evidence.outcomes, at)
        paired = paired_bounds(evidence.weights, np.ones(1000), evidence.outcomes, 1.0)
        missed += not ((value.low <= truth) & (truth <= value.high)).all()
        missed += not ((paired.low <= difference) & (difference <= paired.high)).all()
        terms = evidence.weights * evidence.outcomes
        for count in at[2:]:
            low, high = intervals.normal(mean_of(terms[:count]))
            if not low <= truth <= high:
                peeked += 1
                break

    assert missed <= 2 * 150 * 0.05
    assert peeked > 150 * 0.1


def test_anytime_bounds_say_something_at_weights_of_forty():
    """Every fortieth row speaks, 5,000 of them: a sequence with a fixed prior says -7."""
    rng = np.random.default_rng(0)
    weights = np.where(rng.random(5000) < 1 / 40, 40.0, 0.0)
    quality = (rng.random(5000) < 0.8).astype(float)
    bounds = anytime.value_bounds(weights, quality, np.array([5000]))

    assert 0.45 < bounds.low[0] < 0.8 < bounds.high[0] < 0.97


def test_negative_terms_are_refused():
    with pytest.raises(ValueError, match="must be >= 0"):
        anytime.lower_bounds(np.array([-0.1]), np.array([1]), 0.05)


def test_bounds_never_widen_and_start_from_nothing():
    evidence = a_world(count=300).evidence(0)
    looks = anytime.value_bounds(evidence.weights, evidence.outcomes, anytime.looks(300, 50))

    assert looks.at[-1] == 300
    assert looks.low[0] == 0.0
    assert (np.diff(looks.low) >= 0).all()
    assert (np.diff(looks.high) <= 0).all()


def test_weighted_mean_by_loop_and_blocks_look_back_only():
    spreads, blocks = np.array([4.0, 1.0, 9.0]), np.array([0, 0, 1, 2])
    rows = adaptive.stabilised(spreads)[blocks]
    np.testing.assert_allclose(rows, [0.5, 0.5, 0.5, 1.0])
    terms = np.array([1.0, 0.0, 2.0, 1.0])
    value = (0.5 * 1 + 0 + 0.5 * 2 + 1.0) / 2.5
    variance = sum(h**2 * (t - value) ** 2 for h, t in zip(rows, terms, strict=True)) / 2.5**2

    found, low, high = adaptive.weighted_mean(terms, rows)
    assert found == pytest.approx(value)
    assert (high - low) / 2 == pytest.approx(stats.norm.ppf(0.975) * np.sqrt(variance))
    chances = np.array([[0.5, 0.5], [0.25, 0.75]])
    target = np.array([[1.0, 0.0], [0.5, 0.5]])
    expected = (1 / 0.5 + 0.25 / 0.25 + 0.25 / 0.75) / 2
    assert adaptive.spread_of(target, chances) == pytest.approx(expected)


def test_stabilised_weights_cover_where_a_learner_logged():
    """A logger that all but gives up an arm as it goes; the question is about that arm."""
    rng = np.random.default_rng(0)
    missed, plain, stabilised = 0, [], []
    for _ in range(300):
        blocks = np.repeat(np.arange(10), 100)
        best_so_far = 0.5 / (1 + blocks) ** 1.5  # chance of the arm in question
        drawn = rng.random(1000) < best_so_far
        wins = rng.random(1000) < 0.4
        terms = drawn / best_so_far * wins
        chances = np.column_stack([best_so_far, 1 - best_so_far])
        one = np.tile([1.0, 0.0], (100, 1))
        spreads = np.array([adaptive.spread_of(one, chances[blocks == b]) for b in range(10)])
        value, low, high = adaptive.weighted_mean(terms, adaptive.stabilised(spreads)[blocks])
        missed += not low <= 0.4 <= high
        plain.append(terms.mean())
        stabilised.append(value)

    assert missed <= 30
    assert abs(np.mean(stabilised) - 0.4) < 4 * np.std(stabilised) / np.sqrt(300)
    assert np.std(stabilised) < 0.7 * np.std(plain)


def test_quantiles_with_equal_weights_are_order_statistics():
    values = np.random.default_rng(0).permutation(100).astype(float)

    assert quantiles.weighted_quantile(values, np.ones(100), 0.5) == 49.0
    assert quantiles.weighted_quantile(values, np.ones(100), 0.95) == 94.0
    assert quantiles.weighted_quantile(values, np.ones(100), 1.0) == 99.0


def test_whole_weights_are_repetitions():
    rng = np.random.default_rng(3)
    values, counts = rng.random(40), rng.integers(0, 5, 40)
    repeated = np.sort(np.repeat(values, counts))
    for share in (0.1, 0.5, 0.9):
        expected = repeated[int(np.ceil(share * len(repeated))) - 1]
        assert quantiles.weighted_quantile(values, counts.astype(float), share) == expected


def test_intervals_of_quantiles_hold_the_truth():
    """Latencies log-normal, drawn by weights: the 95th percentile of the target's own."""
    rng = np.random.default_rng(2)
    truth, missed = float(np.exp(stats.norm.ppf(0.95))), 0
    for _ in range(200):
        drawn = rng.random(800) < 0.5
        values = np.where(drawn, np.exp(rng.normal(size=800)), rng.random(800) * 20)
        weights = np.where(drawn, 2.0, 0.0)
        _, low, high = quantiles.quantile_interval(values, weights, 0.95)
        missed += not low <= truth <= high

    assert missed <= 22
