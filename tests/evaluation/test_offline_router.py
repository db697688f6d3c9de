"""The offline router: ridge against normal equations, leave-one-out against leaving one out."""

import numpy as np
import pytest

from bandit_service.evaluation import offline_router
from bandit_service.evaluation.loading import load
from bandit_service.evaluation.offline_router import Ridge, highest, predict, route_offline
from bandit_service.features import features_of
from bandit_service.model import Features, TextFeatures
from tests.evaluation.real_data import real_data
from tests.evaluation.small_tables import a_table


def some_rows(count: int, dim: int = 5, targets: int = 3, seed: int = 0):
    rng = np.random.default_rng(seed)
    contexts = rng.normal(size=(count, dim)) * np.linspace(0.2, 3.0, dim)
    contexts[:, -1] = 1.0
    return contexts, rng.random((count, targets))


def refitted(contexts, targets, asked, penalty):
    """Ridge by the normal equations; the constant, last, is not penalised."""
    unpenalised = np.eye(contexts.shape[1])
    unpenalised[-1, -1] = 0.0
    weights = np.linalg.solve(contexts.T @ contexts + penalty * unpenalised, contexts.T @ targets)
    return asked @ weights


@pytest.mark.parametrize("penalty", [1e-3, 0.5, 40.0])
def test_the_fit_solves_the_normal_equations(penalty):
    contexts, targets = some_rows(30)
    asked, _ = some_rows(7, seed=1)

    found = Ridge.of(contexts, targets).predict(asked, penalty)

    np.testing.assert_allclose(found, refitted(contexts, targets, asked, penalty), atol=1e-9)


@pytest.mark.parametrize("penalty", [1e-3, 0.5, 40.0])
@pytest.mark.parametrize("count", [3, 30])
def test_a_row_left_out_is_predicted_as_by_refitting_without_it(penalty, count):
    contexts, targets = some_rows(count)

    found = Ridge.of(contexts, targets).left_out(penalty)

    for row in range(count):
        others = np.arange(count) != row
        without = refitted(contexts[others], targets[others], contexts[row], penalty)
        np.testing.assert_allclose(found[row], without, atol=1e-8)


def test_a_row_without_others_is_not_predicted():
    contexts, targets = some_rows(1)

    assert np.isnan(Ridge.of(contexts, targets).left_out(1.0)).all()


def test_the_penalty_is_the_one_that_routes_rows_best_when_each_is_left_out():
    contexts, targets = some_rows(60, seed=4)
    targets[:, 0] = np.clip(0.5 + 0.3 * contexts[:, 0] + 0.2 * (targets[:, 0] - 0.5), 0, 1)
    asked, _ = some_rows(9, seed=5)
    unit = np.mean(np.sum((contexts - contexts.mean(axis=0)) ** 2, axis=0))
    earned = {}
    for penalty in offline_router.PENALTIES * unit:
        total = 0.0
        for row in range(60):
            others = np.arange(60) != row
            guess = refitted(contexts[others], targets[others], contexts[row], penalty)
            total += targets[row, np.argmax(guess)]
        earned[penalty] = total

    best = max(earned, key=lambda penalty: earned[penalty])  # the first, strongest, of equals

    expected = refitted(contexts, targets, asked, best)
    np.testing.assert_allclose(predict(contexts, targets, asked), expected, atol=1e-9)


def test_each_arm_learns_from_the_rows_where_it_is_known(monkeypatch):
    monkeypatch.setattr(offline_router, "PENALTIES", np.array([0.1]))
    contexts, quality = some_rows(40, targets=4, seed=2)
    quality[np.random.default_rng(3).random(quality.shape) < 0.3] = np.nan
    quality[:, 3] = np.nan
    asked, _ = some_rows(6, seed=1)
    unit = np.mean(np.sum((contexts - contexts.mean(axis=0)) ** 2, axis=0))

    found = predict(contexts, quality, asked)

    for arm in range(3):
        known = ~np.isnan(quality[:, arm])
        expected = refitted(contexts[known], quality[known, arm], asked, 0.1 * unit)
        np.testing.assert_allclose(found[:, arm], expected, atol=1e-9)
    assert np.isnan(found[:, 3]).all()


def test_an_arm_without_a_prediction_is_taken_only_if_it_is_alone():
    predicted = np.array([[np.nan, -3.0], [np.nan, -3.0], [np.nan, 0.2]])
    offered = np.array([[True, True], [True, False], [False, True]])

    assert highest(predicted, offered).tolist() == [1, 0, 1]


def test_it_finds_what_the_contexts_tell():
    contexts, quality = some_rows(400, targets=2)
    quality = np.column_stack([contexts[:, 0] > 0, contexts[:, 0] <= 0]).astype(np.float64)

    chosen = route_offline(a_table(quality), contexts)

    assert quality[np.arange(400), chosen].mean() > 0.95


def test_it_never_learns_from_a_query_that_it_routes(monkeypatch):
    """Labels at random, and contexts that could tell every row apart: a router that had seen
    them would earn 1. Mean .5, standard error .5 / sqrt(200) = .035.
    """
    monkeypatch.setattr(offline_router, "PENALTIES", np.array([1e-6]))
    rng = np.random.default_rng(8)
    heads = rng.integers(2, size=200).astype(np.float64)
    quality = np.column_stack([heads, 1 - heads])
    contexts = np.column_stack([rng.normal(size=(200, 240)), np.ones(200)])

    chosen = route_offline(a_table(quality), contexts)

    assert abs(quality[np.arange(200), chosen].mean() - 0.5) < 4 * 0.036
    seen = predict(contexts, quality, contexts)
    assert quality[np.arange(200), np.argmax(seen, axis=1)].mean() == 1.0


def test_it_sends_queries_only_where_they_are_offered():
    rng = np.random.default_rng(1)
    quality = np.where(rng.random((50, 3)) < 0.5, np.nan, rng.random((50, 3)))
    quality[7] = np.nan
    table = a_table(quality)

    chosen = route_offline(table, np.ones((50, 1)))

    known = table.offered.any(axis=1)
    assert table.offered[known, chosen[known]].all()
    assert (chosen[~known] == -1).all()


def test_one_query_is_not_enough():
    with pytest.raises(ValueError, match="need two queries with a known quality, got 1"):
        route_offline(a_table([[0.5, 0.5]]), np.ones((1, 1)))


def test_two_queries_teach_each_other():
    chosen = route_offline(a_table([[0.1, 0.9], [0.2, 0.8]]), np.ones((2, 1)))

    assert chosen.tolist() == [1, 1]


def test_on_real_prompts_it_beats_the_best_single_arm_where_prompts_tell():
    table = load(real_data("llmrouter"))
    assert table.prompts is not None
    contexts = features_of(Features(text=TextFeatures())).from_texts(table.prompts)

    chosen = route_offline(table, contexts)

    earned = table.quality[np.arange(len(table)), chosen].mean()
    # .6262 is the best single arm's, from the set's description.
    assert earned > 0.635
