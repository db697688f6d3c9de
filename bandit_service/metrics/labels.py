"""Which names may become labels. Every combination of labels is a series that is kept for
as long as the process lives, here and in Prometheus, so their number has an end."""

import threading

from prometheus_client import CollectorRegistry, Counter

MOST_POLICIES = 200
MOST_ARMS = 2_000  # of all policies together
OTHER = "(other)"  # no name of a policy or of an arm


class Labels:
    """Policies and arms are the operator's own, and few; but they come and go for years. The
    first so many have series of their own, the others share one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._policies: set[str] = set()
        self._arms: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._refused = Counter(
            "bandit_label_overflow_total",
            f"Names of policies or arms that were counted as {OTHER}, because there are too many.",
            registry=registry,
        )

    def policy(self, name: str) -> str:
        with self._lock:
            if name in self._policies or len(self._policies) < MOST_POLICIES:
                self._policies.add(name)
                return name
        self._refused.inc()
        return OTHER

    def arm(self, policy: str, arm: str) -> tuple[str, str]:
        """The labels of an arm: of its policy, and its own."""
        policy = self.policy(policy)
        with self._lock:
            if (policy, arm) in self._arms or len(self._arms) < MOST_ARMS:
                self._arms.add((policy, arm))
                return policy, arm
        self._refused.inc()
        return policy, OTHER
