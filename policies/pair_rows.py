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
FIELDS = "sides", "arms", "values", "weights", "clocks", "shown"
SECOND, NOT_KNOWN, FIRST = -1.0, 0.0, 1.0  # which side was shown first


class PairRows:
    """n rows by clock, oldest first.

    sides    (n, 2, d)  contexts
    arms     (n, 2)     int64, of the sides; NOBODY where there is none
    values   (n,)       how good the first was beside the second, in [0, 1]
    weights  (n,)       >= 0
    clocks   (n,)       of the decisions
    shown    (n,)       which side was shown first: FIRST, SECOND or NOT_KNOWN. Only where rows are
                        `ordered`; others have nothing but NOT_KNOWN, and do not store it
    """

    __slots__ = (*FIELDS, "ordered")

    sides: Array
    arms: NDArray[np.int64]
    values: Array
    weights: Array
    clocks: Array
    shown: Array

    def __init__(
        self, dim: int, arrays: Mapping[str, NDArray[Any]] | None = None, ordered: bool = False
    ) -> None:
        self.ordered = ordered
        count = 0 if arrays is None else len(arrays["values"])
        shapes = {"sides": (count, 2, dim), "arms": (count, 2)}
        for name in FIELDS:
            kind, shape = np.int64 if name == "arms" else np.float64, shapes.get(name, (count,))
            kept = None if arrays is None or name not in self._stored() else arrays[name]
            made = np.zeros(shape, kind) if kept is None else np.array(kept, kind)
            if made.shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {made.shape}")
            setattr(self, name, made)

    def _stored(self) -> tuple[str, ...]:
        return FIELDS if self.ordered else FIELDS[:-1]

    def __len__(self) -> int:
        return len(self.values)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Copies of no field but the arms, which become float64: all that is stored is."""
        stored = self._stored()
        return {name: np.asarray(getattr(self, name), dtype=np.float64) for name in stored}

    def add(
        self,
        first: Side,
        second: Side | None,
        value: float,
        weight: float,
        clock: float,
        shown: float = NOT_KNOWN,
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
        fresh: tuple[Any, ...] = np.stack((first[1], other)), arms, value, weight, clock, shown
        for name, one in zip(FIELDS, fresh, strict=True):
            setattr(self, name, np.insert(getattr(self, name), at, one, axis=0))

    def find(
        self,
        first: Side,
        second: Side | None,
        value: float,
        weight: float,
        clock: float,
        shown: float = NOT_KNOWN,
    ) -> int | None:
        """The place of the row with just these contents; None if there is none."""
        arms = (first[0], NOBODY if second is None else second[0])
        same = (self.arms == arms).all(axis=1) & (self.clocks == clock)
        same &= (self.values == value) & (self.weights == weight) & (self.shown == shown)
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
