"""Calls, and the decisions that they end with."""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram

from bandit_service.errors import BanditError
from bandit_service.metrics.labels import Labels
from bandit_service.model import Routed
from bandit_service.watching import Asked, CallEnded

# From an answer out of memory to what a caller waits for the database at most.
SECONDS = (
    *(0.0002, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075),
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
)
ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

SECOND_OF_DUEL = "second_of_duel"
_FLAGS = ("forced", "sticky", "observed", "degraded")
_MOST_REMEMBERED = 10_000

_Key = tuple[str, str, str, bool, bool, bool, bool]
_Inc = Callable[[float], None]


class CallMetrics:
    """A CallWatch. Series are looked up once and kept at hand: that costs as much as counting."""

    def __init__(self, registry: CollectorRegistry, labels: Labels) -> None:
        self._labels = labels
        self._calls = Counter(
            "bandit_calls_total",
            "Calls that have ended, by gRPC method and status code. Health checks, and what gRPC "
            "refuses before it is read (unknown methods, messages too large), are not counted.",
            ("method", "code"),
            registry=registry,
        )
        self._durations = Histogram(
            "bandit_call_duration_seconds",
            "From the bytes of a request to those of its answer, waiting for the commit included; "
            "what gRPC itself takes comes on top.",
            ("method",),
            buckets=SECONDS,
            registry=registry,
        )
        self._sizes = Histogram(
            "bandit_batch_items",
            "Items a batch call.",
            ("method",),
            buckets=ITEMS,
            registry=registry,
        )
        self._item_errors = Counter(
            "bandit_batch_item_errors_total",
            "Items that were refused inside batches, whose calls end with OK all the same.",
            ("method", "error"),
            registry=registry,
        )
        self._decisions = Counter(
            "bandit_decisions_total",
            "Decisions answered, by the arm chosen; of a duel, by its first arm. The repeat of a "
            "request id is answered again, and counted again.",
            ("policy", "arm"),
            registry=registry,
        )
        self._flags = Counter(
            "bandit_decision_flags_total",
            "Decisions answered that were forced (one arm was left), sticky (kept for a session), "
            "observed (the default arm served) or degraded (from memory, the database did not "
            "answer). A decision counts under each of its flags. second_of_duel counts the "
            "second arms of duels.",
            ("policy", "arm", "flag"),
            registry=registry,
        )
        self._known: dict[_Key, list[_Inc]] = {}

    def method(self, name: str) -> CallEnded:
        observe = self._durations.labels(name).observe
        # There from the start: what appears with its first call has no rate for that call.
        codes = {"OK": self._calls.labels(name, "OK").inc}

        def ended(code: str, seconds: float) -> None:
            count = codes.get(code)
            if count is None:
                count = codes[code] = self._calls.labels(name, code).inc
            count()
            observe(seconds)

        return ended

    def routed(self, pairs: Iterable[Asked]) -> None:
        tally: dict[_Key, int] = {}
        for query, answer in pairs:
            if isinstance(answer, Routed) and not isinstance(query, BanditError):
                made = answer.decision
                key = (
                    query.policy,
                    answer.arm,
                    answer.second_arm,
                    made.forced,
                    made.sticky,
                    made.observed,
                    made.degraded,
                )
                tally[key] = tally.get(key, 0) + 1
        for key, count in tally.items():
            for increase in self._known.get(key) or self._find(key):
                increase(count)

    def batch(self, method: str, answers: Sequence[object]) -> None:
        self._sizes.labels(method).observe(len(answers))
        for answer in answers:
            if isinstance(answer, BanditError):
                self._item_errors.labels(method, type(answer).__name__).inc()

    def _find(self, key: _Key) -> list[_Inc]:
        policy, arm, second, *given = key
        labels = self._labels.arm(policy, arm)
        found: list[_Inc] = [self._decisions.labels(*labels).inc]
        for flag, is_given in zip(_FLAGS, given, strict=True):
            if is_given:
                found.append(self._flags.labels(*labels, flag).inc)
        if second:
            found.append(self._flags.labels(*self._labels.arm(policy, second), SECOND_OF_DUEL).inc)
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[key] = found
        return found
