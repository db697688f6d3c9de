"""Challengers at work: each has a state of its own, which is a fold of the same journal.

A challenger begins with what the incumbent knows, where both keep the same sums; else it begins
untaught, and learns from feedback on the decisions that were made after it came. What was
learned before cannot be told from an event that revises it, so that feedback is not for it.
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
from bandit_service.model import ArmState, Challenger, FeedbackEvent, PolicyConfig, Query
from bandit_service.offsets import offsets
from bandit_service.teaching import compare, teach
from policies.budget.restraint import Restraint

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_SINCE = "since"  # its place among the sums


class Contender:
    """One challenger. Owned by its engine.

    config  the policy's, as it would be with this challenger as the incumbent
    since   position: it learns from feedback on decisions made there or later; 0: from all
    """

    __slots__ = ("config", "name", "policy", "share", "since", "state")

    def __init__(
        self,
        challenger: Challenger,
        config: PolicyConfig,
        policy: policies.Policy[Any],
        state: policies.State,
        since: int,
    ) -> None:
        self.name, self.share = challenger.name, challenger.share
        self.config, self.policy, self.state, self.since = config, policy, state, since

    def learn(self, event: FeedbackEvent) -> None:
        lessons = event.lessons
        if self.since:
            lessons = tuple(one for one in lessons if (one.position or 0) >= self.since)
        teach(self.policy, self.state, lessons)
        compare(self.policy, self.state, event.comparison)

    def chances(
        self,
        queries: Sequence[Query],
        contexts: Array,
        eligible: Mask | None,
        calls: CallStatistics,
        clock: float,
        restraint: Restraint | None,
    ) -> Array:
        """What it would draw from, (n, K), floor included; under the incumbent's restraint, if the
        policy has budgets: the prices are of the traffic, whoever decides on it."""
        weighed = offsets(self.config.objective, self.config.arms, calls, queries)
        added = None if weighed is None else weighed.added

        def learner(offsets: Array | None, eligible: Mask | None) -> Array:
            return self.policy.probabilities(
                self.state, contexts, eligible=eligible, offsets=offsets, clock=clock
            )

        if restraint is not None:
            return restraint.chances(learner, added, self.config.floor)
        return policies.with_floor(learner(added, eligible), eligible, self.config.floor)


def revised(
    known: Iterable[Contender],
    config: PolicyConfig,
    incumbent: policies.State,
    position: int,
    afresh: bool,
    shape_of: ShapeOf,
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
        old, since = before.get(challenger.name), 0
        if old is not None and not configuration.restarts(old.config, its, shape_of):
            state, since = policy.restore(old.state.canonical()), old.since
            while state.arms < len(its.arms):
                state.add_arm()
            for slot, arm in enumerate(its.arms):
                if arm.state is ArmState.REMOVED:
                    state.drop_arm(slot)
        elif not configuration.restarts(alone, its, shape_of):
            state = policy.restore(incumbent.canonical())
        else:
            state, since = policy.start(len(its.arms)), 0 if afresh else position
        made.append(Contender(challenger, its, policy, state, since))
    return tuple(made)


def restored(
    config: PolicyConfig, sums: Mapping[str, NDArray[Any]], shape_of: ShapeOf
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
        state = policy.restore(own)
        if state.arms != len(its.arms):
            raise ValueError(f"challenger {challenger.name!r} has sums of {state.arms} arms")
        made.append(Contender(challenger, its, policy, state, since))
    return tuple(made)


class ContendersSnapshot:
    """What they had learned at one moment; never changes."""

    def __init__(self, contenders: Iterable[Contender]) -> None:
        self._parts = [(one.name, one.since, one.state.snapshot()) for one in contenders]

    def canonical(self) -> dict[str, NDArray[Any]]:
        return _joined((name, since, part.canonical()) for name, since, part in self._parts)


def sums_of(contenders: Iterable[Contender]) -> dict[str, NDArray[Any]]:
    """What is hashed and checkpointed, by the contender's name and a dot."""
    return _joined((one.name, one.since, one.state.canonical()) for one in contenders)


def _joined(
    parts: Iterable[tuple[str, int, Mapping[str, NDArray[Any]]]],
) -> dict[str, NDArray[Any]]:
    joined: dict[str, NDArray[Any]] = {}
    for name, since, sums in parts:
        joined[f"{name}.{_SINCE}"] = np.array([float(since)])
        joined |= {f"{name}.{each}": array for each, array in sums.items()}
    return joined


def mixture(chances: Sequence[Array], shares: Sequence[float]) -> Array:
    """What is drawn from, (n, K): the incumbent's chances, which come first, and each
    challenger's by its share. The incumbent's own, bit for bit, where nobody has a share."""
    if not any(shares):
        return chances[0]
    mixed = (1.0 - sum(shares)) * chances[0]
    for part, share in zip(chances[1:], shares, strict=True):
        mixed = mixed + share * part
    return mixed
