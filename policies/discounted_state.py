"""Discounted sums with the second matrix that makes their confidence right.

With weights gamma^(t - s) the estimate is V^-1 b, but its covariance is not V^-1: it is
sigma^2 V^-1 V2 V^-1 with V2 = sum gamma^2(t - s) x x' + Lam0 (Russac, Vernade and Cappe 2019, who
keep Lam0 in both). Squared weights are weights of half the half-life: V2's sums are `LinearSums`
as well.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from policies.aging import faded
from policies.linear_state import LinearState, Prior
from policies.linear_sums import LinearSums
from policies.policy import Array, CopiedSums


class DiscountedState(LinearState):
    """A `LinearState`, beside it `squared`: the same sums with squared weights of age.

    An observation's own weight counts once in both, for it stands for so many observations.
    """

    __slots__ = ("_precisions", "sandwiches", "squared")

    def __init__(
        self,
        prior: Prior,
        sums: list[Array],
        clocks: Array,
        observations: Array,
        squares: list[Array] | None = None,
    ) -> None:
        squares = [np.zeros_like(one) for one in sums] if squares is None else squares
        self.squared = LinearSums(_squared(prior), squares, clocks.copy(), observations.copy())
        super().__init__(prior, sums, clocks, observations)

    @classmethod
    def restored(cls, prior: Any, canonical: Mapping[str, NDArray[Any]]) -> Self:
        made = super().restored(prior, canonical)
        squares = np.array(canonical["squares"], dtype=np.float64)
        wanted = (made.arms, prior.dim + 2, prior.dim + 2)
        if squares.shape != wanted:
            raise ValueError(f"squares must have shape {wanted}, got {squares.shape}")
        return cls(prior, made.sums, made.clocks, made.observations, list(squares))

    def _lay_out(self) -> None:
        super()._lay_out()
        arms = len(self.sums)
        rows = [self.prior.precision(arm) for arm in range(arms)]
        self._precisions = np.array(rows).reshape(arms, self.prior.dim)
        self.sandwiches = np.empty(arms)

    def add_arm(self) -> None:
        self.squared.add_arm()
        super().add_arm()

    def drop_arm(self, arm: int) -> None:
        self.squared.drop_arm(arm)
        super().drop_arm(arm)

    def copy(self) -> Self:
        return type(self).restored(self.prior, self.canonical())

    def snapshot(self) -> CopiedSums:  # type: ignore[override]  # it has more to hold
        return CopiedSums.of(self)

    def canonical(self) -> Mapping[str, NDArray[Any]]:
        return {**super().canonical(), "squares": self.squared.canonical()["sums"]}

    def adopt(self, prior: Prior) -> None:
        if prior != self.prior:
            self.squared.prior = _squared(prior)
        super().adopt(prior)

    def _absorb(self, arm: int, x: Array, quality: float, weight: float, clock: float) -> None:
        super()._absorb(arm, x, quality, weight, clock)
        self.squared._absorb(arm, x, quality, weight, clock)

    def _amend(
        self, arm: int, x: Array, old: float, new: float | None, weight: float, clock: float
    ) -> None:
        super()._amend(arm, x, old, new, weight, clock)
        self.squared._amend(arm, x, old, new, weight, clock)

    def read(self, contexts: Array, clock: float) -> tuple[Array, Array]:
        """Means and x' V^-1 V2 V^-1 x of every arm, (n, K). With n = 1 the next read overwrites."""
        if self.prior.half_life is None:  # V2 is V
            return super().read(contexts, clock)
        self.refresh(clock)
        if len(contexts) == 1:
            is_new = contexts.tobytes() != self._asked
            means, _ = super().read(contexts, clock)
            if is_new:
                self.sandwiches[:] = self._between(self.products[:, None])[:, 0]
            return means, self.sandwiches[None]
        means, plain = super().read(contexts, clock)
        spreads = np.empty_like(plain)
        for arm, block in enumerate(self.blocks):
            spreads[:, arm] = self._between((contexts @ block[:-1].T)[None], slice(arm, arm + 1))[0]
        return means, spreads

    def _between(self, u: Array, arms: slice = slice(None)) -> Array:
        """u' V2 u for u = V^-1 x, (k, n, d), of k arms: (k, n)."""
        dim = self.prior.dim
        fades = self.squared_fades()[arms]
        turned = [
            one @ sums[:dim, :dim] for one, sums in zip(u, self.squared.sums[arms], strict=True)
        ]
        data = np.einsum("knd,knd->kn", np.array(turned).reshape(u.shape), u)
        prior = np.einsum("knd,kd->kn", u * u, self._precisions[arms])
        total: Array = fades[:, None] * data + prior
        return total

    def squared_fades(self) -> Array:
        """What is left of the squared sums at the time of reading, (K,)."""
        half_life = self.squared.prior.half_life
        return np.array([faded(self.ticked - at, half_life) for at in self.squared.clocks.tolist()])

    def squared_evidence(self) -> Array:
        """Sum of the squared weights of age, (K,), at the time of reading."""
        seen = np.array([sums[-1, -1] for sums in self.squared.sums])
        evidence: Array = self.squared_fades() * seen
        return evidence


def _squared(prior: Prior) -> Prior:
    return replace(prior, half_life=None if prior.half_life is None else prior.half_life / 2.0)
