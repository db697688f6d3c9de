"""The table of docs/evaluation.md, in a short version: estimates against known truth."""

from benchmarks.offpolicy import truth


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
