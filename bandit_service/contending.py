"""Challengers at work: each has a state of its own, which is a fold of the same journal.

A challenger begins with what the incumbent knows, where both keep the same sums; else it begins
untaught, and learns from feedback on the decisions that were made after it came. What was
learned before cannot be told from an event that revises it, so that feedback is not for it.

Challengers are isolated. One that cannot decide a query leaves it to the others, and one that
cannot learn an event is stopped there: a state that took half of an event is a fold of nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

import policies
from bandit_service import challenging, configuration
from bandit_service.calls import CallStatistics
from bandit_service.configuration import ShapeOf
from bandit_service.failures import Failures, Task
from bandit_service.model import ArmState, Challenger, FeedbackEvent, PolicyConfig, Query
from bandit_service.offsets import offsets
from bandit_service.teaching import compare, teach
from policies.budget.restraint import Restraint

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_SINCE, _STOPPED = "since", "stopped"  # their places among the sums
# Between a sum of chances and 1: many roundings, and far below what estimates can see.
_ROUNDING = 1e-9


class Contender:
    """One challenger. Owned by its engine.

    config   the policy's, as it would be with this challenger as the incumbent
    since    position: it learns from feedback on decisions made there or later; 0: from all
    stopped  position of the event that it could not learn; from there on it knows nothing, and
             does nothing, until its algorithm changes or it is taken out and put in again. 0: none
    chosen   (K,), how many queries it would have given to each arm so far, in this process
    """

    __slots__ = (
        "_failures", "chosen", "config", "name", "policy", "share", "since", "state", "stopped",
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
    ) -> Array:
        """What it would draw from, (n, K), floor included; NaN in rows that it could not decide.

        Under the incumbent's restraint, if the policy has budgets: the prices are of the traffic,
        whoever decides on it.
        """
        arms = len(self.config.arms)
        undecided = np.full((len(queries), arms), np.nan)
        if self.stopped:
            return undecided
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


def revised(
    known: Iterable[Contender],
    config: PolicyConfig,
    incumbent: policies.State,
    position: int,
    afresh: bool,
    shape_of: ShapeOf,
    failures: Failures,
) -> tuple[Contender, ...]:
    """The contenders of a revision at `position`: those that go on, and those that begin.

    known: of the revision before; incumbent: its state in this revision. `afresh`: the policy's
    learning begins with it, and so does theirs.
    """
    before = {} if afresh else {one.name: one for one in known}
    alone = msgspec.structs.replace(config, challengers=())
    made = []
    for challenger in config.challengers:
        its = challenging.as_incumbent(config, challenger)
        policy = configuration.build(its, shape_of(its.features).dim)
        old = before.get(challenger.name)
        one = Contender(challenger, its, policy, policy.start(len(its.arms)), 0, failures)
        try:
            if old is not None and not configuration.restarts(old.config, its, shape_of):
                one.since, one.stopped = old.since, old.stopped
                one.chosen[: len(old.chosen)] = old.chosen
                if not one.stopped:
                    one.state = _carried_over(policy, old, its)
            elif not configuration.restarts(alone, its, shape_of):
                one.state = policy.restore(incumbent.canonical())
            else:
                one.since = 0 if afresh else position
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the incumbent goes on
            failures.count(one.name, Task.LEARN, 1, error)
            one.stop(position)
        made.append(one)
    return tuple(made)


def _carried_over(
    policy: policies.Policy[Any], old: Contender, config: PolicyConfig
) -> policies.State:
    """What was learned, with the arms as they are now."""
    carried: policies.State = policy.restore(old.state.canonical())
    while carried.arms < len(config.arms):
        carried.add_arm()
    renewed = configuration.replaced(old.config, config)
    for slot, arm in enumerate(config.arms):
        if arm.state is ArmState.REMOVED or slot in renewed:
            carried.drop_arm(slot)
    return carried


def restored(
    config: PolicyConfig,
    sums: Mapping[str, NDArray[Any]],
    shape_of: ShapeOf,
    failures: Failures,
) -> tuple[Contender, ...]:
    """The contenders whose `sums_of` these were. ValueError, KeyError where they are others'."""
    made = []
    for challenger in config.challengers:
        its = challenging.as_incumbent(config, challenger)
        policy = configuration.build(its, shape_of(its.features).dim)
        beginning = f"{challenger.name}."
        own = {
            name.removeprefix(beginning): array
            for name, array in sums.items()
            if name.startswith(beginning)
        }
        since = int(own.pop(_SINCE)[0])
        stopped = int(own.pop(_STOPPED, np.zeros(1))[0])
        state = policy.restore(own)
        if state.arms != len(its.arms):
            raise ValueError(f"challenger {challenger.name!r} has sums of {state.arms} arms")
        made.append(Contender(challenger, its, policy, state, since, failures, stopped))
    return tuple(made)


class ContendersSnapshot:
    """What they had learned at one moment; never changes."""

    def __init__(self, contenders: Iterable[Contender]) -> None:
        self._parts = [
            (one.name, one.since, one.stopped, one.state.snapshot()) for one in contenders
        ]

    def canonical(self) -> dict[str, NDArray[Any]]:
        return _joined(
            (name, since, stopped, part.canonical()) for name, since, stopped, part in self._parts
        )


def sums_of(contenders: Iterable[Contender]) -> dict[str, NDArray[Any]]:
    """What is hashed and checkpointed, by the contender's name and a dot."""
    return _joined((one.name, one.since, one.stopped, one.state.canonical()) for one in contenders)


def _joined(
    parts: Iterable[tuple[str, int, int, Mapping[str, NDArray[Any]]]],
) -> dict[str, NDArray[Any]]:
    joined: dict[str, NDArray[Any]] = {}
    for name, since, stopped, sums in parts:
        joined[f"{name}.{_SINCE}"] = np.array([float(since)])
        if stopped:
            joined[f"{name}.{_STOPPED}"] = np.array([float(stopped)])
        joined |= {f"{name}.{each}": array for each, array in sums.items()}
    return joined


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
