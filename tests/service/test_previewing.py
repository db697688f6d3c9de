"""What a change would have done: against reweighting by hand, and against having done it."""

import asyncio
from typing import Any

import msgspec
import numpy as np
import pytest

from bandit_service import configuration
from bandit_service.eligibility import Exclusion
from bandit_service.errors import InvalidField, StaleEtag
from bandit_service.foreseeing import Snapshot
from bandit_service.model import (
    Algorithm,
    Arm,
    Objective,
    Usage,
    UsageLesson,
)
from bandit_service.previewing import preview
from bandit_service.resampling import Resamples
from tests.builders import (
    NOW,
    a_config,
    a_feedback_event,
    a_lesson,
    a_query,
    a_revision,
    a_submission,
    an_engine,
    decide,
    packed,
    tell,
)

COSTS, JOULES = (0.001, 0.01, 0.03), (10.0, 40.0, None)
QUALITIES = (0.3, 0.6, 0.9)
DEAR = Objective(quality_per_usd=30.0)
LESSONS = [
    a_feedback_event(
        a_lesson(arm, QUALITIES[arm]),
        usage=UsageLesson(arm, NOW, None, Usage(cost_usd=COSTS[arm], energy_joules=JOULES[arm])),
    )
    for arm in range(3)
] * 4


def logged(engine, count=60, seed=1):
    """Decisions on so many different contexts, with qualities for two thirds of them."""
    rng = np.random.default_rng(seed)
    contexts = np.column_stack([rng.normal(size=(count, 2)), np.ones(count)])
    decisions = decide(engine, [a_query()] * count, contexts)
    scores = rng.random(count)
    known = {(d.id, d.arm): float(scores[i]) for i, d in enumerate(decisions) if i % 3}
    return decisions, known


def looked_at(engine, decisions=(), qualities=None, **changes) -> Any:
    change = configuration.updated(changes)
    return preview(Snapshot.of(engine), change, decisions, qualities or {})


def chances_of(engine, decisions):
    """What the engine itself gives these contexts now, decided anew."""
    contexts = np.array([np.frombuffer(one.context) for one in decisions])
    made = decide(engine, [a_query()] * len(decisions), contexts)
    rows = [np.frombuffer(d.probabilities) for d in made]
    return np.array(rows), np.array([np.frombuffer(d.means) for d in made])


def test_shares_and_amounts_are_those_of_really_making_the_change():
    engine = an_engine(a_config(floor=0.05), *LESSONS)
    decisions, _ = logged(engine)
    found = looked_at(engine, decisions, objective=DEAR)
    before, means = chances_of(engine, decisions)
    tell(engine, a_revision(a_config(floor=0.05, objective=DEAR), revision=2))
    after, _ = chances_of(engine, decisions)

    shares = [(one.before.value, one.after.value) for one in found.arms]
    np.testing.assert_allclose(shares, np.column_stack([before.mean(0), after.mean(0)]), rtol=1e-9)
    means = np.clip(means, 0.0, 1.0)  # a regression goes on where qualities end
    assert found.quality.after.value == pytest.approx((after * means).sum(1).mean(), rel=1e-9)
    cost = (after * COSTS).sum(1).mean()
    assert found.cost_usd.after.value == pytest.approx(cost, rel=1e-9)
    assert found.cost_usd.difference.value == pytest.approx(
        cost - (before * COSTS).sum(1).mean(), rel=1e-9
    )
    assert found.cost_usd.difference.high < 0.0
    # Of the third arm nobody knows the joules: the upper quartile of 10 and 40.
    joules = (after * [10.0, 40.0, 32.5]).sum(1).mean()
    assert found.energy_joules.after.value == pytest.approx(joules, rel=1e-9)
    assert found.energy_joules.assumed_share == pytest.approx(after[:, 2].mean(), rel=1e-9)
    assert found.latency_seconds is None
    assert found.objective == DEAR


def test_the_outcomes_are_reweighted_as_by_hand():
    engine = an_engine(a_config(floor=0.3), *LESSONS)
    decisions, qualities = logged(engine, count=300)
    found = looked_at(engine, decisions, qualities, objective=Objective(quality_per_usd=5.0))
    changed = an_engine(a_config(floor=0.3, objective=Objective(quality_per_usd=5.0)), *LESSONS)
    after, _ = chances_of(changed, decisions)

    top = bottom = squares = 0.0
    for row, one in enumerate(decisions):
        if (one.id, one.arm) in qualities:
            weight = after[row, one.arm] / one.propensity
            top += weight * qualities[one.id, one.arm]
            bottom += weight
            squares += weight**2
    assert found.overlap.decisions == len(qualities) == 200
    assert found.overlap.effective_decisions == pytest.approx(bottom**2 / squares, rel=1e-9)
    assert found.overlap.quality_after.value == pytest.approx(top / bottom, rel=1e-9)
    assert found.overlap.quality_seen.value == pytest.approx(
        np.mean(list(qualities.values())), rel=1e-12
    )


def test_a_change_of_nothing_changes_nothing_and_every_decision_counts_whole():
    engine = an_engine(a_config(), *LESSONS)
    decisions, qualities = logged(engine)

    found = looked_at(engine, decisions, qualities, objective=Objective())

    assert all(one.before == one.after for one in found.arms)
    assert (found.quality.difference.value, found.quality.difference.high) == (0.0, 0.0)
    assert found.overlap.effective_decisions == pytest.approx(len(qualities), rel=1e-9)


def test_too_little_overlap_gives_no_estimate_and_says_why():
    engine = an_engine(a_config(), *LESSONS)
    decisions, qualities = logged(engine, count=20)

    few = looked_at(engine, decisions, qualities, objective=Objective()).overlap
    none = looked_at(engine, decisions, {}, objective=Objective()).overlap

    assert few.quality_after is None
    assert "30 are needed" in few.why_not
    assert (none.decisions, none.quality_seen, none.quality_after) == (0, None, None)
    assert none.why_not


def test_arms_that_had_no_chance_make_the_outcomes_speak_of_another_policy():
    engine = an_engine(a_config(), *LESSONS)
    rng = np.random.default_rng(3)
    contexts = np.column_stack([rng.normal(size=(90, 2)), np.ones(90)])
    decisions = decide(engine, [a_query()] * 90, contexts)
    qualities = {(one.id, one.arm): 1.0 for one in decisions}
    arms = (*engine.config.arms, Arm(name="new", model="new"))
    tell(engine, a_revision(msgspec.structs.replace(engine.config, arms=arms), revision=2))

    found = looked_at(engine, decisions, qualities, floor=0.4).overlap

    assert found.quality_after is None
    assert "no chance" in found.why_not


def test_before_there_is_traffic_it_rests_on_the_estimates_alone():
    engine = an_engine(a_config(floor=0.05), *LESSONS)

    found = looked_at(engine, objective=DEAR)

    assert found.overlap is None
    assert found.decisions == 0
    made = decide(engine, [a_query()], np.array([[0.0, 0.0, 1.0]]))[0]
    shares = [one.before.value for one in found.arms]
    np.testing.assert_allclose(shares, np.frombuffer(made.probabilities), rtol=1e-9)
    assert all((one.after.low, one.after.high) == (None, None) for one in found.arms)
    assert found.cost_usd.after.value < found.cost_usd.before.value


def test_before_there_is_traffic_declared_energy_is_that_of_a_reference_call():
    arms = tuple(
        Arm(name=name, declared_joules_per_output_token=joules)
        for name, joules in (("a", 0.1), ("b", 0.4), ("c", 1.0))
    )
    engine = an_engine(a_config(arms=arms, floor=1.0))

    found = looked_at(engine, objective=Objective(accuracy_energy_dial=9.0))

    assert found.energy_joules.after.value == pytest.approx(500 * (0.1 + 0.4 + 1.0) / 3)
    assert found.objective.reference_joules == pytest.approx(200.0)


def test_what_cannot_be_decided_again_is_left_out_and_hard_filters_stay():
    engine = an_engine(a_config(), *LESSONS)
    decisions, _ = logged(engine, count=4)
    closed = bytes([Exclusion.MISSING_TAG, Exclusion.MISSING_TAG, Exclusion.NONE])
    only_large = msgspec.structs.replace(
        decisions[0], exclusions=closed, arm=2, propensity=1.0, probabilities=packed(0, 0, 1)
    )
    sticky = msgspec.structs.replace(decisions[1], sticky=True)
    foreign = msgspec.structs.replace(decisions[2], feature_version="other")

    found = looked_at(engine, [only_large, sticky, foreign], objective=DEAR)

    assert (found.decisions, found.left_out) == (1, 2)
    assert [one.after.value for one in found.arms] == [0.0, 0.0, 1.0]


def test_what_would_start_afresh_or_make_no_sense_is_refused():
    engine = an_engine(a_config())

    with pytest.raises(InvalidField, match="afresh"):
        looked_at(engine, algorithm=Algorithm(name="beta_thompson"))
    with pytest.raises(InvalidField, match="floor"):
        looked_at(engine, floor=2.0)


def test_an_interval_is_as_wide_as_the_theory_of_means_says():
    values = np.random.default_rng(0).normal(2.0, 0.5, size=1000)

    found = Resamples(1000).mean(values)

    error = values.std(ddof=1) / np.sqrt(1000)
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


async def test_the_service_looks_at_its_log_and_changes_nothing(service):
    decisions = [await service.decide() for _ in range(5)]
    for number, decision in enumerate(decisions):
        said = a_submission(
            decision_id=decision, feedback_id=f"f{number}", score=0.25, usage=Usage(cost_usd=0.01)
        )
        await service.recorder.record(said)
    view, hashed = service.administrator.get("chat"), service.engine().state_hash()

    found, fewer = await asyncio.gather(
        service.administrator.preview("chat", {"objective": DEAR}, view.etag, 2000),
        service.administrator.preview("chat", {"objective": DEAR}, "", 3),
    )

    assert (found.decisions, found.overlap.decisions, fewer.decisions) == (5, 5, 3)
    assert found.overlap.quality_seen.value == 0.25
    assert found.cost_usd.before.value == pytest.approx(0.01)
    assert (service.administrator.get("chat"), service.engine().state_hash()) == (view, hashed)
    with pytest.raises(StaleEtag):
        await service.administrator.preview("chat", {"objective": DEAR}, "0-0", 10)
