"""Logs that hold, and logs that somebody has been at: what the audit says of both."""

import msgspec
import numpy as np
import pytest
from sqlalchemy import text

from bandit_service.model import (
    Algorithm,
    Clock,
    Event,
    Forgetting,
    OverrideLimits,
    PreferenceLearning,
    WeightRange,
)
from bandit_service.model.decisions import ObjectiveOverride
from bandit_service.store import open_store
from tests.audit.histories import ACTING, OBSERVING, a_history, audited, doctoring, rewritten
from tests.builders import arms
from tests.challengers.contests import CHEAPER, CONTEXT_FREE
from tests.service.running import running
from tests.service.test_feedback import some_traffic

replace = msgspec.structs.replace
CHALLENGERS = (replace(CHEAPER, share=0.3), CONTEXT_FREE)
CHANGED = {
    "acting": {},
    "default": {"algorithm": Algorithm(), "forgetting": Forgetting(half_life=3.0)},
    "counting": {
        "algorithm": Algorithm(name="linucb", settings={"width": 0.5}),
        "forgetting": Forgetting(half_life=50.0, clock=Clock.REQUESTS),
    },
    "pairs": {
        "algorithm": Algorithm(name="fgts_cdb"),
        "preference_learning": PreferenceLearning.AS_PAIRS,
        "arms": tuple(
            msgspec.structs.replace(arm, embedding=tuple(np.eye(3)[slot].tolist()))
            for slot, arm in enumerate(arms("small", "medium", "large"))
        ),
    },
    "observing": OBSERVING,
    "challenged": {"challengers": CHALLENGERS},
    "observing and challenged": OBSERVING | {"challengers": CHALLENGERS},
}


@pytest.mark.parametrize("changes", CHANGED.values(), ids=CHANGED)
async def test_what_a_service_logged_holds(url, changes):
    await a_history(url, **changes)
    found = audited(url)

    assert found.findings == ()
    assert found.holds
    observes = "mode" in changes
    forced = 0 if observes else 5  # who observes, refuses to serve another arm
    assert found.decisions == found.sampled == found.rederived == 10 * 20 + 24 + forced
    assert found.not_rederived == {}
    assert found.journal.position == found.journal.head > 100
    if not observes:
        assert found.left_out["forced"] == 5
        assert found.left_out["sticky"] == 9  # of the twelve with a session, the first three draw
        assert all(arm.holds for arm in found.arms)
        assert sum(arm.drawn for arm in found.arms) == found.decisions - 14


async def test_both_databases_hold_the_same(store_url):
    await a_history(store_url)
    found = audited(store_url)

    assert found.holds
    assert found.rederived == 229
    store = open_store(store_url)
    async with running(store_url) as service:
        assert found.journal.state_hash == service.engine().state_hash()
    store.close()


@pytest.mark.parametrize("challengers", [(), CHALLENGERS])
async def test_objectives_of_queries_are_taken_from_the_log(url, challengers):
    limits = OverrideLimits(quality_per_usd=WeightRange(min=0.0, max=9.0))
    async with running(url) as service:
        await service.create(**ACTING, override_limits=limits, challengers=challengers)
        await some_traffic(service, seed=1)
        for weight in (0.0, 2.0, 9.0):
            await service.routed(3, objective=ObjectiveOverride(quality_per_usd=weight))

    assert audited(url).holds


def moved(chances):
    """A ten-millionth from one arm to another: too little to change most draws."""
    numbers = np.frombuffer(chances).copy()
    numbers[0] += 1e-7
    numbers[2] -= 1e-7
    return numbers.tobytes()


@pytest.mark.parametrize(
    ("column", "change", "what"),
    [
        ("probabilities", moved, "probabilities"),
        ("arm", lambda arm: (arm + 1) % 3, "arm"),
        ("propensity", lambda chance: chance * 0.999, "propensity"),
        ("context", lambda old: (np.frombuffer(old) + 0.01).tobytes(), "means"),
        ("means", lambda old: (np.frombuffer(old) + 1e-6).tobytes(), "means"),
        ("offsets", lambda old: (np.frombuffer(old) * 1.001).tobytes(), "offsets"),
        ("revision", lambda revision: revision + 1, "revision"),
        ("clock", lambda clock: clock + 5.0, "clock"),
        ("exclusions", lambda old: bytes([0, 7, 0]), "exclusions"),
    ],
)
def test_one_doctored_field_is_found(copied, column, change, what):
    where = "sticky = 0 AND forced = 0 AND second_arm IS NULL"
    if column in ("offsets", "context"):
        where += " AND offsets IS NOT NULL"
    elif column == "clock":
        where += " AND id IN (SELECT decision_id FROM learned)"
    decision_id = rewritten(copied, column, change, where)

    found = audited(copied)
    assert not found.holds
    assert {one.decision_id for one in found.findings} == {decision_id}
    assert what in {one.what for one in found.findings}


async def test_a_context_that_no_number_depends_on_is_held_against_the_journal(url):
    await a_history(url, algorithm=Algorithm(name="beta_thompson"))
    where = "sticky = 0 AND id IN (SELECT decision_id FROM learned)"
    doctored = rewritten(url, "context", lambda old: (np.frombuffer(old) + 0.5).tobytes(), where)

    (finding,) = {(one.decision_id, one.what) for one in audited(url).findings}
    assert finding == (doctored, "context")


def test_a_lost_event_is_found(copied):
    with doctoring(copied) as connection:
        connection.execute(text("DELETE FROM journal WHERE position = 70"))

    found = audited(copied)
    assert not found.holds
    assert str(found.journal.wrong).startswith("position 70 cannot be folded")
    assert found.findings == ()  # what lies before is as it was
    assert 0 < found.rederived < found.sampled
    assert found.not_rederived == {"after the journal broke off": found.sampled - found.rederived}


def test_a_lost_end_is_found(copied):
    with doctoring(copied) as connection:
        last = connection.scalar(text("SELECT max(position) FROM journal"))
        connection.execute(text("DELETE FROM journal WHERE position = :last"), {"last": last})

    assert f"position {last} is missing" in str(audited(copied).journal.wrong)


def test_a_changed_lesson_is_found(copied):
    """The numbers of the journal itself: every later decision differs."""
    with doctoring(copied) as connection:
        rows = connection.execute(
            text("SELECT position, body FROM journal WHERE kind = 'feedback' ORDER BY position")
        ).fetchall()
        for position, body in rows[30:]:
            event = msgspec.msgpack.decode(body, type=Event)
            if event.lessons:
                lesson = msgspec.structs.replace(event.lessons[0], new=event.lessons[0].new + 0.3)
                event = msgspec.structs.replace(event, lessons=(lesson, *event.lessons[1:]))
                connection.execute(
                    text("UPDATE journal SET body = :body WHERE position = :position"),
                    {"body": msgspec.msgpack.encode(event), "position": position},
                )
                break

    found = audited(copied)
    assert {one.what for one in found.findings} >= {"means", "probabilities"}
    assert min(one.position for one in found.findings) >= position


def turned(rows):
    """The chances of the second contestant and of the third, exchanged."""
    first, second, third = np.frombuffer(rows).reshape(3, -1)
    return np.concatenate([first, third, second]).tobytes()


async def test_doctored_chances_of_challengers_are_found(url):
    await a_history(url, challengers=CHALLENGERS)
    decision_id = rewritten(url, "challengers", turned)

    (finding,) = audited(url).findings
    assert (finding.decision_id, finding.what) == (decision_id, "challengers' probabilities")
