"""What reports on usage and failures become: each call counts once."""

import random
from typing import Any

import msgspec
import numpy as np
import pytest

from bandit_service.calls import CallStatistics
from bandit_service.model import (
    Arm,
    ArmState,
    Decision,
    Failure,
    FeedbackEvent,
    PolicyConfig,
    Preference,
    Source,
    Usage,
)
from bandit_service.planning import plan
from bandit_service.standing import Standing, Terms
from tests.builders import (
    NOW,
    VERSION,
    a_config,
    a_decision,
    a_feedback_event,
    a_submission,
    an_engine,
)

CHEAP, SLOW = Usage(cost_usd=0.01), Usage(latency_seconds=2.0)


def hear(
    *told: dict[str, Any], decision: Decision | None = None, config: PolicyConfig | None = None
) -> list[FeedbackEvent]:
    """The events of submissions that come one after the other."""
    decisions = {"d1": decision or a_decision()}
    terms, standing = Terms(config or a_config(), 0, 0, 0, VERSION), Standing([], [])
    return [
        plan(a_submission(**fields), decisions, terms, standing, 2 + i, NOW)
        for i, fields in enumerate(told)
    ]


def calls_heard_of(events: list[FeedbackEvent]) -> int:
    return sum((e.failed_arm is not None) + (e.served_arm is not None) for e in events)


def test_usage_is_a_lesson_of_its_own_and_says_that_the_arm_answered():
    (event,) = hear({"usage": CHEAP})

    assert event.usage is not None
    assert (event.usage.arm, event.usage.old, event.usage.new) == (0, None, CHEAP)
    assert (event.served_arm, event.failed_arm, event.lessons) == (0, None, ())


def test_a_later_report_adds_to_the_earlier_and_replaces_what_both_give():
    _, event = hear({"usage": Usage(cost_usd=0.01, output_tokens=5)},
                    {"usage": Usage(cost_usd=0.02, latency_seconds=1.0)})  # fmt: skip

    assert event.usage is not None
    assert event.usage.old == Usage(cost_usd=0.01, output_tokens=5)
    assert event.usage.new == Usage(cost_usd=0.02, output_tokens=5, latency_seconds=1.0)
    assert event.served_arm is None


def test_reports_of_several_sources_are_of_one_call():
    events = hear(
        {"usage": CHEAP, "source": Source.USER},
        {"usage": SLOW, "source": Source.CHECK},
        {"usage": Usage(cost_usd=0.03), "source": Source.USER},
    )

    last = events[-1].usage
    assert last is not None
    assert last.old == Usage(cost_usd=0.01, latency_seconds=2.0)
    assert last.new == Usage(cost_usd=0.03, latency_seconds=2.0)
    assert calls_heard_of(events) == 1


@pytest.mark.parametrize("failure", [Failure.TIMEOUT, Failure.RATE_LIMIT, Failure.ERROR])
def test_a_failed_call_moves_availability_and_never_quality(failure):
    (event,) = hear({"failure": failure})

    assert (event.failed_arm, event.served_arm, event.lessons) == (0, None, ())


def test_a_refusal_is_the_answer_of_a_healthy_arm():
    (event,) = hear({"failure": Failure.REFUSAL})

    assert (event.failed_arm, event.served_arm) == (None, 0)


def test_a_failed_call_that_took_something_counts_as_failed():
    (event,) = hear({"failure": Failure.TIMEOUT, "usage": SLOW})

    assert (event.failed_arm, event.served_arm) == (0, None)
    assert event.usage is not None


@pytest.mark.parametrize(
    "told",
    [
        ({"failure": Failure.TIMEOUT}, {"failure": Failure.ERROR}),
        ({"failure": Failure.TIMEOUT, "usage": SLOW}, {"usage": CHEAP}),
        ({"failure": Failure.TIMEOUT}, {"usage": SLOW}),
        ({"failure": Failure.TIMEOUT}, {"failure": Failure.TIMEOUT, "source": Source.CHECK}),
    ],
)
def test_a_failed_call_is_counted_once_however_often_it_is_spoken_of(told):
    events = hear(*told)

    assert events[0].failed_arm == 0
    assert calls_heard_of(events) == 1


def test_each_arm_of_a_duel_has_a_call_of_its_own():
    events = hear(
        {"usage": CHEAP, "arm": "small"},
        {"failure": Failure.ERROR, "arm": "large"},
        decision=a_decision(second_arm=2),
    )

    assert (events[0].served_arm, events[1].failed_arm) == (0, 2)


def test_usage_of_a_removed_arm_is_stored_only():
    config = a_config(arms=(Arm(name="small", state=ArmState.REMOVED), Arm(name="large")))

    (event,) = hear({"usage": CHEAP}, config=config)

    assert event.usage is None


def counted(events: list[FeedbackEvent]) -> CallStatistics:
    """What the fold makes of them, as the journal gives them back."""
    kept = [msgspec.json.decode(msgspec.json.encode(e), type=FeedbackEvent) for e in events]
    return an_engine(None, *kept).calls


@pytest.mark.parametrize("first", [{"usage": CHEAP}, {"score": 0.5}, {"success": True},
                                   {"failure": Failure.REFUSAL}])  # fmt: skip
@pytest.mark.parametrize("source", [Source.USER, Source.CHECK])
def test_a_call_that_is_known_to_have_failed_later_counts_once_and_as_failed(first, source):
    calls = counted(hear(first, {"failure": Failure.ERROR, "source": source}, {"usage": SLOW}))

    assert (calls.calls[0], calls.failures[0], calls.streak[0]) == (1, 1, 1)
    assert calls.last_failure[0] == NOW


def test_a_failure_that_its_source_takes_back_is_none():
    calls = counted(hear({"failure": Failure.ERROR}, {"failure": Failure.REFUSAL}))

    assert (calls.calls[0], calls.failures[0], calls.streak[0]) == (1, 0, 0)


def test_a_preference_says_nothing_of_calls():
    preferred = {"preference": Preference(preferred_arm="small")}
    duel = a_decision(second_arm=2)

    assert counted(hear(preferred, decision=duel)).calls.tolist() == [0, 0, 0]
    calls = counted(hear(preferred, {"failure": Failure.ERROR, "arm": "small"}, decision=duel))
    assert (calls.calls.tolist(), calls.failures.tolist()) == ([1, 0, 0], [1, 0, 0])


def test_an_older_journal_is_folded_as_it_was():
    """It counted such a call as answered, and as failed again."""
    events = [a_feedback_event(served_arm=1), a_feedback_event(failed_arm=1)]
    older = [msgspec.to_builtins(event) for event in events]
    for each in older:
        del each["recounted"]

    calls = an_engine(None, *(msgspec.convert(each, FeedbackEvent) for each in older)).calls

    assert (calls.calls[1], calls.failures[1], calls.streak[1]) == (2, 1, 1)


@pytest.mark.parametrize("seed", range(40))
def test_each_call_counts_once_whoever_speaks_of_it_and_in_whichever_order(seed):
    """Held against the last word of each source, looked at as a whole."""
    luck = random.Random(seed)
    told: list[dict[str, Any]] = []
    for _ in range(luck.randint(1, 8)):
        one: dict[str, Any] = {"source": luck.choice((Source.USER, Source.CHECK))}
        one["arm"] = luck.choice(("small", "large"))
        one |= luck.choice(
            (
                {"failure": luck.choice(list(Failure))},
                {"usage": CHEAP},
                {"score": luck.random()},
                {"failure": luck.choice(list(Failure)), "usage": SLOW},
            )
        )
        told.append(one)

    calls = counted(hear(*told, decision=a_decision(second_arm=2)))

    last = {(one["arm"], one["source"]): one["failure"] for one in told if "failure" in one}
    heard = {one["arm"] for one in told}
    failed = {arm for (arm, _), failure in last.items() if failure is not Failure.REFUSAL}
    names = ("small", "medium", "large")
    np.testing.assert_array_equal(calls.calls, [name in heard for name in names])
    np.testing.assert_array_equal(calls.failures, [name in failed for name in names])
