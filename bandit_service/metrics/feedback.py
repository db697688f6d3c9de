"""Feedback that was acknowledged here, and what it said of calls to arms."""

from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter

from bandit_service.engine import Registry
from bandit_service.metrics.labels import OTHER, Labels
from bandit_service.model import FeedbackEvent, JournalEntry, Kind, Submission, Usage
from bandit_service.watching import Heard

DUPLICATE = "duplicate"
UNSTATED = "unstated"


class FeedbackMetrics:
    """Counts what this process has acknowledged, each piece once, on whichever replica it
    came in: added up over replicas it is all there was."""

    def __init__(self, registry: CollectorRegistry, labels: Labels, engines: Registry) -> None:
        self._labels = labels
        self._engines = engines
        self._pieces = Counter(
            "bandit_feedback_total",
            "Feedback acknowledged, by who gave it and what it did to the learned state. "
            "`duplicate`: it had been acknowledged before.",
            ("policy", "source", "effect"),
            registry=registry,
        )
        self._values = Counter(
            "bandit_feedback_values_total",
            "What feedback said, duplicates left out. One piece may say several things.",
            ("policy", "kind", "source"),
            registry=registry,
        )
        self._failures = Counter(
            "bandit_arm_failures_total",
            "Calls to an arm that were reported as failed, each once.",
            ("policy", "arm", "failure"),
            registry=registry,
        )
        self._usage = UsageMetrics(registry)

    def heard(self, recorded: Sequence[Heard], entries: Sequence[tuple[int, JournalEntry]]) -> None:
        if not recorded:
            return
        events = {(policy_id, entry.position): entry.event for policy_id, entry in entries}
        for policy_id, submission, answer in recorded:
            engine = self._engines.by_id.get(policy_id)
            name = engine.identity.name if engine else OTHER  # deleted meanwhile
            policy, source = self._labels.policy(name), submission.source.value
            if answer.duplicate:
                self._pieces.labels(policy, source, DUPLICATE).inc()
                continue
            self._pieces.labels(policy, source, answer.effect.value).inc()
            for kind in _kinds(submission):
                self._values.labels(policy, kind, source).inc()
            event = events.get((policy_id, answer.position))
            if engine and isinstance(event, FeedbackEvent):
                self._calls_of_arms(policy, engine.names, submission, event)

    def _calls_of_arms(
        self, policy: str, arms: Sequence[str], submission: Submission, event: FeedbackEvent
    ) -> None:
        if event.usage is not None:
            labels = self._labels.arm(policy, arms[event.usage.arm])
            self._usage.add(labels, event.usage.old or Usage(), event.usage.new)
        if event.failed_arm is not None and submission.failure is not None:
            labels = self._labels.arm(policy, arms[event.failed_arm])
            self._failures.labels(*labels, submission.failure.value).inc()


class UsageMetrics:
    """What calls took, as far as it was reported: what was not is in no sum, and `reports`
    tells over how many calls each sum is."""

    def __init__(self, registry: CollectorRegistry) -> None:
        arm = ("policy", "arm")
        self._cost = Counter(
            "bandit_usage_cost_usd_total", "Reported cost of calls.", arm, registry=registry
        )
        self._tokens = Counter(
            "bandit_usage_tokens_total",
            "Reported tokens, read (input) and written (output).",
            (*arm, "direction"),
            registry=registry,
        )
        self._latency = Counter(
            "bandit_usage_latency_seconds_total",
            "Reported time that calls took.",
            arm,
            registry=registry,
        )
        self._energy = Counter(
            "bandit_usage_energy_joules_total",
            "Reported energy of calls, by where the number comes from.",
            (*arm, "energy_source"),
            registry=registry,
        )
        self._reports = Counter(
            "bandit_usage_reports_total",
            "Calls of which a resource was reported: what to divide its sum by.",
            (*arm, "resource"),
            registry=registry,
        )

    def add(self, arm: tuple[str, str], old: Usage, new: Usage) -> None:
        """A counter cannot fall: a correction upwards is added, one downwards is not taken
        away. The journal has the exact sums."""
        source = new.energy_source.value if new.energy_source else UNSTATED
        sums = {
            "cost_usd": (self._cost, arm),
            "input_tokens": (self._tokens, (*arm, "input")),
            "output_tokens": (self._tokens, (*arm, "output")),
            "latency_seconds": (self._latency, arm),
            "energy_joules": (self._energy, (*arm, source)),
        }
        for resource, (total, labels) in sums.items():
            before, after = getattr(old, resource), getattr(new, resource)
            if after is None:  # no series then: it would say zero
                continue
            if before is None:
                self._reports.labels(*arm, resource).inc()
            total.labels(*labels).inc(max(0.0, after - (before or 0.0)))


def _kinds(submission: Submission) -> Iterator[str]:
    said = {
        Kind.SUCCESS: submission.success,
        Kind.SCORE: submission.score,
        Kind.PREFERENCE: submission.preference,
        Kind.FAILURE: submission.failure,
        Kind.USAGE: submission.usage,
    }
    return (kind.value for kind, what in said.items() if what is not None)
