"""Challengers at work: each has a state of its own, which is a fold of the same journal.

Challengers are isolated. One that cannot decide a query leaves it to the others, one that takes
too long over its decisions is not asked for a while, and one that cannot learn an event is
stopped there: a state that took half of an event is a fold of nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import policies
from bandit_service.calls import CallStatistics
from bandit_service.failures import Failures, Task
from bandit_service.model import Challenger, FeedbackEvent, PolicyConfig, Query
from bandit_service.offsets import offsets
from bandit_service.patience import DECISION_SECONDS, Patience
from bandit_service.teaching import compare, teach
from policies.budget.restraint import Restraint

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Between a sum of chances and 1: many roundings, and far below what estimates can see.
_ROUNDING = 1e-9
_ALLOWED = f"{1000 * DECISION_SECONDS:g} ms a decision are allowed"


class Timed(NamedTuple):
    """A batch of decisions under a clock: what reads it, in s, and what the incumbent took."""

    clock: Callable[[], float]
    incumbent: float


class Contender:
    """One challenger. Owned by its engine.

    config   the policy's, as it would be with this challenger as the incumbent
    since    position: it learns from feedback on decisions made there or later; 0: from all
    stopped  position of the event that it could not learn; from there on it knows nothing, and
             does nothing, until its algorithm changes or it is taken out and put in again. 0: none
    chosen   (K,), how many queries it would have given to each arm so far, in this process
    patience how long it may take, on this replica
    """

    __slots__ = (
        "_failures", "chosen", "config", "name", "patience", "policy", "share", "since", "state",
        "stopped",
    )  # fmt: skip

    def __init__(
        self,
        challenger: Challenger,
        config: PolicyConfig,
        policy: policies.Policy[Any],
        state: policies.State,
        since: int,
        failures: Failures,
        stopped: int = 0,
    ) -> None:
        self.name, self.share = challenger.name, challenger.share
        self.config, self.policy, self.state, self.since = config, policy, state, since
        self.stopped, self._failures = stopped, failures
        self.chosen = np.zeros(len(config.arms))
        self.patience = Patience()

    def learn(self, event: FeedbackEvent, position: int) -> None:
        """What the event, which is at that position, teaches it."""
        if self.stopped:
            return
        lessons = event.lessons
        if self.since:
            lessons = tuple(one for one in lessons if (one.position or 0) >= self.since)
        try:
            teach(self.policy, self.state, lessons)
            compare(self.policy, self.state, event.comparison)
        except MemoryError:  # the machine's failure, which no other fold of the journal would meet
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the incumbent goes on
            self._failures.count(self.name, Task.LEARN, 1, error)
            self.stop(position)

    def stop(self, position: int) -> None:
        self.stopped, self.state = position, self.policy.start(len(self.config.arms))

    def chances(
        self,
        queries: Sequence[Query],
        contexts: Array,
        eligible: Mask | None,
        calls: CallStatistics,
        clock: float,
        restraint: Restraint | None,
        timed: Timed | None = None,
    ) -> Array:
        """What it would draw from, (n, K), floor included; NaN in rows that it could not decide.

        Under the incumbent's restraint, if the policy has budgets: the prices are of the traffic,
        whoever decides on it. Not `timed`, it may take as long as it likes.
        """
        arms = len(self.config.arms)
        undecided = np.full((len(queries), arms), np.nan)
        if self.stopped:
            return undecided
        if timed is None:
            return self._whole(undecided, queries, contexts, eligible, calls, clock, restraint)
        began = timed.clock()
        if left := self.patience.left(began):
            why = f"it took too long, and is asked again in {left:.0f} s ({_ALLOWED})"
            self._failures.count(self.name, Task.DECIDE, len(queries), why)
            return undecided
        found = self._whole(undecided, queries, contexts, eligible, calls, clock, restraint)
        ended = timed.clock()
        self.patience.took(ended, len(queries), ended - began, timed.incumbent)
        return found

    def _whole(
        self,
        undecided: Array,
        queries: Sequence[Query],
        contexts: Array,
        eligible: Mask | None,
        calls: CallStatistics,
        clock: float,
        restraint: Restraint | None,
    ) -> Array:
        """The same, whatever it takes; `undecided` (n, K) is NaN."""
        try:
            found = self._chances(queries, contexts, eligible, calls, clock, restraint)
        except Exception as error:  # noqa: BLE001 - whatever it is, the incumbent answers
            self._failures.count(self.name, Task.DECIDE, len(queries), error)
            return undecided
        if found.shape != undecided.shape:
            why = f"it gave chances of shape {found.shape}, not {undecided.shape}"
            self._failures.count(self.name, Task.DECIDE, len(queries), why)
            return undecided
        open_ = eligible if restraint is None else restraint.eligible
        sound = _are_chances(found, open_)
        if not sound.all():
            bad = found[int(np.argmin(sound))].tolist()
            why = f"it gave {bad}, which are no chances of the eligible arms"
            self._failures.count(self.name, Task.DECIDE, int((~sound).sum()), why)
            found = np.where(sound[:, None], found, np.nan)
        self.chosen += found[sound].sum(axis=0)
        return found

    def _chances(
        self,
        queries: Sequence[Query],
        contexts: Array,
        eligible: Mask | None,
        calls: CallStatistics,
        clock: float,
        restraint: Restraint | None,
    ) -> Array:
        weighed = offsets(self.config.objective, self.config.arms, calls, queries)
        added = None if weighed is None else weighed.added

        def learner(offsets: Array | None, eligible: Mask | None) -> Array:
            return self.policy.probabilities(
                self.state, contexts, eligible=eligible, offsets=offsets, clock=clock
            )

        if restraint is not None:
            return restraint.chances(learner, added, self.config.floor)
        return policies.with_floor(learner(added, eligible), eligible, self.config.floor)


def _are_chances(found: Array, eligible: Mask | None) -> Mask:
    """Which rows are distributions over the eligible arms, (n,); found: (n, K). NaN is none."""
    total: Mask = np.abs(found.sum(axis=1) - 1.0) <= _ROUNDING
    total &= (found >= 0.0).all(axis=1)
    if eligible is not None:
        total &= ~((found > 0.0) & ~eligible).any(axis=1)
    return total


def mixture(chances: Sequence[Array], shares: Sequence[float]) -> Array:
    """What is drawn from, (n, K): the incumbent's chances, which come first, and each
    challenger's by its share. The share of one that did not decide, whose row is NaN, is the
    incumbent's. Bit for bit the incumbent's own where nobody else has a part.
    """
    if not any(shares):
        return chances[0]
    decided = [~np.isnan(part[:, 0]) for part in chances[1:]]
    taken = np.zeros(len(chances[0]))
    for share, there in zip(shares, decided, strict=True):
        taken += share * there
    mixed: Array = (1.0 - taken)[:, None] * chances[0]
    for part, share, there in zip(chances[1:], shares, decided, strict=True):
        mixed = mixed + share * (part if there.all() else np.where(there[:, None], part, 0.0))
    return mixed
