"""What is not counted but asked for, whenever somebody looks."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from bandit_service.metrics.labels import Labels

log = logging.getLogger(__name__)

Number = Callable[[], float | None]
ByPolicy = Callable[[], Mapping[str, float]]


@dataclass(slots=True)
class Sources:
    """Each is called from the thread of whoever looks, so it only reads, and waits for nothing.

    Unknown is never zero: a source that is not there, a policy that it leaves out, and a
    number that is None show no value at all.
    """

    queued_rows: Number | None = None
    queue_limit_rows: Number | None = None
    buffered_decisions: Number | None = None
    applied_positions: ByPolicy | None = None
    head_positions: ByPolicy | None = None
    staleness_seconds: ByPolicy | None = None
    checkpoint_ages_seconds: ByPolicy | None = None
    checkpoint_sizes_bytes: ByPolicy | None = None
    checkpoint_failures: ByPolicy | None = None  # so far, of this process


_NUMBERS = (
    (
        "queued_rows",
        "bandit_writer_queue_rows",
        "Rows handed to the writer and not durable yet, those being written included.",
    ),
    (
        "queue_limit_rows",
        "bandit_writer_queue_limit_rows",
        "Rows from which on calls are refused with RESOURCE_EXHAUSTED.",
    ),
    (
        "buffered_decisions",
        "bandit_buffered_decisions",
        "Decisions answered while the database was away, that wait to be written.",
    ),
)
_BY_POLICY = (
    (
        "applied_positions",
        "bandit_journal_applied_position",
        "The last entry of the journal that this process has learned.",
    ),
    (
        "head_positions",
        "bandit_journal_head_position",
        "The last entry of the journal that this process knows to exist.",
    ),
    (
        "staleness_seconds",
        "bandit_journal_staleness_seconds",
        "For how long this process may have been missing entries of others.",
    ),
    (
        "checkpoint_ages_seconds",
        "bandit_checkpoint_age_seconds",
        "Since the newest valid checkpoint was made.",
    ),
    (
        "checkpoint_sizes_bytes",
        "bandit_checkpoint_size_bytes",
        "Size of the newest valid checkpoint.",
    ),
    (
        "checkpoint_failures",
        "bandit_checkpoint_failures_total",
        "Checkpoints that this process could not make.",
    ),
)


class SourceMetrics(Collector):
    """Asks the sources. One that fails is left out and counted; the others are shown."""

    def __init__(self, registry: CollectorRegistry, labels: Labels) -> None:
        self.sources = Sources()
        self._labels = labels
        self._errors = Counter(
            "bandit_scrape_errors_total",
            "Numbers that could not be read when somebody looked; the log says why.",
            ("source",),
            registry=registry,
        )
        registry.register(self)

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        for source, name, about in _NUMBERS:
            number = GaugeMetricFamily(name, about)
            if (value := self._ask(source)) is not None:
                number.add_metric((), value)
            yield number
        for source, name, about in _BY_POLICY:
            of_kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            family = of_kind(name, about, labels=("policy",))
            for policy, value in sorted((self._ask(source) or {}).items()):
                # Of those beyond the limit none is shown: what would their sum mean?
                if self._labels.policy(policy) == policy:
                    family.add_metric((policy,), value)
            yield family

    def _ask(self, source: str) -> Any:
        ask = getattr(self.sources, source)
        try:
            return ask() if ask else None
        except Exception:
            self._errors.labels(source).inc()
            log.warning(
                "cannot read a number to be watched", extra={"source": source}, exc_info=True
            )
            return None
