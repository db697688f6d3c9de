"""What is shown of challengers, against what they did."""

from itertools import count

import numpy as np
import pytest

from bandit_service.model import ChallengerView, ContestantView, Interval, Judged, Verdict
from tests.builders import NOW, a_config, a_query, an_engine, decide
from tests.challengers.contests import BOLDER, a_contest, rows_of
from tests.metrics.scraping import shown_by

WHO = {"policy": "chat", "challenger": "bolder"}


def test_what_challengers_do_and_how_they_stand_is_shown(metrics, engines):
    engine = an_engine(a_config(**a_contest(BOLDER)))
    engines.add(engine)
    assert shown_by(metrics.registry).all("bandit_challenger_difference_points") == {}

    engine.stopwatch = count().__next__  # a second a look: each of two batches takes one
    made = decide(engine, [a_query()] * 20)
    somebody = ContestantView("bolder", 0.0, 0.0, None, None, None, None)
    difference = Interval(0.125, -0.25, 0.5)
    view = ChallengerView(somebody, "linucb", 0.02, 1, 20, 7, difference, Verdict.OPEN, somebody)
    engine.judged = {"bolder": Judged(view, NOW)}
    engine.contenders[0].policy = None  # type: ignore[assignment]
    decide(engine, [a_query()] * 3)

    seen = shown_by(metrics.registry)
    wanted = np.sum([rows_of(one)[1] for one in made], axis=0)
    for arm, chances in zip(engine.names, wanted.tolist(), strict=True):
        shown = seen.value("bandit_challenger_choices_total", **WHO, arm=arm)
        assert shown == pytest.approx(chances, rel=1e-12)
    assert seen.value("bandit_challenger_share", **WHO) == 0.0
    assert seen.value("bandit_challenger_stopped_position", **WHO) is None
    assert seen.value("bandit_challenger_failures_total", **WHO, task="decide") == 3.0
    assert seen.value("bandit_challenger_decision_seconds_total", **WHO) == 2.0
    assert seen.value("bandit_challenger_judged_decisions", **WHO) == 7.0
    assert seen.value("bandit_challenger_read_time_seconds", **WHO) == NOW
    engine.contenders[0].stopped = 7
    assert shown_by(metrics.registry).value("bandit_challenger_stopped_position", **WHO) == 7.0
    bounds = {bound: seen.value("bandit_challenger_difference_points", **WHO, bound=bound)
              for bound in ("low", "estimate", "high")}  # fmt: skip
    assert bounds == {"low": -0.25, "estimate": 0.125, "high": 0.5}
