"""Feedback that was acknowledged here, and what it said of calls to arms."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter

from bandit_service.engine import Registry
from bandit_service.metrics.labels import OTHER, Labels
from bandit_service.model import FeedbackEvent, JournalEntry, Kind, Source, Submission, Usage
from bandit_service.watching import Heard

DUPLICATE = "duplicate"
UNSTATED = "unstated"

_RESOURCES = ("cost_usd", "input_tokens", "output_tokens", "latency_seconds", "energy_joules")
_KINDS = (Kind.SUCCESS, Kind.SCORE, Kind.PREFERENCE, Kind.FAILURE, Kind.USAGE)
_Inc = Callable[[float], None]
_Key = tuple[int, Source, str, int]


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
        self._known: dict[_Key, list[Callable[[], None]]] = {}
        self._arms: dict[tuple[int, int], ArmUsage] = {}

    def heard(self, recorded: Sequence[Heard], entries: Sequence[tuple[int, JournalEntry]]) -> None:
        if not recorded:
            return
        events = {(policy_id, entry.position): entry.event for policy_id, entry in entries}
        for policy_id, submission, answer in recorded:
            effect = DUPLICATE if answer.duplicate else answer.effect.value
            key = (policy_id, submission.source, effect, _kinds(submission))
            for increase in self._known.get(key) or self._find(key):
                increase()
            event = None if answer.duplicate else events.get((policy_id, answer.position))
            if isinstance(event, FeedbackEvent):
                self._calls_of_arms(policy_id, submission, event)

    def _calls_of_arms(self, policy_id: int, submission: Submission, event: FeedbackEvent) -> None:
        if event.usage is not None:
            usage = self._arms.get((policy_id, event.usage.arm))
            if usage is None:
                labels = self._arm(policy_id, event.usage.arm)
                usage = self._arms[policy_id, event.usage.arm] = ArmUsage(self._usage, labels)
            usage.add(event.usage.old, event.usage.new)
        if event.failed_arm is not None and submission.failure is not None:
            labels = self._arm(policy_id, event.failed_arm)
            self._failures.labels(*labels, submission.failure.value).inc()

    def _find(self, key: _Key) -> list[Callable[[], None]]:
        policy_id, source, effect, kinds = key
        engine = self._engines.by_id.get(policy_id)
        policy = self._labels.policy(engine.identity.name) if engine else OTHER
        found: list[Callable[[], None]] = [self._pieces.labels(policy, source, effect).inc]
        if effect != DUPLICATE:
            said = [kind for bit, kind in enumerate(_KINDS) if kinds >> bit & 1]
            found += [self._values.labels(policy, kind, source).inc for kind in said]
        if engine:  # a policy that was deleted meanwhile is not worth a place
            self._known[key] = found
        return found

    def _arm(self, policy_id: int, slot: int) -> tuple[str, str]:
        engine = self._engines.by_id.get(policy_id)
        if engine is None:
            return OTHER, OTHER
        return self._labels.arm(engine.identity.name, engine.names[slot])


class UsageMetrics:
    """What calls took, as far as it was reported: what was not is in no sum, and `reports`
    tells over how many calls each sum is."""

    def __init__(self, registry: CollectorRegistry) -> None:
        arm = ("policy", "arm")
        self.cost = Counter(
            "bandit_usage_cost_usd_total", "Reported cost of calls.", arm, registry=registry
        )
        self.tokens = Counter(
            "bandit_usage_tokens_total",
            "Reported tokens, read (input) and written (output).",
            (*arm, "direction"),
            registry=registry,
        )
        self.latency = Counter(
            "bandit_usage_latency_seconds_total",
            "Reported time that calls took.",
            arm,
            registry=registry,
        )
        self.energy = Counter(
            "bandit_usage_energy_joules_total",
            "Reported energy of calls, by where the number comes from.",
            (*arm, "energy_source"),
            registry=registry,
        )
        self.reports = Counter(
            "bandit_usage_reports_total",
            "Calls of which a resource was reported: what to divide its sum by.",
            (*arm, "resource"),
            registry=registry,
        )


class ArmUsage:
    """What calls of one arm took; each series is looked up when it is first needed, for one
    that is there and was never added to would say zero."""

    def __init__(self, metrics: UsageMetrics, arm: tuple[str, str]) -> None:
        self._metrics = metrics
        self._arm = arm
        self._known: dict[tuple[str, str], tuple[_Inc, _Inc]] = {}

    def add(self, old: Usage | None, new: Usage) -> None:
        """A counter cannot fall: a correction upwards is added, one downwards is not taken
        away. The journal has the exact sums."""
        for resource in _RESOURCES:
            after = getattr(new, resource)
            if after is None:
                continue
            before = None if old is None else getattr(old, resource)
            source = ""
            if resource == "energy_joules":
                source = new.energy_source.value if new.energy_source else UNSTATED
            found = self._known.get((resource, source)) or self._find(resource, source)
            total, reports = found
            if before is None:
                reports(1)
                total(after)
            elif after > before:
                total(after - before)

    def _find(self, resource: str, source: str) -> tuple[_Inc, _Inc]:
        metrics, arm = self._metrics, self._arm
        totals = {
            "cost_usd": (metrics.cost, arm),
            "input_tokens": (metrics.tokens, (*arm, "input")),
            "output_tokens": (metrics.tokens, (*arm, "output")),
            "latency_seconds": (metrics.latency, arm),
            "energy_joules": (metrics.energy, (*arm, source)),
        }
        total, labels = totals[resource]
        found = total.labels(*labels).inc, metrics.reports.labels(*arm, resource).inc
        self._known[resource, source] = found
        return found


def _kinds(submission: Submission) -> int:
    """What a submission says, a bit for each of _KINDS: quick to make and to look up."""
    return (
        (submission.success is not None)
        | (submission.score is not None) << 1
        | (submission.preference is not None) << 2
        | (submission.failure is not None) << 3
        | (submission.usage is not None) << 4
    )
