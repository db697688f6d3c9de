"""Whatever a challenger does, queries are answered and the journal is folded as without it."""

import logging
from functools import partial

import msgspec
import numpy as np
import pytest

import policies
from bandit_service.checkpoints import pack, unpack
from bandit_service.contending import mixture
from bandit_service.engine import PolicyEngine
from bandit_service.errors import ChallengerStopped
from bandit_service.evaluation.challengers.judging import judge
from bandit_service.evaluation.logs import stored
from bandit_service.failures import QUIET_SECONDS, Failures, Task
from bandit_service.model import Usage
from bandit_service.rolling_back import RollingBack
from bandit_service.store import open_log_reader
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
    shape_of,
    tell,
)
from tests.challengers import flaky
from tests.challengers.contests import BOLDER, CONTEXT_FREE, THOMPSON, a_contest, rows_of
from tests.challengers.flaky import FLAKY, POISON, Flaky
from tests.challengers.test_deciding import some_events
from tests.challengers.test_folding import same, sums
from tests.challengers.test_judging import QUALITIES, contesting
from tests.service.running import running

replace = msgspec.structs.replace
SHARING = replace(FLAKY, share=0.25)


@pytest.fixture(autouse=True)
def _catalogued(monkeypatch):
    monkeypatch.setitem(policies.CATALOGUE, "flaky", Flaky)


def taught(*challengers):
    return an_engine(a_config(**a_contest(*challengers)), *some_events())


def context(first):
    return np.array([first, 0.5, 1.0])


@pytest.mark.parametrize(
    "trouble",
    [flaky.RAISES, flaky.NAN, flaky.TOO_MUCH, flaky.CLOSED, flaky.NEGATIVE, flaky.MISSHAPEN],
)
@pytest.mark.parametrize("share", [0.0, 0.25])
def test_whatever_it_does_the_incumbent_answers_as_without_it(trouble, share):
    queries = [a_query(allowed_arms=("small", "large"))] * 3
    contexts = np.stack([context(trouble), context(0.5), context(-0.25)])
    engine = taught(replace(FLAKY, share=share), replace(BOLDER, share=0.5 * share))
    without = decide(taught(), queries, contexts)
    others = decide(taught(BOLDER), queries, contexts)
    made = decide(engine, queries, contexts)

    failed = [True, False, False] if trouble in flaky.ROW_BY_ROW else [True] * 3
    for row, decision in enumerate(made):
        own, mine, bold = rows_of(decision)
        assert own.tobytes() == without[row].probabilities
        assert bold.tobytes() == rows_of(others[row])[1].tobytes()
        if failed[row]:
            assert np.isnan(mine).all()
            wanted = (1.0 - 0.5 * share) * own + 0.5 * share * bold
        else:
            assert mine.sum() == pytest.approx(1.0, abs=1e-12)
            wanted = (1.0 - 1.5 * share) * own + share * mine + 0.5 * share * bold
        np.testing.assert_allclose(chances(decision), wanted, rtol=0, atol=1e-15)
        assert decision.propensity == chances(decision)[decision.arm]
        if not share:
            assert decision.probabilities == without[row].probabilities
    assert engine.failures.counts == {("flaky", Task.DECIDE): sum(failed)}


def test_where_it_is_alone_its_failure_leaves_the_incumbent_bit_for_bit():
    shares = 0.1, 0.2
    incumbent = np.random.default_rng(0).dirichlet(np.ones(3), 50)
    nothing = np.full((50, 3), np.nan)
    assert mixture([incumbent, nothing, nothing], shares).tobytes() == incumbent.tobytes()
    # Whoever is left, by a plain computation of each row.
    part = np.random.default_rng(1).dirichlet(np.ones(3), 50)
    part[::2] = np.nan
    for row, mixed in enumerate(mixture([incumbent, part, nothing], shares)):
        wanted = incumbent[row] if row % 2 == 0 else 0.9 * incumbent[row] + 0.1 * part[row]
        np.testing.assert_allclose(mixed, wanted, rtol=0, atol=1e-16)


def test_what_it_cannot_learn_stops_it_alone():
    plain, engine = taught(CONTEXT_FREE), taught(SHARING, CONTEXT_FREE)
    poisoned = a_feedback_event(a_lesson(0, POISON), a_lesson(2, 1.0))
    for one in (plain, engine):
        tell(one, poisoned)
        tell(one, a_feedback_event(a_lesson(1, 0.5)))

    assert same(engine.state.canonical(), plain.state.canonical())
    assert same(sums(engine, "context-free"), sums(plain, "context-free"))
    assert not any(array.any() for array in sums(engine, "flaky").values())
    assert [one.stopped for one in engine.contenders] == [engine.position - 1, 0]
    assert engine.failures.counts == {("flaky", Task.LEARN): 1}
    assert engine.failures.last == {"flaky": "FloatingPointError: what a taste"}
    (made,) = decide(engine, [a_query()], context(0.5)[None, :])
    assert np.isnan(rows_of(made)[1]).all()
    assert made.probabilities == rows_of(made)[0].tobytes()
    assert engine.failures.counts == {("flaky", Task.LEARN): 1}  # it was not even asked


def test_it_stays_stopped_in_checkpoints_until_it_begins_anew():
    engine = taught(SHARING)
    whole = engine.state_hash()
    tell(engine, a_feedback_event(a_lesson(0, POISON)))
    assert engine.state_hash() != whole
    read = unpack(pack(engine.snapshot()))
    again = PolicyEngine.restored(engine.identity, shape_of, read)
    assert again.state_hash() == engine.state_hash()
    stopped = engine.position
    assert again.contenders[0].stopped == stopped

    for one in (engine, again):
        config = replace(one.config, challengers=(replace(FLAKY, share=0.1),))
        tell(one, a_revision(config, revision=2))
        assert one.contenders[0].stopped == stopped
        tell(one, a_revision(replace(config, challengers=()), revision=3))
        tell(one, a_revision(config, revision=4))
        assert one.contenders[0].stopped == 0
        assert not np.isnan(rows_of(decide(one, [a_query()])[0])).any()
    assert again.state_hash() == engine.state_hash()


def test_memory_that_runs_out_is_no_fault_of_a_challenger(monkeypatch):
    """The fold would depend on the machine it runs on."""
    engine = taught(SHARING)

    def starved(*_, **__):
        raise MemoryError

    monkeypatch.setattr(Flaky, "update", starved)
    with pytest.raises(MemoryError):
        tell(engine, a_feedback_event(a_lesson(0, 0.5)))
    with pytest.raises(ValueError, match="in part"):
        engine.snapshot()


def test_the_log_is_told_once_a_minute(caplog):
    moments = iter((0.0, 1.0, QUIET_SECONDS - 1.0, QUIET_SECONDS + 1.0, QUIET_SECONDS + 1.0))
    failures = Failures("chat", lambda: next(moments))
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            failures.count("flaky", Task.DECIDE, 64, ValueError("no"))
        failures.count("other", Task.DECIDE, 1, "no chances")
    told = [one.getMessage() for one in caplog.records]
    assert [("'flaky'" in one, "'other'" in one) for one in told] == [
        (True, False),
        (True, False),
        (False, True),
    ]
    assert failures.counts == {("flaky", Task.DECIDE): 256, ("other", Task.DECIDE): 1}


async def some_trouble(service, seed, count, trouble):
    """Decisions one at a time; the challenger fails on those where `trouble` says how."""
    luck = np.random.default_rng(seed)
    made = []
    for turn in range(count):
        first = trouble(turn) or float(luck.normal())
        (one,) = await service.routed(1, vector=packed(first, luck.normal()))
        success = bool(luck.random() < QUALITIES[one.decision.arm])
        told = a_submission(
            decision_id=one.decision.id,
            feedback_id=f"{seed} {turn}",
            success=success,
            usage=Usage(cost_usd=0.01),
        )
        await service.recorder.record(told)
        made.append((one.decision, float(success)))
    return made


async def test_what_it_could_not_decide_is_no_evidence(store_url):
    """Through a restart, in an export, before the audit."""
    trouble = (0.0, 0.0, flaky.NAN, 0.0, 0.0, flaky.RAISES)
    async with running(store_url) as service:
        await service.create(**a_contest(SHARING, floor=0.2))
        made = await some_trouble(service, 0, 60, lambda turn: trouble[turn % len(trouble)])
        before = service.administrator.state("chat")
    async with running(store_url) as service:
        assert service.administrator.state("chat") == before
        made += await some_trouble(service, 1, 30, lambda turn: 0.0)

    reader = open_log_reader(store_url)
    (one,) = judge(reader, "chat").challengers
    log = stored.traffic(reader, "chat").whole()
    reader.close()
    assert (one.decisions, one.judged, one.undecided) == (70, 70, 20)
    decided = [(d, y) for d, y in made if not np.isnan(rows_of(d)).any()]
    weights = np.array([rows_of(d)[1, d.arm] / d.propensity for d, _ in decided])
    outcomes = np.array([y for _, y in decided])
    assert one.contestant.quality is not None
    snips = float(weights @ outcomes / weights.sum())
    assert one.contestant.quality.value == pytest.approx(snips, abs=1e-12)
    assert int(np.isnan(log.asides["flaky"]).all(axis=1).sum()) == 20
    assert not np.isnan(log.asides["incumbent"]).any()

    found = audited(store_url)
    assert found.holds
    assert (found.rederived, found.undecided) == (90, 20)


async def test_it_is_stopped_on_every_replica_and_after_every_kill(store_url):
    async with running(store_url) as first:
        await first.create(**a_contest(SHARING))
        async with running(store_url) as second:
            old = await first.decide()
            told = a_submission(decision_id=old, feedback_id="a", score=POISON)
            at = (await first.recorder.record(told)).position
            for seed, service in enumerate((second, first)):
                await some_trouble(service, seed, 5, lambda turn: 0.0)
            for service in (second, first, second):
                known = a_submission(decision_id=old, feedback_id="b", score=0.5)
                await service.recorder.record(known)
                assert service.engine().contenders[0].stopped == at
            before = first.administrator.state("chat")
            assert second.administrator.state("chat") == before
    async with running(store_url) as service:
        assert service.administrator.state("chat") == before
        with pytest.raises(ChallengerStopped, match=f"at position {at}"):
            await service.administrator.promote("chat", "flaky", True, "")
    assert audited(store_url).holds


@pytest.mark.parametrize(
    ("trouble", "score", "reason"),
    [
        (flaky.RAISES, 1.0, "it failed to decide on 10 of 10 queries; the last time: ZeroDiv"),
        (0.0, POISON, "it failed to learn the feedback at position 2: FloatingPointError"),
    ],
)
async def test_one_that_fails_loses_its_share(database, trouble, score, reason):
    async with contesting(database) as service:
        await service.create(**a_contest(SHARING, algorithm=THOMPSON))
        look = partial(RollingBack, service.registry, service.administrator)
        decision = await service.decide(vector=packed(trouble, 1.0))
        told = a_submission(decision_id=decision, feedback_id="a", score=score)
        if not trouble:
            await service.recorder.record(told)
        else:
            await service.routed(8, vector=packed(trouble, 1.0))
            await look().look()
            assert service.engine().config.challengers == (SHARING,)  # nine are too few
            await service.routed(1, vector=packed(trouble, 1.0))
        await look().look()
        assert service.engine().config.challengers == (FLAKY,)
        last = (await service.administrator.history("chat", 1, 0))[0]
        assert last.author == "rollback"
        assert reason in last.reason


async def test_a_decision_says_what_each_would_have_done(database):
    async with contesting(database) as service:
        await service.create(**a_contest(SHARING, BOLDER))
        await some_trouble(service, 0, 20, lambda turn: 0.0)
        (plain,) = await service.routed(1, vector=packed(0.5, 1.0))
        (failed,) = await service.routed(1, vector=packed(flaky.NAN, 1.0))
        standing = await service.administrator.challengers("chat")
        changed = (replace(BOLDER, share=0.5),)
        await service.administrator.update("chat", {"challengers": changed}, "")

        for routed in (plain, failed):  # by the revision that they were made under
            explained = await service.router.explain(routed.decision.id)
            rows, arm = rows_of(routed.decision), routed.decision.arm
            assert [one.name for one, _ in explained.contestants] == [
                "incumbent",
                "flaky",
                "bolder",
            ]
            assert [one.share for one, _ in explained.contestants] == [0.75, 0.25, 0.0]
            for (one, _), row in zip(explained.contestants, rows, strict=True):
                if np.isnan(row).any():
                    assert (one.name, one.probabilities, one.weight) == ("flaky", None, None)
                    continue
                assert list((one.probabilities or {}).values()) == row[row > 0.0].tolist()
                assert one.weight == row[arm] / routed.decision.propensity
        assert np.isnan(rows_of(failed.decision)[1]).all()
        explained = await service.router.explain(failed.decision.id)
        (_, own), (_, mine), (_, bold) = explained.contestants
        assert own is None
        assert mine is not None
        assert bold is not None
        assert (mine.view, bold.view) == standing.challengers
        assert mine.view.undecided == 1
        session = [await service.routed(1, session="s", vector=packed(0.5, 1.0)) for _ in "12"]
        sticky = await service.router.explain(session[1][0].decision.id)
        assert [one.weight for one, _ in sticky.contestants] == [None, None]
