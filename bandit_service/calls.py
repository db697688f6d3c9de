"""What calls of each arm take, and whether they succeed at all.

Kept apart from quality and weighed against it at decision time (offsets.py), so that a change
of prices or of the objective acts at once and corrupts nothing. Part of the learned
state: a fold of the journal like the rest.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bandit_service.model import ArmStatistics, Usage

Array = NDArray[np.float64]

_FIELDS = ("cost_usd", "latency_seconds", "energy_joules", "input_tokens", "output_tokens")
COST, LATENCY, ENERGY, INPUT, OUTPUT = range(len(_FIELDS))

# Five failures in a row are no accident at any usable failure rate (at 10 % one in
# 100,000). The rest doubles while a probe keeps failing.
FAILURES_BEFORE_REST = 5
FIRST_REST_SECONDS = 30.0
LONGEST_REST_SECONDS = 600.0


class CallStatistics:
    """Sums over the calls of K arms.

    qualities (K, 2)        sum and number of the qualities that stand, never faded
    totals, counts  (K, 5)  cost in USD, latency in s, energy in J, tokens read and written
    calls, failures (K,)    calls heard of, and those that failed
    streak, last_failure (K,)  failures in a row; when the last one was, in s
    """

    def __init__(self, arms: int) -> None:
        self.qualities = np.zeros((arms, 2))
        self.totals = np.zeros((arms, len(_FIELDS)))
        self.counts = np.zeros((arms, len(_FIELDS)))
        self.calls = np.zeros(arms)
        self.failures = np.zeros(arms)
        self.streak = np.zeros(arms)
        self.last_failure = np.zeros(arms)
        self.troubled = False
        self._means: Array | None = None

    def canonical(self) -> dict[str, Array]:
        """What is hashed and checkpointed."""
        names = ("qualities", "totals", "counts", "calls", "failures", "streak", "last_failure")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def restored(cls, canonical: Mapping[str, NDArray[Any]]) -> Self:
        """Those whose `canonical()` was this. ValueError where a name or a shape does not fit."""
        arms = len(canonical["calls"]) if "calls" in canonical else 0
        made = cls(arms)
        wanted = made.canonical()
        if {name: sums.shape for name, sums in wanted.items()} != {
            name: sums.shape for name, sums in canonical.items()
        }:
            raise ValueError(f"calls must have the sums of {arms} arms")
        for name, sums in wanted.items():
            sums[:] = canonical[name]
        made.troubled = bool((made.streak >= FAILURES_BEFORE_REST).any())
        return made

    @property
    def arms(self) -> int:
        return len(self.calls)

    def copy(self) -> "CallStatistics":
        """An independent one."""
        made = CallStatistics(0)
        made.troubled, made._means = self.troubled, self._means
        for name, sums in self.canonical().items():
            setattr(made, name, sums.copy())
        return made

    def add_arm(self) -> None:
        self._means = None
        for name, sums in self.canonical().items():
            setattr(self, name, np.concatenate([sums, np.zeros((1, *sums.shape[1:]))]))

    def drop_arm(self, arm: int) -> None:
        self._means = None
        for sums in self.canonical().values():
            sums[arm] = 0.0

    def quality(self, arm: int, old: float | None, new: float | None) -> None:
        """One quality more, or another in place of `old`, or one withdrawn."""
        self.qualities[arm, 0] += (new or 0.0) - (old or 0.0)
        self.qualities[arm, 1] += (new is not None) - (old is not None)

    def replace(self, arm: int, old: Usage | None, new: Usage) -> None:
        """Counts what one call took, instead of what was known of it before."""
        means = None if self._means is None else self._means.copy()
        for column, field in enumerate(_FIELDS):
            before = None if old is None else getattr(old, field)
            after = getattr(new, field)
            if before is None and after is None:
                continue
            if before is not None:
                self.totals[arm, column] -= before
                self.counts[arm, column] -= 1.0
            if after is not None:
                self.totals[arm, column] += after
                self.counts[arm, column] += 1.0
            if means is not None:  # those of one call: in plain numbers it is quicker
                count = self.counts.item(arm, column)
                mean = self.totals.item(arm, column) / count if count > 0.0 else np.nan
                means[arm, column] = mean
        if means is not None:
            means.flags.writeable = False
        self._means = means

    def served(self, arm: int, recounted: bool = False) -> None:
        """A call came back: whatever was wrong with the arm is over.

        `recounted`: it counts already, as one that failed.
        """
        if recounted:
            self.failures[arm] -= 1.0
        else:
            self.calls[arm] += 1.0
        self.streak[arm] = 0.0
        if self.troubled:
            self.troubled = bool((self.streak >= FAILURES_BEFORE_REST).any())

    def failed(self, arm: int, time: float, recounted: bool = False) -> None:
        """A call failed at `time`, in seconds since the epoch.

        `recounted`: it counts already, as one that answered.
        """
        if not recounted:
            self.calls[arm] += 1.0
        self.failures[arm] += 1.0
        self.streak[arm] += 1.0
        self.last_failure[arm] = max(time, float(self.last_failure[arm]))
        self.troubled = bool((self.streak >= FAILURES_BEFORE_REST).any())

    def resting(self, now: float) -> NDArray[np.bool_]:
        """Arms (K,) to leave alone for now: they only failed of late."""
        excess = np.clip(self.streak - FAILURES_BEFORE_REST, 0.0, 10.0)
        rest = np.minimum(FIRST_REST_SECONDS * 2.0**excess, LONGEST_REST_SECONDS)
        return (self.streak >= FAILURES_BEFORE_REST) & (now < self.last_failure + rest)

    def means(self) -> Array:
        """Mean of each field per arm, shape (K, 5); NaN where nothing is known. The same array
        until a call is heard of; not to be written to."""
        if self._means is None:
            known = np.where(self.counts > 0.0, self.counts, np.nan)
            self._means = self.totals / known
            self._means.flags.writeable = False
        return self._means

    def statistics(self, arm: int, name: str) -> ArmStatistics:
        """For people, with None where a number is not known."""
        mean = self.means()[arm]
        total, count = self.qualities[arm]
        share = self.failures[arm] / self.calls[arm] if self.calls[arm] else None
        return ArmStatistics(
            arm=name,
            observations=float(count),
            mean_quality=float(total / count) if count else None,
            mean_cost_usd=_known(mean[COST]),
            mean_latency_seconds=_known(mean[LATENCY]),
            mean_energy_joules=_known(mean[ENERGY]),
            failure_share=None if share is None else float(share),
        )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
