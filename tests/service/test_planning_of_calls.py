"""What reports on usage and failures become: each call counts once."""

from typing import Any

import pytest

from bandit_service.model import (
    Arm,
    ArmState,
    Decision,
    Failure,
    FeedbackEvent,
    PolicyConfig,
    Source,
    Usage,
)
from bandit_service.planning import plan
from bandit_service.standing import Standing, Terms
from tests.builders import NOW, VERSION, a_config, a_decision, a_submission

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
