"""What the log never tells of an arm is not estimated for who chooses that arm."""

import numpy as np
import pandas as pd
import pytest

from bandit_service.errors import NoOverlap
from bandit_service.evaluation import replay_study

COLUMNS = {
    "arm": "model",
    "propensity": "p",
    "quality": "score",
    "cost_usd": "usd",
    "context": ["x"],
}
COSTS = {"a": 0.001, "b": 0.01, "c": np.nan}


@pytest.fixture(scope="module")
def calls():
    """Three models drawn alike; nobody is billed for the best one."""
    rng = np.random.default_rng(3)
    model = rng.choice(list(COSTS), 2_000)
    worth = pd.Series({"a": 0.3, "b": 0.5, "c": 0.9})
    return pd.DataFrame(
        {
            "model": model,
            "p": 1 / 3,
            "score": (rng.random(2_000) < worth[model].to_numpy()).astype(float),
            "usd": pd.Series(COSTS)[model].to_numpy(),
            "x": rng.normal(size=2_000),
        }
    )


def told(result):
    return [{one.measure for one in each.estimates} for each in result.candidates]


def test_a_cost_that_was_never_told_is_not_estimated_for_who_would_pay_it(calls):
    result = replay_study(calls, ["arm:c", "uniform", "arm:b"], mapping=COLUMNS, training=0.2)

    assert told(result) == [{"quality"}, {"quality"}, {"quality", "cost_usd"}]
    always, even, billed = result.candidates
    assert "cost_usd cannot be told: 100.0% of what it would choose" in always.notes[0]
    assert "cost_usd cannot be told: 33.3% of what it would choose" in even.notes[0]
    assert {each.measure for each in even.differences} == {"quality"}
    assert even.quantiles == ()
    ips = {(e.measure, e.estimator): e.value for e in billed.estimates}
    assert ips["cost_usd", "snips"] == pytest.approx(0.01)
    lead = next(e for e in always.estimates if e.estimator == "dr")
    assert lead.intervals[0].low < 0.9 < lead.intervals[0].high


def test_a_gate_on_it_is_refused_and_says_why(calls):
    gate = "quality >= incumbent and cost_usd <= 2 * incumbent"
    with pytest.raises(NoOverlap, match="uniform: cost_usd cannot be told: 33"):
        replay_study(calls, ["uniform"], mapping=COLUMNS, gate=gate)
