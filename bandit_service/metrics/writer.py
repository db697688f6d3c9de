"""The writer's transactions, and when the database was heard of last."""

import time
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bandit_service.metrics.feedback import FeedbackMetrics
from bandit_service.model import JournalEntry
from bandit_service.watching import Heard

SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)


class WriterMetrics:
    """A WriterWatch."""

    def __init__(
        self,
        registry: CollectorRegistry,
        feedback: FeedbackMetrics,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._feedback = feedback
        self._monotonic = monotonic
        self._contact: float | None = None
        self._durations = Histogram(
            "bandit_commit_duration_seconds",
            "One transaction of the writer that was committed.",
            buckets=SECONDS,
            registry=registry,
        )
        self._rows = Histogram(
            "bandit_commit_rows",
            "Decisions, pieces of feedback and changes that one transaction made durable.",
            buckets=ROWS,
            registry=registry,
        )
        self._failures = Counter(
            "bandit_commit_failures_total",
            "Transactions that failed. StoreUnavailable: the database did not answer.",
            ("error",),
            registry=registry,
        )
        self._failures.labels("StoreUnavailable")
        registry.register(_Contact(self.contact_age_seconds))

    def contacted(self) -> None:
        self._contact = self._monotonic()

    def contact_age_seconds(self) -> float | None:
        """Since the database last answered; None if it never has."""
        contact = self._contact
        return None if contact is None else self._monotonic() - contact

    def committed(self, rows: int, seconds: float) -> None:
        self.contacted()
        self._durations.observe(seconds)
        self._rows.observe(rows)

    def commit_failed(self, error: Exception) -> None:
        self._failures.labels(type(error).__name__).inc()

    def heard(self, recorded: Sequence[Heard], entries: Sequence[tuple[int, JournalEntry]]) -> None:
        self._feedback.heard(recorded, entries)


class _Contact(Collector):
    def __init__(self, age: Callable[[], float | None]) -> None:
        self._age = age

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "bandit_database_contact_age_seconds", "Since the database last answered."
        )
        age = self._age()
        if age is not None:
            family.add_metric((), age)
        yield family
