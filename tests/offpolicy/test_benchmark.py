"""The table of docs/evaluation.md, in a short version: estimates against known truth."""

import numpy as np
import pytest

from benchmarks.obp import __main__ as beside
from benchmarks.obp.ours import arrays, estimates
from benchmarks.offpolicy import drawing, truth
from benchmarks.offpolicy.__main__ import verdict


def test_estimates_meet_the_truth_over_many_logs():
    lines = {
        line.estimator: line
        for line in truth.measured(truth.bundled_world(), 10, 300, resamples=200)
    }

    # The largest of ten candidates' biases, so a little more than four standard errors.
    for name in ("ips", "dr"):
        assert lines[name].bias_errors < 4.5, lines[name]
    assert lines["dr"].squared_error < lines["ips"].squared_error
    assert lines["dr_os"].squared_error < lines["ips"].squared_error
    assert lines["ips"].coverage["bernstein"] >= 0.95
    assert lines["ips"].coverage["anytime"] >= 0.95
    assert lines["dr"].coverage["bootstrap"] >= 0.8


def test_pictures_are_drawn_of_a_model_that_is_wrong(tmp_path):
    drawn = drawing.draw(tmp_path / "new", logs=2, size=60)
    assert [file.name for file in drawn] == ["estimators.png", "intervals.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in drawn)
    # What they are to show: a long log leaves the direct method as wrong as it was.
    world = drawing.crooked()
    rows = np.arange(len(world.quality))
    (*_, far) = truth.evidence(world, rows, np.random.default_rng(0))
    by_name = {name: each.value for name, each in truth.terms(far)}
    assert abs(by_name["dm"] - world.truth[-1]) > 0.1
    assert abs(by_name["dr"] - world.truth[-1]) < 0.06


def test_a_broken_promise_is_called_so():
    kept = {"bootstrap": 0.95, "bernstein": 1.0, "anytime": 0.99}
    lines = [
        truth.Line(name, 10, 0.0, 1.0, 1.0 if name == "ips" else 0.5, kept)
        for name in ("ips", "snips", "dr", "sndr", "dr_os")
    ]
    assert "NOT KEPT" not in verdict(lines)
    lines[2] = truth.Line("dr", 10, 0.0, 4.5, 1.5, kept | {"bootstrap": 0.93})
    told = [line for line in verdict(lines).splitlines() if line.startswith("- NOT KEPT")]
    assert [word in " ".join(told) for word in ("bias", "bootstrap", "`dr` errs")] == [True] * 3
    assert len(told) == 3


def test_the_arrays_beside_the_pipeline_are_a_log_and_a_difference_is_told(monkeypatch, tmp_path):
    given = arrays(seed=0)
    for name in ("pscore", "pscore_avg"):
        assert ((given[name] > 0.0) & (given[name] <= 1.0)).all()
    np.testing.assert_allclose(given["action_dist"].sum(axis=(1, 2)), 1.0)
    weights = given["action_dist"][np.arange(5000), given["action"], 0] / given["pscore"]
    assert estimates(given)["ips"] == pytest.approx(float((weights * given["reward"]).mean()))

    theirs = estimates(given)
    monkeypatch.setattr(beside, "ready", lambda recipe, folder: tmp_path)
    monkeypatch.setattr(beside, "asked", lambda python, given: theirs)
    monkeypatch.setattr("sys.argv", ["obp"])
    assert beside.main() == 0
    theirs["dr"] += 2e-9
    assert beside.main() == 1
