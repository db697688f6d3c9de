"""Judged pairs: what learners of preferences keep of them.

A row says how good one side was beside another, 1, 0, or 0.5 for a tie; a side is an arm and the
context it was chosen for. A row without a second side says how good one arm was by itself, in
[0, 1]: it is read as a pair with something of utility 0.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.policy import Array, Side

NOBODY = -1  # the other side of a row that speaks of one arm alone
FIELDS = "sides", "arms", "values", "weights", "clocks"


class PairRows:
    """n rows by clock, oldest first.

    sides    (n, 2, d)  contexts
    arms     (n, 2)     int64, of the sides; NOBODY where there is none
    values   (n,)       how good the first was beside the second, in [0, 1]
    weights  (n,)       >= 0
    clocks   (n,)       of the decisions
    """

    __slots__ = FIELDS

    sides: Array
    arms: NDArray[np.int64]
    values: Array
    weights: Array
    clocks: Array

    def __init__(self, dim: int, arrays: Mapping[str, NDArray[Any]] | None = None) -> None:
        count = 0 if arrays is None else len(arrays["values"])
        shapes = {"sides": (count, 2, dim), "arms": (count, 2)}
        for name in FIELDS:
            kind, shape = np.int64 if name == "arms" else np.float64, shapes.get(name, (count,))
            made = np.zeros(shape, kind) if arrays is None else np.array(arrays[name], kind)
            if made.shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {made.shape}")
            setattr(self, name, made)

    def __len__(self) -> int:
        return len(self.values)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Copies of no field but the arms, which become float64: all that is stored is."""
        return {name: np.asarray(getattr(self, name), dtype=np.float64) for name in FIELDS}

    def add(
        self, first: Side, second: Side | None, value: float, weight: float, clock: float
    ) -> None:
        """One row more, at its place by clock. ValueError where a number is not what it may be."""
        other = np.zeros_like(first[1]) if second is None else second[1]
        total = float(first[1].dot(first[1]) + other.dot(other)) + value + weight + clock
        if not isfinite(total) or weight < 0.0:
            raise ValueError("contexts, value, weight and clock must be finite, weight >= 0")
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"a value must be in [0, 1], got {value}")
        at = int(np.searchsorted(self.clocks, clock, side="right"))
        arms = (first[0], NOBODY if second is None else second[0])
        fresh: tuple[Any, ...] = np.stack((first[1], other)), arms, value, weight, clock
        for name, one in zip(FIELDS, fresh, strict=True):
            setattr(self, name, np.insert(getattr(self, name), at, one, axis=0))

    def find(
        self, first: Side, second: Side | None, value: float, weight: float, clock: float
    ) -> int | None:
        """The place of the row with just these contents; None if there is none."""
        arms = (first[0], NOBODY if second is None else second[0])
        same = (self.arms == arms).all(axis=1) & (self.clocks == clock)
        same &= (self.values == value) & (self.weights == weight)
        for row in np.flatnonzero(same).tolist():
            if np.array_equal(self.sides[row, 0], first[1]) and (
                second is None or np.array_equal(self.sides[row, 1], second[1])
            ):
                return int(row)
        return None

    def keep(self, kept: NDArray[np.bool_] | slice) -> None:
        """Lets the other rows go."""
        for name in FIELDS:
            setattr(self, name, getattr(self, name)[kept])
