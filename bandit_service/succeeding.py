"""Challengers from one revision to the next, and into checkpoints and out of them.

A challenger begins with what the incumbent knows, where both keep the same sums; else it begins
untaught, and learns from feedback on the decisions that were made after it came. What was
learned before cannot be told from an event that revises it, so that feedback is not for it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

import policies
from bandit_service import challenging, configuration
from bandit_service.configuration import ShapeOf
from bandit_service.contending import Contender
from bandit_service.failures import Failures, Task
from bandit_service.model import ArmState, PolicyConfig

_SINCE, _STOPPED = "since", "stopped"  # their places among the sums


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
                one.patience = old.patience
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
