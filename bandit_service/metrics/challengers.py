"""What challengers do, and how they stand, as this replica knows it: asked for whenever somebody
looks."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bandit_service.engine import PolicyEngine, Registry
from bandit_service.metrics.labels import Labels

Samples = Iterator[tuple[tuple[str, ...], float]]  # labels after the policy, and the value
Family = type[GaugeMetricFamily] | type[CounterMetricFamily]


def _shares(engine: PolicyEngine) -> Samples:
    return (((one.name,), one.share) for one in engine.contenders)


def _stopped(engine: PolicyEngine) -> Samples:
    return (((one.name,), float(one.stopped)) for one in engine.contenders if one.stopped)


def _failures(engine: PolicyEngine) -> Samples:
    for (name, task), count in dict(engine.failures.counts).items():
        yield (name, task.value), float(count)


def _seconds(engine: PolicyEngine) -> Samples:
    return (((one.name,), one.patience.seconds) for one in engine.contenders)


def _choices(engine: PolicyEngine) -> Samples:
    for one in engine.contenders:
        for arm, chances in zip(one.config.arms, one.chosen.tolist(), strict=True):
            yield (one.name, arm.name), chances


def _differences(engine: PolicyEngine) -> Samples:
    for name, judged in dict(engine.judged).items():
        difference = judged.view.difference
        ends = ("estimate", difference.value), ("low", difference.low), ("high", difference.high)
        for bound, value in ends if judged.view.judged else ():
            if value is not None:
                yield (name, bound), value


def _judged(engine: PolicyEngine) -> Samples:
    return ((((name,), float(one.view.judged))) for name, one in dict(engine.judged).items())


def _read(engine: PolicyEngine) -> Samples:
    return ((((name,), one.time)) for name, one in dict(engine.judged).items())


_FAMILIES: tuple[tuple[str, str, tuple[str, ...], Callable[[PolicyEngine], Samples]], ...] = (
    ("bandit_challenger_share", "The part of the traffic that is its own.", (), _shares),
    (
        "bandit_challenger_stopped_position",
        "The entry of the journal that it could not learn; it does nothing since.",
        (),
        _stopped,
    ),
    (
        "bandit_challenger_failures_total",
        "Decisions and events that it failed to make, or to learn, in this process.",
        ("task",),
        _failures,
    ),
    (
        "bandit_challenger_decision_seconds_total",
        "What it took for its decisions, in this process.",
        (),
        _seconds,
    ),
    (
        "bandit_challenger_choices_total",
        "Queries that it would have given to the arm, in this process: the sum of its chances.",
        ("arm",),
        _choices,
    ),
    (
        "bandit_challenger_difference_points",
        "Its quality minus the incumbent's when the log was last read, with bounds of 95 %.",
        ("bound",),
        _differences,
    ),
    (
        "bandit_challenger_judged_decisions",
        "Of known quality, in its contest, when the log was last read.",
        (),
        _judged,
    ),
    (
        "bandit_challenger_read_time_seconds",
        "When the log was last read, since the epoch.",
        (),
        _read,
    ),
)


class ChallengerMetrics(Collector):
    """Of policies beyond the limit of labels none is shown."""

    def __init__(self, registry: CollectorRegistry, labels: Labels, engines: Registry) -> None:
        self._labels, self._engines = labels, engines
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        engines = sorted(dict(self._engines.by_name).items())
        shown = [
            (name, engine)
            for name, engine in engines
            if engine.contenders and self._labels.policy(name) == name
        ]
        for name, about, more, ask in _FAMILIES:
            kind: Family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            family = kind(name, about, labels=("policy", "challenger", *more))
            for policy, engine in shown:
                for labels, value in ask(engine):
                    family.add_metric((policy, *labels), value)
            yield family
