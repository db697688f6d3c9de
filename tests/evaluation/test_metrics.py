"""Measures of runs, against plain loops over the served queries, scipy, and by hand."""

import math
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from scipy import stats

from bandit_service.errors import InvalidField
from bandit_service.evaluation.results import Difference, Mean, Measures, PolicyResult, Result
from bandit_service.evaluation.runs import Run
from bandit_service.evaluation.table import OutcomeTable
from tests.evaluation.judging import (
    a_table_with_holes,
    always,
    judged,
    mean_if_told,
    some_runs,
)
from tests.evaluation.small_tables import a_table

SEEDS = range(8)


def policy(result: Result, label: str) -> PolicyResult:
    (found,) = [one for one in result.policies if one.policy == label]
    return found


def best_arms(table: OutcomeTable, row: int) -> list[int]:
    """The optimal ones, by the words of the contract."""
    worth = table.quality if table.expected is None else table.expected
    offered = [arm for arm in range(len(table.arms)) if table.offered[row, arm]]
    best = [arm for arm in offered if worth[row, arm] == max(worth[row, a] for a in offered)]
    known = [table.cost_usd[row, arm] for arm in best if not math.isnan(table.cost_usd[row, arm])]
    return [arm for arm in best if table.cost_usd[row, arm] == min(known)] if known else best


def counted_by_hand(
    table: OutcomeTable, run: Run, best: int, rival: int, start: int
) -> dict[str, float | None]:
    """Every measure of one run from a step on, one query after the other; None: not to be told."""
    worth = table.quality if table.expected is None else table.expected
    steps = [(int(r), int(a)) for r, a in zip(run.order, run.arms, strict=True)][start:]
    offered = {
        row: [a for a in range(len(table.arms)) if table.offered[row, a]] for row, _ in steps
    }

    def of_best(values: Any, row: int) -> float:
        if best in offered[row]:
            return float(values[row, best])
        return sum(float(values[row, a]) for a in offered[row]) / len(offered[row])

    met = [(row, arm) for row, arm in steps if rival in offered[row]]
    quality = sum(table.quality[step] for step in steps) / len(steps)
    cost = mean_if_told(table, "cost_usd", steps)
    best_everywhere = [(row, best) for row in range(len(table)) if table.offered[row, best]]
    best_known = mean_if_told(table, "cost_usd", best_everywhere) is not None
    best_costs = [table.cost_usd[row, best] for row, _ in steps if best in offered[row]]
    best_cost = float(np.nanmean(best_costs))
    return {
        "quality": quality,
        "cost_usd": cost,
        "latency_seconds": mean_if_told(table, "latency_seconds", steps),
        "energy_joules": mean_if_told(table, "energy_joules", steps),
        "regret": sum(
            max(worth[row, a] for a in offered[row]) - worth[row, arm] for row, arm in steps
        ),
        "regret_to_best": sum(of_best(worth, row) - worth[row, arm] for row, arm in steps),
        "routing_accuracy": sum(arm in best_arms(table, row) for row, arm in steps) / len(steps),
        "quality_of_best": quality / np.mean([of_best(table.quality, row) for row, _ in steps]),
        "cost_of_best": cost / best_cost if cost is not None and best_known else None,
        "wins": sum(table.quality[r, a] > table.quality[r, rival] for r, a in met) / len(met),
        "ties": sum(table.quality[r, a] == table.quality[r, rival] for r, a in met) / len(met),
        "losses": sum(table.quality[r, a] < table.quality[r, rival] for r, a in met) / len(met),
    }


def assert_counted(measures: Measures, by_hand: list[dict[str, float | None]]) -> None:
    for name in by_hand[0]:
        values = [one[name] for one in by_hand]
        found = getattr(measures, name)
        told = [value for value in values if value is not None]
        if len(told) < len(values):
            assert found is None, name
            continue
        assert found.mean == pytest.approx(np.mean(told)), name
        assert found.standard_error == pytest.approx(stats.sem(told), abs=1e-12), name


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("made_up", [False, True])
def test_every_measure_is_what_a_plain_loop_counts(seed, made_up):
    table = a_table_with_holes(seed)
    if made_up:
        expected = np.random.default_rng(seed).random(table.quality.shape)
        table = a_table(
            table.quality,
            expected=expected,
            cost_usd=table.cost_usd,
            latency_seconds=table.latency_seconds,
            energy_joules=table.energy_joules,
        )
    runs = some_runs(table, "p")
    best = int(np.argmax(np.nanmean(table.quality, axis=0)))
    rival = seed % len(table.arms)

    result = judged(table, runs, warmup=0.3, compared_with=table.arm_names[rival])

    found = policy(result, "p")
    assert (found.whole.queries, found.counted.queries) == (40, 28)
    assert result.compared_with == table.arm_names[rival]
    assert_counted(found.whole, [counted_by_hand(table, run, best, rival, 0) for run in runs])
    assert_counted(found.counted, [counted_by_hand(table, run, best, rival, 12) for run in runs])


@pytest.mark.parametrize(
    ("warmup", "steps", "skipped"), [(0.25, 10, 3), (0.07, 100, 7), (0.0, 3, 0)]
)
def test_the_warm_up_is_rounded_up_but_not_for_rounding_errors(warmup, steps, skipped):
    table = a_table(np.ones((steps, 2)))

    counted = policy(judged(table, [always(table, 0)], warmup=warmup), "always").counted

    assert counted.queries == steps - skipped


@pytest.mark.parametrize("warmup", [-0.1, 1.0, 0.99, math.nan])
def test_a_warm_up_that_leaves_nothing_is_refused(warmup):
    table = a_table(np.ones((10, 2)))

    with pytest.raises(
        InvalidField, match=r"warmup: must be in \[0, 1\) and leave some of 10 queries"
    ):
        judged(table, [always(table, 0)], warmup=warmup)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_diagonal_of_the_confusion_is_the_accuracy(seed):
    table = a_table_with_holes(seed)
    runs = some_runs(table, "p")
    counts = np.zeros((4, 4))
    for run in runs:
        for row, arm in zip(run.order, run.arms, strict=True):
            best = best_arms(table, int(row))
            counts[arm if arm in best else best[0], arm] += 1

    found = policy(judged(table, runs), "p")

    np.testing.assert_allclose(found.confusion, counts / counts.sum())
    assert np.trace(found.confusion) == pytest.approx(found.whole.routing_accuracy.mean)


def test_shares_of_arms_are_over_seeds():
    table = a_table_with_holes(seed=1)
    runs = some_runs(table, "p", leaning=0.2)

    shares = policy(judged(table, runs), "p").arm_shares

    assert list(shares) == list(table.arm_names)
    for arm, name in enumerate(table.arm_names):
        by_seed = [np.mean(run.arms == arm) for run in runs]
        assert shares[name].mean == pytest.approx(np.mean(by_seed))
        assert shares[name].standard_error == pytest.approx(stats.sem(by_seed))


@pytest.mark.parametrize("count", [1, 7, 60, 61, 150])
def test_the_curve_is_the_stream_up_to_each_point(count):
    table = a_table_with_holes(seed=5, count=count)
    runs = some_runs(table, "p")

    curve = policy(judged(table, runs), "p").curve

    assert len(curve.queries) == min(count, 60)
    assert curve.queries[-1] == count
    start = 0
    for point, end in enumerate(curve.queries):
        assert end > start
        qualities, regrets = [], []
        for run in runs:
            rows, arms = run.order[:end], run.arms[:end]
            quality = table.quality[rows, arms]
            qualities.append(quality.mean())
            regrets.append((np.nanmax(table.quality[rows], axis=1) - quality).sum())
        assert curve.quality[point] == pytest.approx(np.mean(qualities))
        assert curve.quality_error[point] == pytest.approx(stats.sem(qualities), abs=1e-12)
        assert curve.regret[point] == pytest.approx(np.mean(regrets))
        assert curve.regret_error[point] == pytest.approx(stats.sem(regrets), abs=1e-12)
        served = np.concatenate([run.arms[start:end] for run in runs])
        expected = [np.mean(served == arm) for arm in range(4)]
        np.testing.assert_allclose(curve.shares[point], expected)
        start = end


def test_a_sweep_is_one_point_a_dial_by_rising_dial():
    table = a_table_with_holes(seed=3)
    table = replace(table, cost_usd=np.nan_to_num(table.cost_usd, nan=0.003))
    main = some_runs(table, "p")
    swept = {
        dial: some_runs(table, "p", [4, 5], leaning=dial / 9, dial=dial) for dial in (9.0, 0.0, 2.0)
    }
    runs = [*main, *(run for runs in swept.values() for run in runs)]

    found = policy(judged(table, runs), "p")

    assert [point.quality_per_usd for point in found.dials] == [0.0, 2.0, 9.0]
    for point in found.dials:
        assert point.quality_per_usd is not None
        own = swept[point.quality_per_usd]
        for name, reached in [("quality", point.quality), ("cost_usd", point.cost_usd)]:
            values = getattr(table, name)
            expected = np.mean([values[run.order, run.arms].mean() for run in own])
            assert reached == pytest.approx(expected), name
        assert point.energy_joules is None  # a half of them is missing
    assert found.area is not None
    assert found.whole.quality == policy(judged(table, main), "p").whole.quality
    assert found.seeds == 3


def test_differences_are_paired_by_seed_with_student_intervals():
    table = a_table_with_holes(seed=6)
    first, second = some_runs(table, "p", range(5)), some_runs(table, "r", range(5), leaning=0.3)
    # Runs come in any order: what is paired is the seed.
    result = judged(table, [*first, *reversed(second)])

    found = {(one.first, one.second, one.measure): one for one in result.differences}

    assert set(found) == {
        ("p", "r", "quality"),
        ("p", "r", "cost_usd"),
        ("p", "r", "regret"),
        ("p", "best single", "quality"),
        ("r", "best single", "quality"),
    }
    for measure in ("quality", "cost_usd"):
        values = getattr(table, measure)
        apart = [
            np.nanmean(values[one.order, one.arms]) - np.nanmean(values[two.order, two.arms])
            for one, two in zip(first, second, strict=True)
        ]
        assert_interval(found["p", "r", measure], apart)
    quality = [
        table.quality[one.order, one.arms].sum() - table.quality[two.order, two.arms].sum()
        for one, two in zip(first, second, strict=True)
    ]
    # On the same queries the regrets differ by the qualities alone.
    assert_interval(found["p", "r", "regret"], [-difference for difference in quality])
    whole = policy(result, "p").whole
    assert found["p", "best single", "quality"].difference == pytest.approx(
        -whole.regret_to_best.mean / whole.queries
    )


def assert_interval(found: Difference, apart: list[float]) -> None:
    expected = stats.ttest_1samp(apart, 0.0).confidence_interval(0.95)
    assert found.difference == pytest.approx(np.mean(apart))
    assert found.standard_error == pytest.approx(stats.sem(apart))
    assert found.low == pytest.approx(expected.low)
    assert found.high == pytest.approx(expected.high)
    assert found.level == 0.95


def test_a_single_seed_has_no_errors_and_no_intervals():
    table = a_table_with_holes(seed=2)
    result = judged(table, [*some_runs(table, "p", [1]), *some_runs(table, "r", [1])])

    assert all(one.standard_error is one.low is one.high is None for one in result.differences)
    assert all(one.whole.quality.standard_error is None for one in result.policies)
    assert set(result.policies[0].curve.quality_error) == {0.0}


def test_three_queries_by_hand():
    #                  a    b          a's costs, b's costs
    table = a_table(
        [[1.0, 1.0], [0.0, 1.0], [0.5, 0.25]],
        cost_usd=np.array([[1.0, 4.0], [1.0, 4.0], [1.0, 4.0]]),
        tasks=("x", "y", ""),
    )
    run = always(table, 0, arms=np.array([0, 0, 1]), seconds=2.0)

    result = judged(table, [run])

    found = policy(result, "always")
    # Best single: b, .75 at 4. Its wins over it: none; ties: 1 and 3; loss: 2.
    assert result.compared_with == "b"
    assert result.tasks == 2
    assert found.whole == Measures(
        queries=3,
        quality=Mean(1.25 / 3),
        cost_usd=Mean(2.0),
        regret=Mean(1.25),  # 0, 1, .25
        regret_to_best=Mean(1.0),
        routing_accuracy=Mean(1 / 3),  # a is the cheaper of two as good
        quality_of_best=Mean(1.25 / 2.25),
        cost_of_best=Mean(0.5),
        wins=Mean(0.0),
        ties=Mean(2 / 3),
        losses=Mean(1 / 3),
    )
    assert found.decisions_per_second == 1.5
    # At cost 2 a third of b: .5 + (.75 - .5) / 3.
    assert result.hull_quality == {"always": pytest.approx(0.5 + 0.25 / 3)}


def test_playing_the_cheapest_arm_only_is_on_the_hull():
    rng = np.random.default_rng(0)
    table = a_table(rng.random((200, 3)), cost_usd=rng.random((200, 3)) * [1e-6, 1e-4, 1e-3])
    order = rng.permutation(200)

    result = judged(table, [always(table, 0, order=order)])

    assert result.hull_quality["always"] == pytest.approx(table.quality[:, 0].mean())


def test_without_costs_all_that_needs_them_is_unknown_and_said():
    table = a_table([[0.5, 0.75], [0.25, 0.5]])
    runs = [always(table, 0), always(table, 0, quality_per_usd=1.0)]

    result = judged(table, runs)

    found = policy(result, "always")
    assert found.whole.cost_usd is None
    assert found.whole.cost_of_best is None
    assert found.area is None
    assert found.dials[0].cost_usd is None
    assert (result.hull, result.energy_hull, result.hull_quality) == ((), (), {})
    assert {one.measure for one in result.differences} == {"quality"}
    assert "costs are unknown in this set" in result.notes
    assert "1 seed, fewer than 20: differences may be luck" in result.notes


def test_notes_tell_what_is_missing():
    table = a_table(
        [[0.5, 0.75, 0.5], [np.nan] * 3, [0.25, np.nan, 0.5]],
        cost_usd=np.array([[1.0, np.nan, 2.0], [1.0] * 3, [1.0, 1.0, np.nan]]),
        notes=("the table's own",),
    )
    run = always(table, 0, order=np.array([0, 2]), arms=np.array([0, 0]))

    notes = judged(table, [run], compared_with="b").notes

    assert notes[0] == "the table's own"
    assert "1 query had no known quality" in notes
    assert (
        "not every arm is known on every query (1 query has all of them, b is known on 1 of 3): "
        "arms' means are over different queries, and so is the hull"
    ) in notes
    assert "wins and losses against b are over the 1 query where it is known" in notes
    assert "costs are unknown for b: left out of means and hulls" in notes
    few = "costs are known for less than 95\N{NO-BREAK SPACE}% of the outcomes of c"
    assert f"{few}: left out of hulls" in notes
    assert "costs are unknown for 1 outcome more, left out" in notes


def test_runs_that_cannot_be_paired_are_refused():
    table = a_table_with_holes()
    ours = some_runs(table, "p", [1, 2])

    with pytest.raises(ValueError, match="they cannot be paired"):
        judged(table, [*ours, *some_runs(table, "r", [1, 3])])
    with pytest.raises(ValueError, match="ran twice with one seed"):
        judged(table, [*ours, ours[0]])
    other = always(table, 0, seed=1)
    elsewhere = Run("r", 1, None, other.order, np.argmax(table.offered, axis=1), np.ones(40), 1.0)
    with pytest.raises(ValueError, match="ran on other queries for one seed"):
        judged(table, [ours[0], elsewhere])


def test_runs_and_policies_have_to_match():
    table = a_table_with_holes()
    ours = some_runs(table, "p", [1])

    with pytest.raises(ValueError, match=r"not listed: \['p'\]"):
        judged(table, ours, policies=[("r", "")])
    with pytest.raises(ValueError, match="no run of r as configured"):
        judged(table, ours, policies=[("p", ""), ("r", "")])
    with pytest.raises(ValueError, match="need distinct policies"):
        judged(table, ours, policies=[("p", ""), ("p", "")])


def test_an_arm_that_was_not_offered_cannot_have_been_chosen():
    table = a_table([[0.5, np.nan], [0.5, 0.5]])

    with pytest.raises(ValueError, match="always chose an arm whose quality is not known"):
        judged(table, [always(table, 1)])


def test_comparing_with_an_unknown_arm_names_the_known_ones():
    table = a_table([[0.5, np.nan]])

    for name in ("z", "b"):
        with pytest.raises(InvalidField, match=f"no outcome of an arm '{name}'; known: a$"):
            judged(table, [always(table, 0)], compared_with=name)


def test_a_speed_that_no_clock_measured_is_unknown_in_json_too():
    table = a_table([[0.5, 0.25]])

    result = judged(table, [always(table, 0, seconds=0.0)])

    assert result.policies[0].decisions_per_second is None
    assert msgspec.json.decode(msgspec.json.encode(result), type=Result) == result


def test_a_best_arm_that_earns_nothing_gives_no_share_to_divide_by():
    table = a_table(np.zeros((3, 2)), cost_usd=np.zeros((3, 2)))

    whole = policy(judged(table, [always(table, 0)]), "always").whole

    assert whole.quality_of_best == Mean(1.0)
    assert whole.cost_of_best is None
