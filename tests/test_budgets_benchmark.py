"""The benchmark of budgets: its optimum by other means, and that one command prints all parts."""

from itertools import product

import numpy as np
import pytest

from benchmarks import energy
from benchmarks.budgets import __main__ as budgets
from benchmarks.budgets import decision, optimum
from policies.budget import KnapsackThreshold


def by_duality(values, amounts, budget):
    """The least of the dual function, which is linear between the prices at which arms tie."""
    ties = [0.0]
    for one, other in product(range(len(amounts)), repeat=2):
        if amounts[one, 0] > amounts[other, 0]:
            gained = values[:, one] - values[:, other]
            ties += list(gained / (amounts[one, 0] - amounts[other, 0]))
    return min(
        price * budget + (values - price * amounts[:, 0]).max(axis=1).sum()
        for price in ties
        if price >= 0.0
    )


@pytest.mark.parametrize("rate", [1.5, 3.0, 30.0, 200.0])
def test_the_optimum_is_that_of_the_dual(rate):
    values = np.random.default_rng(3).normal([0.5, 0.7, 0.8], 0.2, (40, 3))

    found = optimum.relaxed(values, optimum.ONE, np.array([40 * rate]))

    assert found == pytest.approx(by_duality(values, optimum.ONE, 40 * rate), rel=1e-9)


def test_no_whole_choice_beats_the_optimum_of_two_budgets_and_one_comes_near():
    values = np.random.default_rng(5).uniform(0.0, 1.0, (7, 4))
    budgets = np.array([21.0, 22.4])
    whole = max(
        values[np.arange(7), list(arms)].sum()
        for arms in product(range(4), repeat=7)
        if (optimum.TWO[list(arms)].sum(axis=0) <= budgets).all()
    )

    found = optimum.relaxed(values, optimum.TWO, budgets)

    assert whole - 1e-9 <= found <= whole + 2.0  # at most one query a budget is shared out


def test_an_optimum_that_cannot_be_is_no_number():
    with pytest.raises(ValueError, match="keeps within"):
        optimum.relaxed(np.ones((10, 3)), optimum.ONE, np.array([9.0]))


def test_nobody_beats_the_optimum_and_the_default_comes_near_it():
    found = optimum.alike(1, steps=500)

    assert [one.controller for one in found].count("knapsack_threshold") == 3  # of one budget only
    for one in found:
        assert one.gain <= one.value <= 1.0 + 1e-9
    assert min(one.value for one in found if one.controller == "resolving") >= 0.98


def test_the_threshold_loses_on_the_worst_order_and_keeps_its_guarantee():
    found = optimum.adversarial(1, steps=800)

    assert len(found) == 3 * 3 * 2
    assert all(1.0 - 1e-9 <= one.ratio <= one.allowed for one in found)
    hurt = {one.order: one.ratio for one in found if one.upper == 100.0 and one.arms == 1}
    assert hurt["rising"] > 2.0 > hurt["falling"]


def test_where_a_threshold_closes_everything_the_cheapest_serves():
    values = np.full((50, 3), 0.6)  # a unit is worth .6, .1 and .006: below the threshold
    controller = KnapsackThreshold(bins=1, lower=5.0, upper=6.0)

    earned, spent = optimum.played(controller, values, optimum.ONE, np.array([10.0]))

    assert earned == pytest.approx(30.0)
    assert spent[0] == 50.0


def test_one_command_prints_all_parts_and_some_need_no_data(monkeypatch, capsys):
    monkeypatch.delenv("BANDIT_DATA", raising=False)
    told = []
    monkeypatch.setattr(decision, "main", lambda given: told.append(("decision", given)))
    monkeypatch.setattr(energy, "main", lambda given: told.append(("attribution", given)))
    monkeypatch.setattr(optimum, "report", lambda *given: f"optimum of {given}")

    given = ["optimum", "decision", "attribution"]
    budgets.main(["--only", *given, "--seeds", "3", "--jobs", "1"])

    assert "optimum of (3, 1)" in capsys.readouterr().out
    assert told == [("decision", []), ("attribution", ["--seeds", "3"])]
    assert set(given) < set(budgets.PARTS)
    for parts in ([], ["--only", "optimum", "dial"]):
        with pytest.raises(SystemExit):
            budgets.main(parts)
        assert "needs --data FOLDER" in capsys.readouterr().err
