"""Every eligible arm with the same chance: the baseline, and the cleanest of logging policies.

Source: none needed. It learns nothing but how much it has seen; its estimates are those of a
uniform belief on [0, 1], not zeros.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from policies.best import judged
from policies.policy import Array, CopiedSums, Estimates, Mask
from policies.settings import check_dim_and_half_life


class Counts:
    """The weight seen of each arm, shape (K,)."""

    __slots__ = ("observations",)

    def __init__(self, observations: Array) -> None:
        self.observations = observations

    @property
    def arms(self) -> int:
        return len(self.observations)

    def add_arm(self) -> None:
        self.observations = np.append(self.observations, 0.0)

    def drop_arm(self, arm: int) -> None:
        self.observations[arm] = 0.0

    def copy(self) -> Self:
        return type(self)(self.observations.copy())

    def canonical(self) -> Mapping[str, NDArray[Any]]:
        view = self.observations.view()
        view.flags.writeable = False
        return {"observations": view}

    def snapshot(self) -> CopiedSums:
        return CopiedSums.of(self)


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """Plays all eligible arms evenly, whatever they are worth.

    dim        number of context features, >= 1; they are not looked at
    half_life  accepted like everywhere, > 0 or None; nothing here fades

    >>> policy = Uniform(dim=3)
    >>> policy.probabilities(policy.start(arms=4), np.zeros((1, 3)))
    array([[0.25, 0.25, 0.25, 0.25]])
    """

    name: ClassVar[str] = "uniform"
    commutative: ClassVar[bool] = True
    state_kind: ClassVar[str] = "none"
    arms_share: ClassVar[bool] = False

    dim: int
    half_life: float | None = None

    def __post_init__(self) -> None:
        check_dim_and_half_life(self.dim, self.half_life)

    def start(self, arms: int) -> Counts:
        return Counts(np.zeros(arms))

    def restore(self, canonical: Mapping[str, NDArray[Any]]) -> Counts:
        observations = np.array(canonical["observations"], dtype=np.float64)
        if observations.ndim != 1:
            raise ValueError(f"observations must have shape (K,), got {observations.shape}")
        return Counts(observations)

    def probabilities(
        self,
        state: Counts,
        contexts: Array,
        *,
        eligible: Mask | None = None,
        offsets: Array | None = None,
        clock: float = 0.0,
    ) -> Array:
        """Offsets change nothing: no arm is better than another."""
        scores = judged(np.zeros((len(contexts), state.arms)), eligible, None)
        open_to = np.isfinite(scores)
        shares: Array = open_to / open_to.sum(axis=1, keepdims=True)
        return shares

    def estimates(self, state: Counts, contexts: Array, *, clock: float = 0.0) -> Estimates:
        shape = (len(contexts), state.arms)
        return Estimates(np.full(shape, 0.5), np.full(shape, 12.0**-0.5))

    def update(
        self,
        state: Counts,
        arm: int,
        context: Array,
        quality: float,
        *,
        weight: float = 1.0,
        clock: float = 0.0,
    ) -> None:
        if not isfinite(float(context.dot(context)) + quality + weight + clock) or weight < 0.0:
            raise ValueError("context, quality, weight and clock must be finite, weight >= 0")
        state.observations[arm] += weight

    def revise(
        self,
        state: Counts,
        arm: int,
        context: Array,
        old: float,
        new: float | None,
        *,
        weight: float = 1.0,
        clock: float = 0.0,
    ) -> None:
        if state.observations[arm] < weight * (1.0 - 1e-9):
            raise ValueError(f"arm {arm} has seen less weight than is to be revised")
        if new is None:
            state.observations[arm] -= weight
