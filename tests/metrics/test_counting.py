"""What is counted, against what was told."""

import itertools

import pytest

from bandit_service.errors import DecisionNotFound, PolicyNotFound, StoreUnavailable
from bandit_service.metrics import labels
from bandit_service.metrics.writer import WriterMetrics
from bandit_service.model import (
    Effect,
    EnergySource,
    Failure,
    JournalEntry,
    Recorded,
    Routed,
    Source,
    Usage,
    UsageLesson,
)
from tests.builders import (
    NOW,
    a_decision,
    a_feedback_event,
    a_query,
    a_submission,
    an_engine,
    tell,
)
from tests.metrics.scraping import shown_by


def a_routed(arm="small", second_arm="", **flags):
    return Routed(a_decision(**flags), arm=arm, second_arm=second_arm)


def tell_usage(metrics, old, new, position=2, policy_id=1, **changes):
    """One acknowledged report of what a call of the first arm took."""
    event = a_feedback_event(usage=UsageLesson(0, NOW, old, new), effect=Effect.RECORDED, **changes)
    answer = Recorded("f1", position, Effect.RECORDED)
    heard = [(policy_id, a_submission(usage=new), answer)]
    metrics.writer.heard(heard, [(policy_id, JournalEntry(position, event))])


@pytest.fixture
def engine(engines):
    made = an_engine()
    engines.add(made)
    return made


def test_calls_are_counted_by_method_and_code(metrics):
    route, get = metrics.calls.method("Route"), metrics.calls.method("GetPolicy")
    for seconds in (0.0001, 0.004, 0.004, 60.0):
        route("OK", seconds)
    route("UNAVAILABLE", 1.0)
    get("NOT_FOUND", 0.01)

    seen = shown_by(metrics.registry)

    assert seen.all("bandit_calls_total") == {
        ("OK", "Route"): 4,
        ("UNAVAILABLE", "Route"): 1,
        ("NOT_FOUND", "GetPolicy"): 1,
    }
    assert seen.value("bandit_call_duration_seconds_count", method="Route") == 5
    assert seen.value("bandit_call_duration_seconds_sum", method="Route") == pytest.approx(61.0081)
    bucket = "bandit_call_duration_seconds_bucket"
    assert seen.value(bucket, method="Route", le="0.0002") == 1
    assert seen.value(bucket, method="Route", le="0.005") == 3
    assert seen.value(bucket, method="Route", le="5.0") == 4


def test_a_decision_counts_for_its_arm_and_under_each_of_its_flags(metrics):
    metrics.calls.routed([(a_query(), a_routed())] * 3)
    metrics.calls.routed([(a_query(), a_routed("large", sticky=True, observed=True))])
    metrics.calls.routed([(a_query(), a_routed("large", "small", degraded=True, forced=True))])

    seen = shown_by(metrics.registry)

    assert seen.all("bandit_decisions_total") == {("small", "chat"): 3, ("large", "chat"): 2}
    assert seen.all("bandit_decision_flags_total") == {
        ("large", "sticky", "chat"): 1,
        ("large", "observed", "chat"): 1,
        ("large", "degraded", "chat"): 1,
        ("large", "forced", "chat"): 1,
        ("small", "second_of_duel", "chat"): 1,
    }


def test_a_batch_counts_its_items_and_those_that_were_refused(metrics):
    refused = PolicyNotFound("nobody")
    queries = [a_query(), refused, a_query(policy="nobody")]
    answers = [a_routed(), refused, PolicyNotFound("nobody")]

    metrics.calls.batch("BatchRoute", answers)
    metrics.calls.routed(zip(queries, answers, strict=True))
    metrics.calls.batch("BatchFeedback", [DecisionNotFound("d")] * 40)

    seen = shown_by(metrics.registry)
    assert seen.all("bandit_batch_items_sum") == {("BatchRoute",): 3, ("BatchFeedback",): 40}
    assert seen.value("bandit_batch_items_bucket", method="BatchFeedback", le="32.0") == 0
    assert seen.all("bandit_batch_item_errors_total") == {
        ("PolicyNotFound", "BatchRoute"): 2,
        ("DecisionNotFound", "BatchFeedback"): 40,
    }
    assert seen.all("bandit_decisions_total") == {("small", "chat"): 1}


def test_feedback_is_counted_once_by_policy_source_and_effect(metrics, engine):
    both = a_submission(success=True, score=0.5, source=Source.JUDGE)
    again = Recorded("f1", 2, Effect.LEARNED, duplicate=True)
    event = JournalEntry(2, a_feedback_event())

    metrics.writer.heard([(1, both, Recorded("f1", 2, Effect.LEARNED))], [(1, event)])
    metrics.writer.heard([(1, both, again), (1, both, again)], [])
    metrics.writer.heard([], [(1, JournalEntry(3, a_feedback_event()))])  # of another replica

    seen = shown_by(metrics.registry)
    assert seen.all("bandit_feedback_total") == {
        ("learned", "chat", "judge"): 1,
        ("duplicate", "chat", "judge"): 2,
    }
    assert seen.all("bandit_feedback_values_total") == {
        ("success", "chat", "judge"): 1,
        ("score", "chat", "judge"): 1,
    }


def test_feedback_of_a_policy_that_has_gone_is_counted_all_the_same(metrics):
    answer = Recorded("f1", 2, Effect.LEARNED)
    event = a_feedback_event(usage=UsageLesson(0, NOW, None, Usage(cost_usd=1.0)))

    metrics.writer.heard([(9, a_submission(score=1.0), answer)], [(9, JournalEntry(2, event))])

    assert shown_by(metrics.registry).all("bandit_feedback_total") == {
        ("learned", labels.OTHER, "user"): 1
    }


def test_a_failed_call_counts_once_for_its_arm(metrics, engine):
    failed = a_submission(failure=Failure.TIMEOUT)
    first = JournalEntry(2, a_feedback_event(failed_arm=1, effect=Effect.RECORDED))
    second = JournalEntry(3, a_feedback_event(effect=Effect.RECORDED))  # told of it already

    for entry in (first, second):
        answer = Recorded("f1", entry.position, Effect.RECORDED)
        metrics.writer.heard([(1, failed, answer)], [(1, entry)])

    seen = shown_by(metrics.registry)
    assert seen.all("bandit_arm_failures_total") == {("medium", "timeout", "chat"): 1}
    assert seen.all("bandit_feedback_values_total") == {("failure", "chat", "user"): 2}


def test_usage_is_added_up_and_a_resource_that_nobody_reports_has_no_series(metrics, engine):
    first = Usage(cost_usd=0.25, input_tokens=100)
    later = Usage(
        cost_usd=0.5,
        input_tokens=100,
        energy_joules=12.0,
        energy_source=EnergySource.ESTIMATED,
    )

    tell_usage(metrics, None, first)
    tell_usage(metrics, first, later)  # dearer than first said, and energy is known now
    tell_usage(metrics, None, Usage(cost_usd=1.0))

    seen = shown_by(metrics.registry)
    assert seen.value("bandit_usage_cost_usd_total", policy="chat", arm="small") == 1.5
    assert seen.all("bandit_usage_tokens_total") == {("small", "input", "chat"): 100}
    assert seen.all("bandit_usage_energy_joules_total") == {("small", "estimated", "chat"): 12}
    assert seen.all("bandit_usage_reports_total") == {
        ("small", "chat", "cost_usd"): 2,
        ("small", "chat", "input_tokens"): 1,
        ("small", "chat", "energy_joules"): 1,
    }
    assert seen.families["bandit_usage_latency_seconds"].samples == []
    output = {"policy": "chat", "arm": "small", "direction": "output"}
    assert seen.value("bandit_usage_tokens_total", **output) is None


def test_a_correction_downwards_does_not_break_a_counter(metrics, engine):
    tell_usage(metrics, None, Usage(cost_usd=1.0))
    tell_usage(metrics, Usage(cost_usd=1.0), Usage(cost_usd=0.25))

    seen = shown_by(metrics.registry)
    assert seen.value("bandit_usage_cost_usd_total", policy="chat", arm="small") == 1.0
    assert seen.all("bandit_usage_reports_total") == {("small", "chat", "cost_usd"): 1}


def test_commits_are_timed_counted_and_blamed(metrics):
    for rows, seconds in ((1, 0.004), (600, 0.3)):
        metrics.writer.committed(rows, seconds)
    metrics.writer.commit_failed(StoreUnavailable())
    metrics.writer.commit_failed(KeyError("secret"))

    seen = shown_by(metrics.registry)
    assert seen.value("bandit_commit_rows_sum") == 601
    assert seen.value("bandit_commit_rows_bucket", le="512.0") == 1
    assert seen.value("bandit_commit_duration_seconds_bucket", le="0.2") == 1
    assert seen.all("bandit_commit_failures_total") == {
        ("StoreUnavailable",): 1,
        ("KeyError",): 1,
    }


def test_the_age_of_the_last_contact_is_unknown_before_the_first(metrics, engines):
    clock = itertools.count(100.0, 7.0)
    registry = type(metrics.registry)()
    writer = WriterMetrics(registry, metrics.writer._feedback, lambda: next(clock))

    assert shown_by(registry).value("bandit_database_contact_age_seconds") is None
    writer.contacted()
    assert shown_by(registry).value("bandit_database_contact_age_seconds") == 7.0
    writer.commit_failed(StoreUnavailable())
    assert shown_by(registry).value("bandit_database_contact_age_seconds") == 14.0
    writer.committed(1, 0.001)
    assert shown_by(registry).value("bandit_database_contact_age_seconds") == 7.0


def test_names_beyond_the_limit_share_one_series(metrics, engines, monkeypatch):
    monkeypatch.setattr(labels, "MOST_POLICIES", 2)
    monkeypatch.setattr(labels, "MOST_ARMS", 3)
    for number in range(6):
        for arm in ("a", "b"):
            metrics.calls.routed([(a_query(policy=f"p{number}"), a_routed(arm))] * 2)

    seen = shown_by(metrics.registry)

    assert seen.all("bandit_decisions_total") == {
        ("a", "p0"): 2,
        ("b", "p0"): 2,
        ("a", "p1"): 2,
        (labels.OTHER, "p1"): 2,
        (labels.OTHER, labels.OTHER): 16,
    }
    assert (seen.value("bandit_label_overflow_total") or 0) > 0


def test_positions_are_those_of_the_engines_at_the_moment(metrics, engines):
    def position(policy):
        return shown_by(metrics.registry).value("bandit_journal_applied_position", policy=policy)

    assert position("chat") is None
    engines.add(made := an_engine())
    assert position("chat") == 1
    tell(made, a_feedback_event())
    assert position("chat") == 2
    engines.remove(1)
    assert position("chat") is None


def test_what_nobody_knows_is_not_shown(metrics):
    names = (
        "bandit_writer_queue_rows",
        "bandit_buffered_decisions",
        "bandit_journal_head_position",
        "bandit_journal_staleness_seconds",
        "bandit_checkpoint_age_seconds",
        "bandit_checkpoint_size_bytes",
        "bandit_checkpoint_failures",
    )
    seen = shown_by(metrics.registry)
    assert [seen.families[name].samples for name in names] == [[]] * len(names)

    sources = metrics.sources
    sources.queued_rows = lambda: None
    sources.buffered_decisions = lambda: 0
    sources.head_positions = lambda: {"chat": 12, "code": 7}
    sources.staleness_seconds = lambda: {"chat": 0.25}
    sources.checkpoint_failures = lambda: {"chat": 3}

    seen = shown_by(metrics.registry)
    assert seen.families["bandit_writer_queue_rows"].samples == []
    assert seen.value("bandit_buffered_decisions") == 0
    assert seen.all("bandit_journal_head_position") == {("chat",): 12, ("code",): 7}
    assert seen.value("bandit_journal_staleness_seconds", policy="code") is None
    assert seen.value("bandit_checkpoint_failures_total", policy="chat") == 3


def test_a_number_that_cannot_be_read_spoils_no_other(metrics, engine, caplog):
    def broken():
        raise RuntimeError("secret")

    metrics.sources.queued_rows = broken

    shown_by(metrics.registry)
    seen = shown_by(metrics.registry)

    assert seen.families["bandit_writer_queue_rows"].samples == []
    assert seen.value("bandit_journal_applied_position", policy="chat") == 1
    assert (seen.value("bandit_scrape_errors_total", source="queued_rows") or 0) >= 1
    assert "cannot read a number" in caplog.text
