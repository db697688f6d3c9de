"""A challenger that takes too long is not asked for a while, and nothing else changes."""

from functools import partial

import msgspec
import numpy as np
import pytest

import policies
from bandit_service.failures import Task
from bandit_service.patience import (
    DECISION_SECONDS,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    MOST_AHEAD,
    ONE_CALL,
    TIMES_THE_INCUMBENT,
    Patience,
)
from bandit_service.rolling_back import RollingBack
from tests.audit.histories import audited
from tests.builders import (
    a_config,
    a_feedback_event,
    a_lesson,
    a_query,
    a_revision,
    a_submission,
    an_engine,
    chances,
    decide,
    packed,
    tell,
)
from tests.challengers.contests import BOLDER, THOMPSON, a_contest, rows_of
from tests.challengers.flaky import DAWDLER, WATCH, Dawdler
from tests.challengers.test_deciding import some_events
from tests.challengers.test_judging import contesting

replace = msgspec.structs.replace
SHARING = replace(DAWDLER, share=0.25)
QUICK, SLOW = 0.001, 2.0  # s a decision


@pytest.fixture(autouse=True)
def _catalogued(monkeypatch):
    monkeypatch.setitem(policies.CATALOGUE, "dawdler", Dawdler)


def timed(*challengers):
    engine = an_engine(a_config(**a_contest(*challengers)), *some_events())
    engine.stopwatch = WATCH
    return engine


def deciding(engine, *seconds):
    return decide(engine, [a_query()] * len(seconds), np.array([[s, 0.5, 1.0] for s in seconds]))


def suspended(engine):
    """One call at a time, until it is."""
    calls = 0
    while not engine.contenders[0].patience.left(WATCH.now):
        deciding(engine, SLOW)
        calls += 1
    return calls


def after(patience, seconds, calls, decisions=1, incumbent=0.0, now=0.0):
    """After so many calls of so many seconds, or the first one that was too much."""
    for call in range(calls):
        patience.took(now, decisions, seconds, incumbent)
        if patience.left(now):
            return call + 1
    return None


def test_patience_is_with_the_mean_and_not_with_one_stall():
    assert after(Patience(), 3600.0, 1) is None
    assert after(Patience(), 3600.0, 10) == 3  # ONE_CALL each: .2, .4, .6
    assert after(Patience(), DECISION_SECONDS, 10_000) is None
    # A millisecond too much: half a second is gone after 500 of them.
    assert after(Patience(), DECISION_SECONDS + 0.001, 10_000) == pytest.approx(500, abs=1)
    assert after(Patience(), 64 * DECISION_SECONDS, 10_000, decisions=64) is None
    # As slow as the incumbent, whatever that is.
    assert after(Patience(), 4.0, 10_000, incumbent=4.0 / TIMES_THE_INCUMBENT) is None
    assert after(Patience(), 4.0, 10_000, incumbent=0.9) == 3
    # A stall now and then is made up for by quick decisions in between.
    patience = Patience()
    for _ in range(100):
        assert after(patience, 5.0, 1) is None
        assert after(patience, 0.0, int(ONE_CALL / DECISION_SECONDS) + 1) is None


def test_each_suspension_is_longer_until_it_has_made_up_for_it():
    patience, now, pauses = Patience(), 0.0, []
    after(patience, 1.0, 3)
    for _ in range(9):
        pauses.append(patience.left(now))
        now += patience.left(now)
        assert patience.left(now) == 0.0
        patience.took(now, 1, 1.0, 0.0)  # one slow decision is enough
    assert pauses == [min(FIRST_PAUSE * 2**turn, LONGEST_PAUSE) for turn in range(9)]
    now += patience.left(now)
    quick = int(MOST_AHEAD / DECISION_SECONDS) + 1
    assert after(patience, 0.0, quick, now=now) is None
    assert after(patience, 1.0, 3, now=now) == 3
    assert patience.left(now) == FIRST_PAUSE


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_who_takes_too_long_is_left_out_and_asked_again(share):
    engine = timed(replace(DAWDLER, share=share), replace(BOLDER, share=0.5 * share))
    without = timed(BOLDER)
    (own,) = deciding(without, QUICK)
    assert suspended(engine) == 3
    began = WATCH.now

    for _ in range(2):
        made = deciding(engine, SLOW, QUICK)
        assert WATCH.now == began  # it was not asked
        alone = deciding(without, SLOW, QUICK)
        for decision, other in zip(made, alone, strict=True):
            incumbent, mine, bold = rows_of(decision)
            assert np.isnan(mine).all()
            assert incumbent.tobytes() == other.probabilities
            assert bold.tobytes() == rows_of(other)[1].tobytes()
            wanted = (1.0 - 0.5 * share) * incumbent + 0.5 * share * bold
            np.testing.assert_allclose(chances(decision), wanted, rtol=0, atol=1e-15)
    assert engine.failures.counts == {("dawdler", Task.DECIDE): 4}
    assert engine.failures.last["dawdler"] == (
        "it took too long, and is asked again in 60 s (10 ms a decision are allowed)"
    )

    WATCH.now += FIRST_PAUSE
    (back,) = deciding(engine, QUICK)
    assert rows_of(back)[0].tobytes() == own.probabilities
    assert rows_of(back)[1].sum() == pytest.approx(1.0, abs=1e-12)
    assert engine.contenders[0].patience.seconds == pytest.approx(3 * SLOW + QUICK)


def test_what_is_learned_does_not_depend_on_time():
    """By replicas of different speed, and by a fold without any clock."""
    slow, quick, untimed = timed(SHARING), timed(SHARING), timed(SHARING)
    untimed.stopwatch = None
    suspended(slow)
    for engine in (slow, quick, untimed):
        for arm in (0, 2, 1, 2):
            deciding(engine, QUICK)
            tell(engine, a_feedback_event(a_lesson(arm, 0.75)))
    assert np.isnan(rows_of(deciding(slow, QUICK)[0])[1]).all()
    assert slow.state_hash() == quick.state_hash() == untimed.state_hash()
    deciding(untimed, *[SLOW] * 10)
    assert not np.isnan(rows_of(deciding(untimed, SLOW)[0])).any()


def test_another_share_is_no_pardon_another_algorithm_is():
    engine = timed(SHARING)
    suspended(engine)
    tell(engine, a_revision(replace(engine.config, challengers=(DAWDLER,)), revision=2))
    assert np.isnan(rows_of(deciding(engine, QUICK)[0])[1]).all()
    other = replace(DAWDLER, algorithm=replace(BOLDER.algorithm, name="beta_thompson", settings={}))
    tell(engine, a_revision(replace(engine.config, challengers=(other,)), revision=3))
    assert not np.isnan(rows_of(deciding(engine, QUICK)[0])).any()


async def test_in_a_service_it_is_told_and_loses_its_share(database):
    async with contesting(database) as service:
        await service.create(**a_contest(SHARING, algorithm=THOMPSON))
        service.engine().stopwatch = WATCH
        made = [one for _ in range(13) for one in await service.routed(1, vector=packed(SLOW, 1.0))]
        # Somebody has to have said something, for there to be a verdict.
        told = a_submission(decision_id=made[0].decision.id, feedback_id="a", score=1.0)
        await service.recorder.record(told)
        assert [bool(np.isnan(rows_of(one.decision)).any()) for one in made] == [False] * 3 + [
            True
        ] * 10
        explained = await service.router.explain(made[-1].decision.id)
        assert [one.probabilities is None for one, _ in explained.contestants] == [False, True]
        (view,) = (await service.administrator.challengers("chat")).challengers
        assert (view.decisions, view.undecided) == (3, 10)
        assert view.last_failure.startswith("it took too long")

        await partial(RollingBack, service.registry, service.administrator)().look()
        assert service.engine().config.challengers == (DAWDLER,)
        (last, *_) = await service.administrator.history("chat", 1, 0)
        assert last.author == "rollback"
        assert "it failed to decide on 10 of 13 queries; the last time: it took too long" in (
            last.reason
        )
    found = audited(f"sqlite:///{database}")
    assert found.holds
    assert (found.rederived, found.undecided) == (13, 10)


async def test_engines_that_serve_are_timed(database):
    async with contesting(database) as service:
        await service.create(**a_contest(SHARING))
        await service.routed(2)
        assert service.engine().stopwatch is not None
        assert 0.0 < service.engine().contenders[0].patience.seconds < 60.0
