"""References, against plain loops and by hand."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from bandit_service.evaluation.loading import load
from bandit_service.evaluation.optimal import ArmMeans, optimal_arms, worth
from bandit_service.evaluation.references import references_of
from bandit_service.evaluation.results import Reference
from bandit_service.evaluation.table import OutcomeTable
from tests.evaluation.judging import a_table_with_holes, mean_if_told
from tests.evaluation.real_data import real_data
from tests.evaluation.small_tables import a_table

RESOURCES = ("quality", "cost_usd", "latency_seconds", "energy_joules")


def referred(table: OutcomeTable) -> dict[str, Reference]:
    """By kind; of the single arms the last."""
    contexts = np.ones((len(table), 1))
    return {found.kind: found for found in references_of(table, contexts, ArmMeans.of(table), "p")}


def offered_arms(table: OutcomeTable, row: int) -> list[int]:
    return [arm for arm in range(len(table.arms)) if not math.isnan(table.quality[row, arm])]


def price(table: OutcomeTable, row: int, arm: int) -> float:
    cost = table.cost_usd[row, arm]
    return math.inf if math.isnan(cost) else float(cost)


def best_of_query(table: OutcomeTable, row: int) -> int:
    return min(
        offered_arms(table, row),
        key=lambda arm: (-table.quality[row, arm], price(table, row, arm), arm),
    )


def best_of_task(table: OutcomeTable, row: int) -> int:
    peers = [other for other, task in enumerate(table.tasks) if task == table.tasks[row]]

    def rank(arm: int) -> tuple[float, float, int]:
        known = [other for other in peers if arm in offered_arms(table, other)]
        costs = [price(table, other, arm) for other in known]
        finite = [cost for cost in costs if cost < math.inf]
        mean = sum(finite) / len(finite) if finite else math.inf
        return -sum(table.quality[other, arm] for other in known) / len(known), mean, arm

    return min(offered_arms(table, row), key=rank)


def assert_means(found: Reference, table: OutcomeTable, choices: list[tuple[int, int]]) -> None:
    for resource in RESOURCES:
        expected = mean_if_told(table, resource, choices)
        wanted = None if expected is None else pytest.approx(expected)
        assert getattr(found, resource) == wanted, resource


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("kind", "choose"), [("oracle", best_of_query), ("best_per_task", best_of_task)]
)
def test_hindsight_chooses_as_a_plain_loop_does(
    seed: int, kind: str, choose: Callable[[OutcomeTable, int], int]
) -> None:
    table = a_table_with_holes(seed)

    found = referred(table)[kind]

    assert found.hindsight
    assert_means(found, table, [(row, choose(table, row)) for row in range(len(table))])


@pytest.mark.parametrize("seed", range(6))
def test_each_single_arm_counts_the_queries_where_it_is_known(seed):
    table = a_table_with_holes(seed)
    arms = [
        found
        for found in references_of(table, np.ones((len(table), 1)), ArmMeans.of(table), "p")
        if found.kind == "arm"
    ]

    assert [found.name for found in arms] == list(table.arm_names)
    for arm, found in enumerate(arms):
        rows = [row for row in range(len(table)) if arm in offered_arms(table, row)]
        assert_means(found, table, [(row, arm) for row in rows])
        assert found.note.split("; ")[0] == f"over the {len(rows)} of {len(table)} queries it has"
        assert not found.hindsight


@pytest.mark.parametrize("seed", range(6))
def test_best_single_and_cheapest_are_the_arms_with_those_means(seed):
    table = a_table_with_holes(seed)
    table = replace(table, cost_usd=np.nan_to_num(table.cost_usd, nan=0.003))
    found = referred(table)
    costs = np.where(table.offered, table.cost_usd, np.nan)

    best = int(np.argmax(np.nanmean(table.quality, axis=0)))
    cheapest = int(np.argmin(np.nanmean(costs, axis=0)))

    assert found["best_single"].name == f"best single ({table.arm_names[best]})"
    assert found["best_single"].quality == pytest.approx(np.nanmean(table.quality[:, best]))
    assert found["cheapest"].name == f"cheapest ({table.arm_names[cheapest]})"
    assert found["cheapest"].cost_usd == pytest.approx(np.nanmean(costs[:, cheapest]))


def test_random_takes_every_offered_arm_alike():
    table = a_table(
        [[1.0, 0.0, 0.5], [1.0, np.nan, 0.0], [np.nan, np.nan, 0.4]],
        cost_usd=np.array([[3.0, 6.0, 9.0], [1.0, 1.0, 4.0], [1.0, 1.0, 2.0]]),
    )

    found = referred(table)["random"]

    assert found.quality == pytest.approx((0.5 + 0.5 + 0.4) / 3)
    assert found.cost_usd == pytest.approx((6.0 + (1.0 + 4.0) / 2 + 2.0) / 3)
    assert not found.hindsight


def test_random_is_what_random_draws_come_to():
    table = a_table_with_holes(seed=9)
    rng = np.random.default_rng(0)
    draws = [
        [rng.choice(offered_arms(table, row)) for row in range(len(table))] for _ in range(400)
    ]
    earned = [table.quality[np.arange(len(table)), draw].mean() for draw in draws]

    expected = referred(table)["random"].quality

    assert abs(np.mean(earned) - expected) < 4 * np.std(earned) / math.sqrt(len(draws))


def test_an_arm_known_on_few_queries_is_never_the_best_single():
    """Arm c is perfect on the one easy query it was asked."""
    table = a_table([[0.9, 0.8, 1.0], [0.4, 0.6, np.nan], [0.4, 0.6, np.nan], [0.1, 0.2, np.nan]])

    assert referred(table)["best_single"].name == "best single (b)"


def test_an_unknown_cost_loses_a_tie_to_a_known_one():
    worth = np.array([[1.0, 1.0, 1.0, 0.5], [1.0, 1.0, np.nan, 0.5], [np.nan] * 4])
    cost = np.array([[np.nan, 2.0, 2.0, 0.1], [np.nan, np.nan, 0.0, 0.1], [0.1] * 4])

    assert optimal_arms(worth, cost).tolist() == [
        [False, True, True, False],
        [True, True, False, False],
        [False] * 4,
    ]


def test_in_a_made_up_set_the_oracle_knows_what_was_expected_not_the_luck():
    table = a_table([[0.0, 1.0], [0.0, 1.0]], expected=np.array([[0.6, 0.4], [0.3, 0.4]]))

    oracle = referred(table)["oracle"]

    assert oracle.quality == 0.5  # arm a earned 0 on the first query, arm b 1 on the second
    assert "expected" in oracle.note


def test_what_is_not_known_is_not_made_up():
    found = referred(a_table([[0.5, 0.7], [0.2, 0.6]]))

    assert set(found) == {"arm", "best_single", "random", "oracle", "offline_router"}
    assert {reference.cost_usd for reference in found.values()} == {None}
    assert {reference.energy_joules for reference in found.values()} == {None}


def test_queries_without_any_outcome_are_passed_over():
    quality = [[0.5, 0.7], [np.nan, np.nan], [0.1, 0.9]]
    table = a_table(quality, tasks=("x", "x", "y"))

    found = referred(table)

    assert found["random"].quality == pytest.approx(0.55)
    assert found["oracle"].quality == pytest.approx(0.8)
    assert found["best_per_task"].quality == pytest.approx(0.8)
    assert found["offline_router"].quality == pytest.approx(0.8)


# best single, random and oracle as the sets' own descriptions give them
@pytest.mark.parametrize(
    ("name", "best", "luck", "oracle", "oracle_cost"),
    [
        ("routerbench", 0.8764, 0.6797, 0.9759, 0.0002036),
        ("paretobandit", 0.9354, 0.8961, 0.9731, 0.003111),
        ("llmdrift", 0.8281, 0.5722, 0.9638, 0.006687),
    ],
)
def test_they_agree_with_what_is_known_of_real_sets(name, best, luck, oracle, oracle_cost):
    found = referred(load(real_data(name)))

    assert found["best_single"].quality == pytest.approx(best, abs=5e-5)
    assert found["random"].quality == pytest.approx(luck, abs=5e-5)
    assert found["oracle"].quality == pytest.approx(oracle, abs=5e-5)
    assert found["oracle"].cost_usd == pytest.approx(oracle_cost, rel=5e-4)


def test_a_row_goes_by_what_is_expected_where_that_is_known_of_every_offered_arm() -> None:
    table = a_table(
        [[0.2, 0.9], [0.2, 0.9], [0.2, math.nan]],
        expected=np.array([[0.6, 0.5], [0.6, math.nan], [0.6, math.nan]]),
    )

    np.testing.assert_array_equal(worth(table), [[0.6, 0.5], [0.2, 0.9], [0.6, math.nan]])
