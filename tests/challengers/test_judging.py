"""From logs to verdicts, promotions and rollbacks, in a whole service but for the wire."""

import asyncio
import threading
from contextlib import asynccontextmanager
from functools import partial
from itertools import count

import msgspec
import numpy as np
import pytest

from bandit_service.administration import Administrator
from bandit_service.errors import ChallengerNotFound, NotProven, StaleEtag
from bandit_service.evaluation.challengers.contests import contests
from bandit_service.evaluation.challengers.judging import judge
from bandit_service.model import (
    Algorithm,
    Challenger,
    Effect,
    JournalEntry,
    Objective,
    RevisionEvent,
    Usage,
    Verdict,
)
from bandit_service.rolling_back import RollingBack
from bandit_service.store import open_log_reader
from tests.audit.histories import audited
from tests.builders import NOW, a_config, a_query, a_submission
from tests.challengers.contests import BOLDER, THOMPSON, a_contest
from tests.challengers.test_folding import same, sums
from tests.patience import PATIENCE
from tests.service.running import running

replace = msgspec.structs.replace
UNIFORM = Algorithm(name="uniform")
LEARNING = Challenger(name="learning", algorithm=THOMPSON, share=0.3, margin=0.0)
GUESSING = Challenger(name="guessing", algorithm=UNIFORM, share=0.3, margin=0.02)
QUALITIES = np.array([0.1, 0.5, 0.9])
COSTS = np.array([0.01, 0.02, 0.06])


@asynccontextmanager
async def contesting(database):
    """A service whose administrator can read the log."""
    url = f"sqlite:///{database}"
    async with running(database) as service:
        reader = open_log_reader(url)
        service.administrator = Administrator(
            service.registry, service.journal, service.store, PATIENCE, partial(judge, reader)
        )
        yield service
        reader.close()


async def earning(service, seed, rounds=30):
    """Fifty decisions a round, and what came of them."""
    luck = np.random.default_rng(seed)
    for turn in range(rounds):
        queries = [a_query(vector=luck.normal(size=2).tobytes()) for _ in range(50)]
        made = [one.decision for one in await service.router.route_many(queries)]
        told = [
            a_submission(
                decision_id=one.id,
                feedback_id=f"{seed} {turn} {at}",
                success=bool(luck.random() < QUALITIES[one.arm]),
                usage=Usage(cost_usd=float(COSTS[one.arm])),
            )
            for at, one in enumerate(made)
        ]
        await service.recorder.record_many(told)


async def standing(service):
    (one,) = (await service.administrator.challengers("chat")).challengers
    return one


async def test_who_asked_first_and_is_answered_last_does_not_overwrite_what_is_newer(database):
    async with contesting(database) as service:
        await service.create(**a_contest(LEARNING, algorithm=UNIFORM, floor=0.06))
        await earning(service, seed=0, rounds=1)
        read, held, judging = threading.Event(), threading.Event(), service.administrator._judge

        def slowly(name):
            seen = judging(name)
            read.set()
            assert held.wait(PATIENCE)
            return seen

        service.administrator._judge = slowly
        first = asyncio.create_task(standing(service))
        assert await asyncio.to_thread(read.wait, PATIENCE)
        service.administrator._judge = judging
        await earning(service, seed=1, rounds=1)
        assert (await standing(service)).judged == 100
        held.set()

        assert (await first).judged == 50
        assert service.engine().judged["learning"].view.judged == 100


async def test_a_better_challenger_is_promoted_once_the_log_shows_it(database):
    async with contesting(database) as service:
        await service.create(**a_contest(LEARNING, algorithm=UNIFORM, floor=0.06))
        await earning(service, seed=0, rounds=1)
        early = await standing(service)
        assert (early.verdict, early.decisions, early.judged) == (Verdict.OPEN, 50, 50)
        with pytest.raises(NotProven, match="may be worse than the incumbent"):
            await service.administrator.promote("chat", "learning", False, "")

        await earning(service, seed=1)
        shown = await standing(service)
        assert shown.verdict is Verdict.BETTER
        # Uniform earns .5 and .03 USD; who has learned nearly always takes the best, less a floor.
        truth = QUALITIES.mean()
        assert shown.incumbent.quality.low < truth < shown.incumbent.quality.high
        assert shown.incumbent.cost_usd.low < COSTS.mean() < shown.incumbent.cost_usd.high
        assert 0.8 < shown.contestant.quality.value < 0.92
        assert shown.contestant.latency_seconds is None
        assert early.difference.low < 0.0 < shown.difference.low < shown.difference.high < 0.45

        learned = {n: a.copy() for n, a in sums(service.engine(), "learning").items()}
        with pytest.raises(StaleEtag):
            await service.administrator.promote("chat", "learning", False, "1-9")
        with pytest.raises(ChallengerNotFound):
            await service.administrator.promote("chat", "nobody", True, "")
        view = await service.administrator.promote("chat", "learning", False, "", "ada")
        assert (view.config.algorithm, view.config.challengers) == (THOMPSON, ())
        assert same(service.engine().state.canonical(), learned)
        last = (await service.administrator.history("chat", 1, 0))[0]
        assert (last.author, last.restarted) == ("ada", False)
        assert last.reason.endswith("by 1550 decisions")
        await earning(service, seed=2, rounds=1)
        before = service.administrator.state("chat")

    async with running(database) as service:  # from the journal
        assert service.administrator.state("chat") == before
    assert audited(f"sqlite:///{database}").holds


async def test_a_worse_challenger_loses_its_share(database):
    async with contesting(database) as service:
        await service.create(**a_contest(GUESSING, floor=0.05))
        look = RollingBack(service.registry, service.administrator).look
        await earning(service, seed=3, rounds=2)
        await look()
        assert service.engine().config.challengers[0].share == 0.3

        for turn in range(20):
            await earning(service, seed=10 + turn, rounds=2)
            look = RollingBack(service.registry, service.administrator).look
            await look()
            if not service.engine().config.challengers[0].share:
                break
        assert service.engine().config.challengers == (replace(GUESSING, share=0.0),)
        last = (await service.administrator.history("chat", 1, 0))[0]
        assert last.author == "rollback"
        assert "share of 0.3 is taken away" in last.reason
        (change,) = last.changes
        assert (change.field, change.old, change.new) == (
            "challengers[guessing].share",
            "0.3",
            "0.0",
        )

        # From here on it is shadow alone, and judged anew.
        (made,) = await service.routed(1)
        rows = np.frombuffer(made.decision.challengers).reshape(2, 3)
        assert rows[0].tobytes() == made.decision.probabilities
        assert (await standing(service)).decisions == 1
    assert audited(f"sqlite:///{database}").holds


async def test_looking_takes_a_twentieth_of_the_time(database):
    moments = iter((0.0, 0.0, 3.0, 60.0, 63.1, 63.1, 64.0))
    looked = []

    async with contesting(database) as service:
        await service.create(**a_contest(GUESSING))
        administrator = service.administrator

        class Watched:
            get = administrator.get

            async def challengers(self, name):
                looked.append(name)
                return await administrator.challengers(name)

        rolling = RollingBack(service.registry, Watched(), lambda: next(moments))  # type: ignore[arg-type]
        for _ in range(3):
            await rolling.look()
    assert looked == ["chat", "chat"]  # at 0, which took 3 seconds; not at 60; at 63.1


async def test_after_a_promotion_what_the_old_incumbent_learned_is_not_taken_back(database):
    """The new one may never have seen it."""
    async with contesting(database) as service:
        await service.create(**a_contest())
        old = await service.decide()
        await service.recorder.record(a_submission(decision_id=old, feedback_id="a", score=1.0))
        late = replace(LEARNING, algorithm=Algorithm(name="beta_thompson"))
        await service.administrator.update("chat", {"challengers": (late, BOLDER)}, "")
        await service.administrator.promote("chat", "learning", True, "")
        assert service.engine().state.observations.sum() == 0.0
        assert [one.name for one in service.engine().contenders] == ["bolder"]

        revised = a_submission(decision_id=old, feedback_id="b", score=0.0)
        assert (await service.recorder.record(revised)).effect is Effect.RECORDED
        new = await service.decide()
        told = a_submission(decision_id=new, feedback_id="c", score=1.0)
        assert (await service.recorder.record(told)).effect is Effect.LEARNED
        assert service.engine().state.observations.sum() == 1.0


def revisions(*configs, promoted=()):
    return [
        JournalEntry(
            position,
            RevisionEvent(at, 0, 0, config, NOW + at, promoted="x" if at in promoted else ""),
        )
        for (at, config), position in zip(enumerate(configs, 1), count(1, 10), strict=False)
    ]


def test_a_contest_begins_with_what_changed_either_side():
    plain = a_config(**a_contest())
    bold = replace(BOLDER, share=0.1)
    first = a_config(**a_contest(bold))
    beside = a_config(**a_contest(replace(GUESSING, share=0.0), bold))
    wider = replace(beside, sticky_sessions=False)
    entries = revisions(plain, first, beside, wider)

    guessing, bolder = contests(entries)
    assert (guessing.revision, guessing.places) == (3, {3: 1, 4: 1})
    assert (bolder.revision, bolder.places) == (2, {2: 1, 3: 2, 4: 2})
    assert (bolder.time, bolder.incumbent_share) == (NOW + 2, 0.9)

    for change in (
        {"floor": 0.3},
        {"objective": Objective(quality_per_usd=1.0)},
        {"challengers": (replace(GUESSING, share=0.0), replace(bold, share=0.2))},
        {"challengers": (GUESSING, bold)},
    ):
        (*_, judged) = contests([*entries, *revisions(*[wider] * 4, replace(wider, **change))[4:]])
        assert (judged.revision, judged.places) == (5, {5: 2})
    assert contests(revisions(first, plain)) == []
    assert contests(revisions(first, first, first, promoted={2}))[0].revision == 2
