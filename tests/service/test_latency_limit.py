"""Arms that take too long: left out, or dearer with every second."""

import numpy as np
import pytest

from bandit_service import configuration
from bandit_service.calls import CallStatistics
from bandit_service.configuration import check
from bandit_service.eligibility import Exclusion
from bandit_service.errors import InvalidField
from bandit_service.foreseeing import Snapshot
from bandit_service.model import Objective, Usage, UsageLesson
from bandit_service.offsets import offsets
from bandit_service.previewing import preview
from tests.builders import (
    NOW,
    a_config,
    a_feedback_event,
    a_query,
    an_engine,
    arms,
    chances,
    decide,
    shape_of,
    tell,
)

FIVE = Objective(latency_limit=5.0)


def waited(arm: int, seconds: float):
    usage = Usage(latency_seconds=seconds)
    return a_feedback_event(usage=UsageLesson(arm, NOW, None, usage))


def test_an_arm_beyond_the_limit_is_left_out_after_five_calls():
    engine = an_engine(a_config(objective=FIVE), *[waited(1, 6.0)] * 4, *[waited(0, 4.9)] * 9)
    assert chances(decide(engine, [a_query()])[0])[1] > 0.0

    tell(engine, waited(1, 6.0))
    made = decide(engine, [a_query()])[0]

    assert chances(made)[1] == 0.0
    assert list(made.exclusions) == [0, Exclusion.TOO_SLOW, 0]
    assert chances(made).sum() == pytest.approx(1.0)
    for _ in range(10):  # late bills of quicker calls bring its mean below
        tell(engine, waited(1, 2.0))
    assert chances(decide(engine, [a_query()])[0])[1] > 0.0


def test_where_all_are_too_slow_all_are_left():
    slow = [waited(arm, 9.0) for arm in range(3)] * 5

    made = decide(an_engine(a_config(objective=FIVE), *slow), [a_query()])[0]

    assert list(made.exclusions) == [0, 0, 0]
    allowed = decide(
        an_engine(a_config(objective=FIVE), *[waited(1, 9.0)] * 5),
        [a_query(allowed_arms=("medium",))],
    )[0]
    assert allowed.arm == 1


def test_points_are_lost_e_times_as_many_with_every_second():
    """beta exp(w - limit): .1 at the limit; of an arm nobody has waited for, the upper quartile."""
    calls = CallStatistics(4)
    for arm, seconds in enumerate((3.0, 5.0, 6.5)):
        calls.replace(arm, None, Usage(latency_seconds=seconds))
    soft = Objective(latency_limit=5.0, quality_at_latency_limit=0.1)

    found = offsets(soft, arms("a", "b", "c", "d"), calls, [a_query()] * 2)

    assert found is not None
    lost = 0.1 * np.exp([-2.0, 0.0, 1.5])
    np.testing.assert_allclose(found.added[1], [*-lost, -np.quantile(lost, 0.75)])
    assert found.assumed is not None
    assert found.assumed.tolist() == [[False, False, False, True]] * 2
    calls.replace(0, None, Usage(latency_seconds=1e6))
    far = offsets(soft, arms("a", "b", "c", "d"), calls, [a_query()])
    assert far is not None
    assert np.isfinite(far.added).all()


def test_points_need_a_limit_and_limits_are_positive():
    for objective, field in (
        (Objective(quality_at_latency_limit=0.1), "objective.latency_limit"),
        (Objective(latency_limit=0.0), "objective.latency_limit"),
        (
            Objective(latency_limit=1.0, quality_at_latency_limit=-1.0),
            "objective.quality_at_latency_limit",
        ),
    ):
        with pytest.raises(InvalidField) as refused:
            check(a_config(objective=objective), shape_of)
        assert refused.value.field == field


def shares(engine, decisions, objective):
    """Of each arm before and after a change of the objective, as a preview has them."""
    change = configuration.updated({"objective": objective})
    found = preview(Snapshot.of(engine), change, decisions, {})
    return [(arm.before.value, arm.after.value) for arm in found.arms]


def test_a_preview_leaves_out_what_the_new_limit_would_and_takes_in_what_the_old_one_did():
    slow = [waited(1, 6.0)] * 5
    contexts = np.tile([0.6, 0.8, 1.0], (20, 1))
    free, limited = an_engine(a_config(), *slow), an_engine(a_config(objective=FIVE), *slow)

    stricter = shares(free, decide(free, [a_query()] * 20, contexts), FIVE)
    looser = shares(limited, decide(limited, [a_query()] * 20, contexts), Objective())

    assert [after for _, after in stricter] == pytest.approx([0.5, 0.0, 0.5], abs=0.01)
    assert [before for before, _ in stricter] == pytest.approx([1 / 3] * 3, abs=0.01)
    assert [before for before, _ in looser] == pytest.approx([0.5, 0.0, 0.5], abs=0.01)
    assert [after for _, after in looser] == pytest.approx([1 / 3] * 3, abs=0.01)
