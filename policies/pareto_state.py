"""What ParetoBandit learns: sums that fade with their prior, each arm on a clock of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from policies.aging import faded
from policies.cholesky import factor_of, inverse_of
from policies.linear_state import LinearState, Prior
from policies.linear_sums import LinearSums
from policies.policy import Array, CopiedSums

LEAST_RIDGE = 0.1  # share of lam0 that never fades: below it the authors' code puts lam0 back


@dataclass(frozen=True)
class ParetoPrior(Prior):
    """A `Prior`, and how wide an arm becomes that rests; see `ParetoBandit`."""

    widest: float = 200.0
    longest: float = 1000.0

    @classmethod
    def of(cls, prior: Prior, widest: float, longest: float) -> Self:
        plain = {entry.name: getattr(prior, entry.name) for entry in fields(prior)}
        return cls(**plain, widest=widest, longest=longest)


class ParetoState(LinearState):
    """A `LinearState` whose arms fade when they learn: between their own first and last clock.

    starts (K,)  clock of the earliest observation of each arm

    An arm's prior fades from there on, with its sums; a resting arm keeps both, and its spread is
    divided by what they would have faded, by at most `widest`.
    """

    __slots__ = ("starts",)

    prior: ParetoPrior

    def __init__(
        self,
        prior: ParetoPrior,
        sums: list[Array],
        clocks: Array,
        observations: Array,
        starts: Array | None = None,
    ) -> None:
        self.starts = np.zeros(len(sums)) if starts is None else starts
        super().__init__(prior, sums, clocks, observations)

    @classmethod
    def restored(cls, prior: Any, canonical: Mapping[str, NDArray[Any]]) -> Self:
        base = LinearSums.restored(prior, canonical)
        starts = np.array(canonical["starts"], dtype=np.float64)
        if starts.shape != (base.arms,):
            raise ValueError(f"starts must have shape ({base.arms},), got {starts.shape}")
        return cls(prior, base.sums, base.clocks, base.observations, starts)

    def add_arm(self) -> None:
        self.starts = np.append(self.starts, 0.0)
        super().add_arm()

    def drop_arm(self, arm: int) -> None:
        self.starts[arm] = 0.0
        super().drop_arm(arm)

    def copy(self) -> Self:
        return type(self).restored(self.prior, self.canonical())

    def snapshot(self) -> CopiedSums:  # type: ignore[override]  # it has more to hold
        return CopiedSums.of(self)

    def canonical(self) -> Mapping[str, NDArray[Any]]:
        starts = self.starts.view()
        starts.flags.writeable = False
        return {**super().canonical(), "starts": starts}

    def learn(self, arm: int, x: Array, quality: float, weight: float, clock: float) -> None:
        first = not self.observations[arm]
        self._absorb(arm, x, quality, weight, clock)
        self.starts[arm] = clock if first else min(clock, float(self.starts[arm]))
        self.stale.add(arm)

    def revise(
        self, arm: int, x: Array, old: float, new: float | None, weight: float, clock: float
    ) -> None:
        self._amend(arm, x, old, new, weight, clock)
        self.stale.add(arm)

    def refresh(self, clock: float) -> None:
        """Rebuild what has learned; reading at another clock changes no cache."""
        for arm in self.stale:
            self._rebuild(arm)
        self.stale.clear()

    def _rebuild(self, arm: int) -> None:
        prior, d = self.prior, self.prior.dim
        left = faded(float(self.clocks[arm] - self.starts[arm]), prior.half_life)
        plain, own = prior.precision(), prior.precision(arm)
        precision = plain * max(left, LEAST_RIDGE) + (own - plain) * left
        matrix = self.sums[arm][:d, :d].copy()
        matrix[np.arange(d), np.arange(d)] += precision
        inverse = inverse_of(factor_of(matrix, precision))
        self.blocks[arm, :d] = inverse.T
        self.blocks[arm, d] = inverse @ (precision * prior.mean(arm) + self.sums[arm][d, :d])
        self.evidence[arm] = max(float(self.sums[arm][-1, -1]), 0.0)
        self._asked = b""

    def read(self, contexts: Array, clock: float) -> tuple[Array, Array]:
        """Means and inflated x' A^-1 x of every arm, (n, K). With n = 1 the next read overwrites
        the means."""
        means, spreads = super().read(contexts, clock)
        return means, spreads * self._inflation(clock)

    def _inflation(self, clock: float) -> Array:
        """By how much an arm's spread has grown since it last learned, (K,)."""
        prior = self.prior
        if prior.half_life is None:
            return np.ones(self.arms)
        rests = np.where(self.observations > 0.0, clock - self.clocks, 0.0)
        rests = np.clip(rests, 0.0, prior.longest)
        grown: Array = np.minimum(np.exp2(rests / prior.half_life), prior.widest)
        return grown
