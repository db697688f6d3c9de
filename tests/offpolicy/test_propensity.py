"""Logs without propensities: estimated ones beside the truth, and how they are called."""

import msgspec
import numpy as np
import pytest

from bandit_service.errors import InvalidField
from bandit_service.evaluation.logs import Traffic
from bandit_service.evaluation.logs.rows import batch_of
from bandit_service.evaluation.offpolicy import propensity
from bandit_service.evaluation.offpolicy.comparison import compare
from bandit_service.evaluation.offpolicy.gates import BadGate
from bandit_service.evaluation.offpolicy.propensity import LogLoss, PropensityModel
from bandit_service.evaluation.offpolicy.report import as_html
from bandit_service.evaluation.offpolicy.settings import Settings
from bandit_service.evaluation.offpolicy.targets import target
from tests.offpolicy.worlds import a_world, rows_of, softmax

ESTIMATED = Settings(propensities="estimated", resamples=200)


def test_the_model_finds_the_chances_that_drew():
    """A logger that is a softmax of the context, which the model can say exactly."""
    rng = np.random.default_rng(0)
    contexts, truth = rng.normal(size=(8000, 3)), rng.normal(size=(3, 4))
    chances = softmax(contexts @ truth)
    chosen = (rng.random(8000)[:, None] > np.cumsum(chances, axis=1)).sum(axis=1)
    model = PropensityModel(4, 3, 0)
    np.testing.assert_allclose(model.predict(contexts[:2]), 0.25)
    for part in np.array_split(np.arange(6000), 4):
        model.learn(contexts[part], chosen[part])
    found = model.predict(contexts[6000:])

    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert np.abs(found - chances[6000:]).mean() < 0.02
    assert found.min() >= 0.01 / 4


def test_the_fit_is_where_the_slope_of_the_loss_is_zero():
    """The penalised likelihood's score equations, at the chances that come out."""
    rng = np.random.default_rng(1)
    contexts, chosen = rng.normal(size=(300, 2)), rng.integers(0, 3, 300)
    model = PropensityModel(3, 2, 0)
    model.learn(contexts, chosen)
    even = (model.predict(contexts) - 0.01 / 3) / 0.99
    drawn = np.eye(3)[chosen]

    # On the constant hardly any penalty: as often as drawn.
    np.testing.assert_allclose(even.mean(axis=0), drawn.mean(axis=0), atol=1e-3)
    # Elsewhere the weights themselves, which the log-odds of unit contexts tell, are the penalty.
    axes = (model.predict(np.vstack([np.zeros(2), np.eye(2)])) - 0.01 / 3) / 0.99
    weights = np.log(axes[1:] / axes[0])
    weights -= weights.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(contexts.T @ (drawn - even), weights, atol=2e-2)


def test_more_rows_than_are_kept_are_a_fair_sample(monkeypatch):
    monkeypatch.setattr(propensity, "MOST_ROWS", 2000)
    model, rng = PropensityModel(2, 1, 0), np.random.default_rng(2)
    for share in (0.9, 0.1, 0.1):  # three thousand rows each
        chosen = (rng.random(3000) < share).astype(np.intp)
        model.learn(np.zeros((3000, 1)), chosen)

    assert model.predict(np.zeros((1, 1)))[0, 1] == pytest.approx(1.1 / 3, abs=0.04)


def test_log_loss_is_the_entropy_of_who_knows_only_frequencies():
    loss, chances = LogLoss(), np.array([0.25, 0.75])
    loss.add(np.tile(chances, (4, 1)), np.array([0, 1, 1, 1]))

    expected = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    assert loss.mean == pytest.approx(expected)
    assert loss.of_frequencies == pytest.approx(expected)


@pytest.fixture(scope="module")
def silent():
    world = a_world(count=6000, seed=1, floor=0.3)
    rows = [
        msgspec.structs.replace(row, propensity=None, probabilities=None)
        for row in rows_of(world, 5)
    ]
    return world, Traffic("log", lambda: iter([batch_of(rows, range(1, len(rows) + 1))]))


def test_estimates_by_estimated_propensities_meet_the_truth_and_are_called_so(silent):
    world, traffic = silent
    result = compare(traffic, [target("arm:arm-1", traffic.arms, 3)], ESTIMATED)
    (found,) = result.candidates
    said = {each.estimator: each for each in found.estimates}
    truth = float(world.means[300:, 1].mean())

    for name in ("ips", "snips", "dr"):
        low, high = said[name].intervals[0].low, said[name].intervals[0].high
        slack = 0.5 * (high - low)
        assert low - slack <= truth <= high + slack, (name, low, truth, high)
    assert result.propensity == "estimated"
    assert (result.training, result.judged) == (300, 5700)
    assert any("propensities are ESTIMATED" in note for note in result.notes)
    # No bound may rest on a range of weights that is only a guess.
    assert {each.method for each in said["ips"].intervals} == {"bootstrap", "anytime"}
    for share in found.arms:
        assert share.honesty == pytest.approx(1.0, abs=5 * share.honesty_error)
    page = as_html(result)
    assert "arm:arm-1 (dr, estimated propensities)" in page
    assert "ESTIMATED" in page


def test_what_estimated_propensities_cannot_do(silent):
    _, traffic = silent
    candidates = [target("uniform", traffic.arms, 3)]
    with pytest.raises(BadGate, match="nothing can be promised"):
        compare(traffic, candidates, Settings(propensities="estimated", gate="quality > 0"))
    with pytest.raises(InvalidField, match="live: needs propensities"):
        compare(traffic, candidates, Settings(propensities="estimated", live=True))
    with pytest.raises(InvalidField, match="must be logged or estimated, not 'guessed'"):
        Settings(propensities="guessed")
    rows = rows_of(a_world(count=100), 1)
    honest = Traffic("log", lambda: iter([batch_of(rows, range(1, 101))]))
    with pytest.raises(InvalidField, match="the log has its own"):
        compare(honest, [target("uniform", honest.arms, 3)], ESTIMATED)
