"""What Beta-Bernoulli Thompson sampling learns: quality won and lost, per arm and cluster."""

from collections.abc import Mapping
from math import isfinite
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from policies.aging import faded
from policies.policy import Array, CopiedSums


class BetaState:
    """Sums of K arms over C clusters.

    sums          (K, C, 2)  sum of weight * quality and of weight * (1 - quality)
    clocks        (K,)       the clock an arm's sums are expressed at
    observations  (K,)       weight seen, never aged
    """

    __slots__ = ("clocks", "observations", "sums")

    def __init__(self, sums: Array, clocks: Array, observations: Array) -> None:
        self.sums, self.clocks, self.observations = sums, clocks, observations

    @classmethod
    def empty(cls, arms: int, clusters: int) -> Self:
        return cls(np.zeros((arms, clusters, 2)), np.zeros(arms), np.zeros(arms))

    @classmethod
    def restored(cls, clusters: int, canonical: Mapping[str, NDArray[Any]]) -> Self:
        """The state of these sums. ValueError where a shape does not fit."""
        sums = np.array(canonical["sums"], dtype=np.float64)
        if sums.ndim != 3 or sums.shape[1:] != (clusters, 2):
            raise ValueError(f"sums must have shape (K, {clusters}, 2), got {sums.shape}")
        rest = [np.array(canonical[name], dtype=np.float64) for name in ("clocks", "observations")]
        if any(array.shape != sums.shape[:1] for array in rest):
            raise ValueError(f"clocks and observations must have shape ({sums.shape[0]},)")
        return cls(sums, *rest)

    @property
    def arms(self) -> int:
        return len(self.sums)

    def add_arm(self) -> None:
        self.sums = np.concatenate((self.sums, np.zeros((1, *self.sums.shape[1:]))))
        self.clocks = np.append(self.clocks, 0.0)
        self.observations = np.append(self.observations, 0.0)

    def drop_arm(self, arm: int) -> None:
        self.sums[arm] = self.clocks[arm] = self.observations[arm] = 0.0

    def copy(self) -> Self:
        return type(self)(self.sums.copy(), self.clocks.copy(), self.observations.copy())

    def canonical(self) -> Mapping[str, NDArray[Any]]:
        views = {}
        for name in self.__slots__:
            views[name] = getattr(self, name).view()
            views[name].flags.writeable = False
        return views

    def snapshot(self) -> CopiedSums:
        return CopiedSums.of(self)

    def add(
        self, arm: int, cluster: int, quality: float, weight: float, clock: float,
        half_life: float | None,
    ) -> None:  # fmt: skip
        """One more observation, or with a negative weight one less."""
        if not 0.0 <= quality <= 1.0 or not isfinite(weight + clock):
            raise ValueError(f"quality must be in [0, 1], weight and clock finite, got {quality}")
        ahead = clock - float(self.clocks[arm])
        share = weight
        if half_life is not None:
            if ahead > 0.0 or not self.observations[arm]:
                self.sums[arm] *= faded(ahead, half_life)
                self.clocks[arm] = clock
            else:
                share *= faded(-ahead, half_life)
        elif ahead > 0.0:
            self.clocks[arm] = clock
        self.sums[arm, cluster, 0] += share * quality
        self.sums[arm, cluster, 1] += share * (1.0 - quality)
        self.observations[arm] += weight

    def read(self, clock: float, half_life: float | None) -> Array:
        """The sums as seen at `clock`, shape (K, C, 2); these themselves stay as they are."""
        if half_life is None:
            return self.sums
        fades = np.exp2(-np.maximum(clock - self.clocks, 0.0) / half_life)
        aged: Array = self.sums * fades[:, None, None]
        return aged
