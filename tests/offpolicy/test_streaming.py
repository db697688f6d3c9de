"""Logs longer than memory: the same numbers, whether rows are kept, spilled or read again."""

import msgspec
import numpy as np
import pytest

from bandit_service.evaluation.logs import Traffic
from bandit_service.evaluation.logs.rows import batch_of
from bandit_service.evaluation.offpolicy import anytime, estimators, intervals, spooling
from bandit_service.evaluation.offpolicy.comparison import compare
from bandit_service.evaluation.offpolicy.evidence import Evidence
from bandit_service.evaluation.offpolicy.gathering import gather
from bandit_service.evaluation.offpolicy.moments import Moments
from bandit_service.evaluation.offpolicy.resampling import resampled
from bandit_service.evaluation.offpolicy.settings import Settings
from bandit_service.evaluation.offpolicy.spooling import Column
from bandit_service.evaluation.offpolicy.targets import target
from bandit_service.evaluation.offpolicy.tuning import FAMILIES, tuned
from tests.offpolicy.worlds import a_world, rows_of

SETTINGS = Settings(resamples=200, gate="quality >= incumbent - 0.1")


@pytest.fixture(scope="module")
def rows():
    """Some without feedback, in sessions and segments."""
    return [
        msgspec.structs.replace(
            row,
            quality=None if at % 11 == 0 else row.quality,
            cost_usd=None if at % 7 == 0 else 0.1 * (1 + int(row.arm[-1])),
            session=f"s{at % 200}" if at % 3 else None,
            segment="code" if at % 5 == 0 else "chat",
        )
        for at, row in enumerate(rows_of(a_world(count=1500, seed=4, floor=0.3), 5))
    ]


def traffic_of(rows, cut, **settings):
    def again():
        for start in range(0, len(rows), cut):
            part = rows[start : start + cut]
            yield batch_of(part, range(start + 1, start + 1 + len(part)))

    return Traffic("log", again, **settings)


def numbers(said):
    """All numbers of a comparison, by where they stand."""
    found = {}

    def walk(at, each):
        if isinstance(each, dict):
            for name, value in each.items():
                walk((*at, name), value)
        elif isinstance(each, list):
            for place, value in enumerate(each):
                walk((*at, place), value)
        else:
            found[at] = each

    walk((), msgspec.to_builtins(said))
    return found


def test_a_log_that_was_never_in_memory_has_the_same_numbers(rows, monkeypatch):
    def run(traffic):
        targets = [target(name, traffic.arms, 3) for name in ("arm:arm-1", "uniform")]
        return numbers(compare(traffic, targets, SETTINGS))

    kept = run(traffic_of(rows, 1500))
    monkeypatch.setattr(spooling, "KEPT_BYTES", 1000)
    streamed = run(traffic_of(rows, 64, keep=0))

    assert kept.keys() == streamed.keys()
    for at, value in kept.items():
        close = pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value
        assert streamed[at] == close, at


def test_sums_over_blocks_are_the_formulas_over_all_rows(rows):
    traffic = traffic_of(rows, 1500)
    chosen = target("uniform", traffic.arms, 3)
    (candidate,) = compare(traffic, [chosen], SETTINGS).candidates
    gathering = gather(traffic, [target("uniform", traffic.arms, 3)], training=0, rows=75)
    shared, one = gathering.shared, gathering.each[0]
    outcomes = shared.outcomes["quality"].whole()
    known = ~np.isnan(outcomes)
    evidence = Evidence(
        one.weights.whole(),
        outcomes,
        shared.modelled["quality"].whole(),
        one.expected["quality"].whole(),
        shared.taught["quality"].whole(),
    ).rows(known)
    terms = {name: estimate(evidence) for name, estimate in estimators.PLAIN.items()}
    terms |= {name: tuned(evidence, family)[1] for name, family in FAMILIES.items()}
    said = {each.estimator: each for each in candidate.estimates if each.measure == "quality"}

    assert said.keys() == terms.keys()
    for name, each in terms.items():
        assert said[name].value == pytest.approx(each.value, rel=1e-12), name
    weights, quality = evidence.weights, evidence.outcomes
    bernstein = intervals.bernstein_value(weights, quality, one.most)
    assert (said["ips"].intervals[1].low, said["ips"].intervals[1].high) == pytest.approx(bernstein)
    looks = anytime.value_bounds(weights, quality, np.array([len(quality)]))
    assert said["ips"].intervals[2].low == pytest.approx(looks.low[0])
    # Rows without feedback hold their places in the resamples, and count nothing.
    wide = np.zeros(len(known))
    wide[known] = evidence.weights * evidence.outcomes
    ratio = estimators.Terms(None, wide, known.astype(float))
    path = resampled([ratio], 0, clusters=shared.clusters.whole(), resamples=200)[:, 0]
    found = said["ips"].intervals[0]
    assert (found.low, found.high) == pytest.approx(
        intervals.bias_corrected(path, said["ips"].value)
    )


def test_a_column_spills_and_is_read_as_often_as_asked(monkeypatch):
    monkeypatch.setattr(spooling, "KEPT_BYTES", 100)
    column, parts = Column(), [np.arange(at, at + 10.0) for at in range(5)]
    for part in parts:
        column.add(part)
        list(column.parts())  # reading between writes loses nothing

    assert len(column) == 5
    for _ in range(2):
        np.testing.assert_array_equal(list(column.parts()), parts)
    np.testing.assert_array_equal(column.whole(), np.concatenate(parts))


def test_moments_of_parts_are_those_of_the_whole():
    values = 1e9 + np.random.default_rng(0).normal(size=1000)
    found = Moments()
    for part in np.split(values, [3, 3, 500]):
        found.add(part)

    assert found.count == 1000
    assert found.mean == pytest.approx(values.mean(), rel=1e-15)
    assert found.variance == pytest.approx(values.var(ddof=1), rel=1e-9)
    assert (found.least, found.most) == (values.min(), values.max())


def test_bets_on_means_of_neighbours_hold_and_lose_little(monkeypatch):
    """Of a long log a few rows are bet on together: valid, and hardly wider."""
    rng = np.random.default_rng(3)
    missed, widths = 0, []
    at = np.array([3000])
    for _ in range(30):
        weights = np.where(rng.random(3000) < 0.2, 5.0, 0.0)
        wins = (rng.random(3000) < 0.6).astype(float)
        monkeypatch.setattr(anytime, "MOST_BETS", 200_000)
        single = anytime.value_bounds(weights, wins, at)
        monkeypatch.setattr(anytime, "MOST_BETS", 300)
        grouped = anytime.value_bounds(weights, wins, at)
        missed += not grouped.low[0] <= 0.6 <= grouped.high[0]
        widths.append((grouped.high - grouped.low)[0] / (single.high - single.low)[0])

    assert missed <= 2
    assert np.mean(widths) < 1.15
