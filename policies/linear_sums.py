"""The sums over the data that every linear policy learns: what is stored, hashed and aged.

One matrix an arm, whatever prior it is read under; see `linear_state` and `hierarchical_state` for
the caches that are made of them.

A snapshot is taken in microseconds, however large the sums are: it holds the arms' own matrices,
and an arm that learns afterwards goes on in a copy of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from policies.aging import faded
from policies.policy import Array


class SumsPrior(Protocol):
    """What the sums have to know of a prior."""

    @property
    def dim(self) -> int: ...

    @property
    def half_life(self) -> float | None: ...


@dataclass(frozen=True, slots=True, eq=False)
class SumsSnapshot:
    """What K arms had learned at one moment. Nobody writes into any of these arrays again.

    sums                  (d + 2, d + 2) an arm
    side                  d + 2
    clocks, observations  (K,)
    """

    sums: tuple[Array, ...]
    side: int
    clocks: Array
    observations: Array

    def canonical(self) -> Mapping[str, NDArray[Any]]:
        stacked = _stacked(self.sums, self.side)
        return _read_only(sums=stacked, clocks=self.clocks, observations=self.observations)


class LinearSums:
    """Sums of K arms, d features.

    sums          K of (d + 2, d + 2)  sum of weight * z z' with z = [x, quality, 1]: S_xx, S_xr,
                                       S_rr and the weight seen in one array and one addition
    clocks        (K,)                 the clock an arm's sums are expressed at
    observations  (K,)                 weight seen, never aged
    """

    __slots__ = (
        "_outer",
        "_shared",
        "_z",
        "_z_column",
        "clocks",
        "observations",
        "prior",
        "sums",
    )

    def __init__(self, prior: Any, sums: list[Array], clocks: Array, observations: Array) -> None:
        self.prior = prior
        self.sums, self.clocks, self.observations = sums, clocks, observations
        self._shared: set[int] = set()  # arms whose matrix belongs to a snapshot, too
        self._lay_out()

    @classmethod
    def empty(cls, prior: SumsPrior, arms: int) -> Self:
        side = prior.dim + 2
        sums = [np.zeros((side, side)) for _ in range(arms)]
        return cls(prior, sums, np.zeros(arms), np.zeros(arms))

    @classmethod
    def restored(cls, prior: SumsPrior, canonical: Mapping[str, NDArray[Any]]) -> Self:
        """The state of these sums. ValueError where a shape does not fit."""
        sums = np.asarray(canonical["sums"], dtype=np.float64)
        side = prior.dim + 2
        if sums.ndim != 3 or sums.shape[1:] != (side, side):
            raise ValueError(f"sums must have shape (K, {side}, {side}), got {sums.shape}")
        rest = [np.array(canonical[name], dtype=np.float64) for name in ("clocks", "observations")]
        if any(array.shape != sums.shape[:1] for array in rest):
            raise ValueError(f"clocks and observations must have shape ({sums.shape[0]},)")
        return cls(prior, [one.copy() for one in sums], *rest)

    def _lay_out(self) -> None:
        """Make every cache afresh, empty, with the views that save time later."""
        side = self.prior.dim + 2
        self._z = np.ones(side)
        self._z_column = self._z[:, None]
        self._outer = np.empty((side, side))

    def _forget_caches_of(self, arm: int) -> None:
        """The sums of `arm` are not what its caches were made of."""

    @property
    def arms(self) -> int:
        return len(self.sums)

    def add_arm(self) -> None:
        side = self.prior.dim + 2
        self.sums.append(np.zeros((side, side)))
        self.clocks = np.append(self.clocks, 0.0)
        self.observations = np.append(self.observations, 0.0)
        self._lay_out()

    def drop_arm(self, arm: int) -> None:
        self.sums[arm] = np.zeros_like(self.sums[arm])
        self._shared.discard(arm)
        self.clocks[arm] = self.observations[arm] = 0.0
        self._forget_caches_of(arm)

    def copy(self) -> Self:
        """An independent copy. It rebuilds its caches when it is first read."""
        sums = [one.copy() for one in self.sums]
        return type(self)(self.prior, sums, self.clocks.copy(), self.observations.copy())

    def canonical(self) -> Mapping[str, NDArray[Any]]:
        stacked = _stacked(self.sums, self.prior.dim + 2)
        return _read_only(sums=stacked, clocks=self.clocks, observations=self.observations)

    def snapshot(self) -> SumsSnapshot:
        for sums in self.sums:
            sums.flags.writeable = False  # a write that forgot to ask `_own` fails
        self._shared = set(range(len(self.sums)))
        side = self.prior.dim + 2
        return SumsSnapshot(tuple(self.sums), side, self.clocks.copy(), self.observations.copy())

    def _own(self, arm: int) -> Array:
        """The arm's sums, to be written into: a copy of those that a snapshot holds."""
        if self._shared and arm in self._shared:
            self.sums[arm] = self.sums[arm].copy()
            self._shared.discard(arm)
        return self.sums[arm]

    def adopt(self, prior: Any) -> None:
        """Go on under another prior: the sums hold for any, the caches for one."""
        if prior != self.prior:
            self.prior = prior
            self._lay_out()

    def _absorb(self, arm: int, x: Array, quality: float, weight: float, clock: float) -> None:
        """Add one observation. ValueError, and nothing changed, where a number is not finite."""
        if not isfinite(float(x.dot(x)) + quality + weight + clock) or weight < 0.0:
            raise ValueError("context, quality, weight and clock must be finite, weight >= 0")
        share = weight
        if self.prior.half_life is not None:
            share *= self._aged(arm, clock)
        elif clock > self.clocks[arm]:
            self.clocks[arm] = clock
        self._add(arm, x, quality, share)
        self.observations[arm] += weight

    def _amend(
        self, arm: int, x: Array, old: float, new: float | None, weight: float, clock: float
    ) -> None:
        """Replace or withdraw an observation that was absorbed with this weight and clock."""
        if not isfinite(float(x.dot(x)) + old + (new or 0.0) + weight + clock) or weight < 0.0:
            raise ValueError("context, qualities, weight and clock must be finite, weight >= 0")
        if self.observations[arm] < weight * (1.0 - 1e-9):
            raise ValueError(f"arm {arm} has seen less weight than is to be revised")
        share = weight * self._aged(arm, clock)
        if new is None:
            self._add(arm, x, old, -share)
            self.observations[arm] -= weight
        else:
            sums = self._own(arm)
            sums[-2, :-2] += share * (new - old) * x
            sums[-2, -2] += share * (new * new - old * old)
            sums[-2, -1] += share * (new - old)
            sums[:, -2] = sums[-2]

    def _aged(self, arm: int, clock: float) -> float:
        """Age the arm's sums up to `clock`; the weight that an observation of `clock` then has."""
        ahead = clock - float(self.clocks[arm])
        if ahead > 0.0 or not self.observations[arm]:
            sums = self._own(arm)
            sums *= faded(ahead, self.prior.half_life)
            self.clocks[arm] = clock
            return 1.0
        return faded(-ahead, self.prior.half_life)

    def _add(self, arm: int, x: Array, quality: float, share: float) -> None:
        z = self._z
        z[:-2] = x
        z[-2] = quality
        sums = self._own(arm) if self._shared else self.sums[arm]
        outer = self._outer
        np.multiply(self._z_column, z, outer)
        if share != 1.0:
            np.multiply(outer, share, outer)  # after the product: the sums stay symmetric
        np.add(sums, outer, sums)


def _stacked(sums: Sequence[Array], side: int) -> Array:
    """As one array (K, side, side), also where K is 0."""
    whole = np.empty((len(sums), side, side))
    for place, one in zip(whole, sums, strict=True):
        place[...] = one
    return whole


def _read_only(**arrays: Array) -> Mapping[str, NDArray[Any]]:
    views = {name: array.view() for name, array in arrays.items()}
    for view in views.values():
        view.flags.writeable = False
    return views
