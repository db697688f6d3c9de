"""Observations kept as they came: what is learned of them may yet be seen in another light."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.policy import Array

FIELDS = "contexts", "arms", "qualities", "weights", "row_clocks"


class TraitRows:
    """n observations by clock, oldest first.

    contexts    (n, d)
    arms        (n,)  int64
    qualities   (n,)
    weights     (n,)  >= 0
    row_clocks  (n,)  of the decisions
    """

    __slots__ = FIELDS

    contexts: Array
    arms: NDArray[np.int64]
    qualities: Array
    weights: Array
    row_clocks: Array

    def __init__(self, dim: int, arrays: Mapping[str, NDArray[Any]] | None = None) -> None:
        count = 0 if arrays is None else len(arrays["qualities"])
        for name in FIELDS:
            kind = np.int64 if name == "arms" else np.float64
            shape = (count, dim) if name == "contexts" else (count,)
            made = np.zeros(shape, kind) if arrays is None else np.array(arrays[name], kind)
            if made.shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {made.shape}")
            setattr(self, name, made)

    def __len__(self) -> int:
        return len(self.qualities)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All fields as float64, the arms as copies."""
        return {name: np.asarray(getattr(self, name), dtype=np.float64) for name in FIELDS}

    def add(self, arm: int, x: Array, quality: float, weight: float, clock: float) -> int:
        """One more, at its place by clock; gives the place."""
        at = int(np.searchsorted(self.row_clocks, clock, side="right"))
        fresh: tuple[Any, ...] = x, arm, quality, weight, clock
        for name, one in zip(FIELDS, fresh, strict=True):
            setattr(self, name, np.insert(getattr(self, name), at, one, axis=0))
        return at

    def find(self, arm: int, x: Array, quality: float, weight: float, clock: float) -> int:
        """The place of the observation with just these contents. ValueError if there is none."""
        same = (self.arms == arm) & (self.row_clocks == clock)
        same &= (self.qualities == quality) & (self.weights == weight)
        for row in np.flatnonzero(same).tolist():
            if np.array_equal(self.contexts[row], x):
                return int(row)
        raise ValueError(f"arm {arm} has seen less weight than is to be revised")

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Lets the others go."""
        for name in FIELDS:
            setattr(self, name, getattr(self, name)[kept])


def check(x: Array, quality: float, weight: float, clock: float) -> None:
    """ValueError for a number that is not what it may be."""
    if not isfinite(float(x.dot(x)) + quality + weight + clock) or weight < 0.0:
        raise ValueError("context, quality, weight and clock must be finite, weight >= 0")
