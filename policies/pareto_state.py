"""What ParetoBandit learns: sums that fade with their prior, each arm on a clock of its own.

A ridge that fades leaves no Sherman-Morrison step: once a tenth of it is left, every observation
changes A by a matrix of full rank. But an inverse is dear, and single queries can do without it:

    A = L L',   theta = L'^-1 L^-1 b,   x' A^-1 x = |L^-1 x|^2

So an arm that has just learned is read by its factor, which has the place of its inverse, and gets
the inverse only when it goes on being read without learning, or when many queries come at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dtrsv

from policies.aging import faded
from policies.cholesky import factor_of, inverse_of
from policies.linear_state import LinearState, Prior
from policies.linear_sums import LinearSums
from policies.policy import Array, CopiedSums

LEAST_RIDGE = 0.1  # share of lam0 that never fades: below it the authors' code puts lam0 back
MOST_READINGS = 24  # of a factor, until its inverse is made: together they cost as much


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

    __slots__ = (
        "_diagonals", "_means", "_plain", "_precisions", "_readings", "_squares", "_widened",
        "_widened_at", "starts",
    )  # fmt: skip

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

    def _lay_out(self) -> None:
        super()._lay_out()
        every = range(len(self.sums))
        self._plain = self.prior.precision()
        self._precisions = [self.prior.precision(arm) for arm in every]
        self._means = [self.prior.mean(arm) for arm in every]
        # As LAPACK has them, column by column, each with its diagonal.
        self._squares = [block[:-1].T for block in self.blocks]
        self._diagonals = [
            block.reshape(-1)[: -self.prior.dim : self.prior.dim + 1] for block in self.blocks
        ]
        self._readings: dict[int, int] = {}  # of the arms that have L in place of A^-1
        self._widened, self._widened_at = np.empty(0), np.nan

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
        """The factor and theta of one arm; its inverse when it is wanted."""
        sums, own = self.sums[arm], self._precisions[arm]
        left = faded(float(self.clocks[arm] - self.starts[arm]), self.prior.half_life)
        precision = self._plain * max(left, LEAST_RIDGE) + (own - self._plain) * left
        square = self._squares[arm]
        square.T[...] = sums[:-2, :-2]
        self._diagonals[arm] += precision
        factor = factor_of(square, precision)
        square[...] = factor
        response = precision * self._means[arm] + sums[-2, :-2]
        root = dtrsv(factor, response, lower=1)
        self.blocks[arm, -1] = dtrsv(factor, root, lower=1, trans=1)
        self.evidence[arm] = max(float(sums[-1, -1]), 0.0)
        self._readings[arm] = 0
        self._asked = b""

    def _invert(self, arm: int) -> None:
        """Puts the inverse in place of the factor. What was read of it last still holds."""
        self._squares[arm][...] = inverse_of(self._squares[arm])
        del self._readings[arm]

    def read(self, contexts: Array, clock: float) -> tuple[Array, Array]:
        """Means and inflated x' A^-1 x of every arm, (n, K). With n = 1 the next read overwrites
        the means."""
        self.refresh(clock)
        if len(contexts) != 1:
            for arm in list(self._readings):
                self._invert(arm)
            means, spreads = super().read(contexts, clock)
            return means, spreads * self._inflation(clock)
        is_new = contexts.tobytes() != self._asked
        means, spreads = super().read(contexts, clock)
        if is_new:
            self._read_factors(contexts[0])
        if is_new or clock != self._widened_at:
            self._widened, self._widened_at = spreads * self._inflation(clock), clock
        return means, self._widened

    def _read_factors(self, x: Array) -> None:
        """The spreads of the arms that have no inverse."""
        for arm, readings in list(self._readings.items()):
            root = dtrsv(self._squares[arm], x, lower=1)
            self.spreads[arm] = root.dot(root)
            self._readings[arm] = readings + 1
            if readings + 1 == MOST_READINGS:
                self._invert(arm)

    def _inflation(self, clock: float) -> Array:
        """By how much an arm's spread has grown since it last learned, (K,)."""
        prior = self.prior
        if prior.half_life is None:
            return np.ones(self.arms)
        rests = np.where(self.observations > 0.0, clock - self.clocks, 0.0)
        rests = np.minimum(np.maximum(rests, 0.0), prior.longest)
        grown: Array = np.minimum(np.exp2(rests / prior.half_life), prior.widest)
        return grown
