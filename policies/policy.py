"""What every policy is, and what the service may ask of it.

A policy turns (state, contexts) into the chance of each arm, never into an arm: whoever
draws the arm logs the chance it was drawn with, so that the log can be judged later.
Policies are frozen and hold settings only; everything learned is in the state, which has one
owner and changes in place. A state is never safe to share between threads: take a `snapshot()`
to read, a `copy()` to go on from.

Shapes: n contexts, K arms (slots), d features.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """What a policy believes about each arm's quality.

    mean       (n, K)  expected quality
    deviation  (n, K)  standard deviation of that belief, before any exploration width
    """

    mean: Array
    deviation: Array


class Snapshot(Protocol):
    """What a state had learned at one moment. It never changes, so any thread may read it."""

    def canonical(self) -> Mapping[str, NDArray[Any]]:
        """What `State.canonical` gave at that moment, bit for bit."""
        ...


class State(Protocol):
    """What a policy has learned."""

    @property
    def arms(self) -> int:
        """Number of slots K, dropped ones included."""
        ...

    @property
    def observations(self) -> Array:
        """Qualities seen per arm, each counted with its weight and never aged, shape (K,)."""
        ...

    def add_arm(self) -> None:
        """Append one untaught slot."""
        ...

    def drop_arm(self, arm: int) -> None:
        """Forget what the slot learned. Its index stays; mask it with `eligible`."""
        ...

    def copy(self) -> Self:
        """An independent copy."""
        ...

    def canonical(self) -> Mapping[str, NDArray[Any]]:
        """The sums over the data, as read-only arrays: never the prior, never a cache.

        Equal updates in equal order give equal bits.
        """
        ...

    def snapshot(self) -> Snapshot:
        """What is learned now, kept while this state learns on.

        Where the sums are large, nothing is copied but what is written afterwards.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class CopiedSums:
    """The snapshot of a state that is small enough to be copied."""

    sums: Mapping[str, NDArray[Any]]

    @classmethod
    def of(cls, state: State) -> Self:
        copies = {name: array.copy() for name, array in state.canonical().items()}
        for array in copies.values():
            array.flags.writeable = False
        return cls(copies)

    def canonical(self) -> Mapping[str, NDArray[Any]]:
        return self.sums


S = TypeVar("S", bound=State)


class Policy(Protocol[S]):
    """A rule for choosing arms.

    commutative  whether the order of updates leaves the state equal (to 1e-10)
    state_kind   policies of equal kind and shape can go on from each other's canonical sums
    arms_share   whether what one arm earns moves what is believed of another
    """

    name: ClassVar[str]
    commutative: ClassVar[bool]
    state_kind: ClassVar[str]
    arms_share: ClassVar[bool]

    @property
    def dim(self) -> int:
        """Number of context features d."""
        ...

    def start(self, arms: int) -> S:
        """An untaught state with `arms` slots, which may be 0."""
        ...

    def restore(self, canonical: Mapping[str, NDArray[Any]]) -> S:
        """The state whose `canonical()` was this. ValueError where a shape does not fit."""
        ...

    def probabilities(
        self,
        state: S,
        contexts: Array,
        *,
        eligible: Mask | None = None,
        offsets: Array | None = None,
        clock: float = 0.0,
    ) -> Array:
        """The chance of each arm, shape (n, K): rows sum to 1, ineligible arms have 0.

        `offsets`, (n, K) or (K,), are added to what each arm is judged by, so "best" means best
        of quality plus offset. There is no exploration floor in it yet: see `with_floor`.
        ValueError where a row has no eligible arm.
        """
        ...

    def estimates(self, state: S, contexts: Array, *, clock: float = 0.0) -> Estimates:
        """Belief about every arm's quality for each context, as seen at `clock`."""
        ...

    def update(
        self,
        state: S,
        arm: int,
        context: Array,
        quality: float,
        *,
        weight: float = 1.0,
        clock: float = 0.0,
    ) -> None:
        """Learn, in place, that `arm` earned `quality`. `clock` is that of the decision."""
        ...

    def revise(
        self,
        state: S,
        arm: int,
        context: Array,
        old: float,
        new: float | None,
        *,
        weight: float = 1.0,
        clock: float = 0.0,
    ) -> None:
        """Put `new` in place of a quality learned earlier; None withdraws it.

        Context, weight and clock are those it was learned with. The state then equals, to
        1e-10, one that never saw `old`.
        """
        ...


Side = tuple[int, Array]  # an arm, and the context (d,) it was chosen for


@runtime_checkable
class LearnsPairs(Protocol):
    """What a policy has besides, that learns which of two was better."""

    def pair_probabilities(
        self,
        state: Any,
        contexts: Array,
        *,
        eligible: Mask | None = None,
        offsets: Array | None = None,
        clock: float = 0.0,
    ) -> tuple[Array, Array]:
        """The chances (n, K) of the first and of the second arm of a duel, drawn independently: a
        pair's chance is the product, and both may be the same arm. `probabilities` is their mean.
        """
        ...

    def compare(
        self,
        state: Any,
        first: Side,
        second: Side,
        preferred: float,
        *,
        old: float | None = None,
        clock: float = 0.0,
        shown: float = 0.0,
    ) -> None:
        """Learn, in place, how good the first is beside the second: 1, 0, or 0.5 for a tie.

        `old` is the value learned earlier of the same two, which this one takes the place of.
        `shown` is 1 where the first was shown first, -1 where the second was, 0 if nobody knows.
        """
        ...
