"""Sums of a policy gradient beside those of a regression: what verdicts say of how was chosen.

With pi the chances that were logged, an observation of quality y pushes every arm l by
y (1{l = a} - pi_l) x. The baseline b, the mean quality so far, is taken off as a whole: sums of
y g and of g are kept apart, so that late, revised and withdrawn qualities leave no trace, and the
order of observations does not matter.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from policies.aging import faded
from policies.linear_state import LinearState
from policies.policy import Array, CopiedSums

LONGEST = 1.0  # of x in a push: a longer one counts as one of this length


class ReinforcedState(LinearState):
    """A `LinearState` with

    pushes, pulls  (K, d)  sums of y g and of g, with g_l = (1{l = a} - pi_l) x
    verdicts       (K, 2)  sum and weight of the qualities of each arm
    moved          (1,)    the clock that these are expressed at
    """

    __slots__ = ("_direction", "moved", "pulls", "pushes", "verdicts")

    def __init__(self, prior: Any, sums: list[Array], clocks: Array, observations: Array) -> None:
        super().__init__(prior, sums, clocks, observations)
        arms = len(sums)
        self.pushes, self.pulls = np.zeros((arms, prior.dim)), np.zeros((arms, prior.dim))
        self.verdicts, self.moved = np.zeros((arms, 2)), np.zeros(1)
        self._direction: Array | None = None

    @classmethod
    def restored(cls, prior: Any, canonical: Mapping[str, NDArray[Any]]) -> Self:
        made = super().restored(prior, canonical)
        for name in ("pushes", "pulls", "verdicts", "moved"):
            wanted = getattr(made, name).shape
            array = np.array(canonical[name], dtype=np.float64)
            if array.shape != wanted:
                raise ValueError(f"{name} must have shape {wanted}, got {array.shape}")
            setattr(made, name, array)
        return made

    def canonical(self) -> Mapping[str, NDArray[Any]]:
        kept = {}
        for name in ("pushes", "pulls", "verdicts", "moved"):
            kept[name] = getattr(self, name).view()
            kept[name].flags.writeable = False
        return {**super().canonical(), **kept}

    def snapshot(self) -> CopiedSums:  # type: ignore[override]  # it has more to hold
        return CopiedSums.of(self)

    def copy(self) -> Self:
        return type(self).restored(self.prior, self.canonical())

    def add_arm(self) -> None:
        super().add_arm()
        row = np.zeros((1, self.prior.dim))
        self.pushes, self.pulls = np.append(self.pushes, row, 0), np.append(self.pulls, row, 0)
        self.verdicts = np.append(self.verdicts, np.zeros((1, 2)), 0)
        self._direction = None

    def drop_arm(self, arm: int) -> None:
        super().drop_arm(arm)
        self.pushes[arm] = self.pulls[arm] = 0.0
        self.verdicts[arm] = 0.0
        self._direction = None

    def reinforce(
        self, arm: int, x: Array, old: float | None, new: float | None, chances: Array, clock: float
    ) -> None:
        """A quality more, another in place of `old`, or one withdrawn (`new` None). `chances` (k,)
        are those it was chosen with, k <= K: arms that came later had none."""
        if not isfinite(float(x.dot(x)) + float(chances.sum()) + clock):
            raise ValueError("context, chances and clock must be finite")
        self._direction = None
        share = self._aged_pushes(clock)
        length = float(np.sqrt(x.dot(x)))
        x = x * (share * min(1.0, LONGEST / length)) if length else x
        g = np.zeros_like(self.pushes)
        g[: len(chances)] = -np.multiply.outer(chances, x)
        g[arm] += x
        more = (new or 0.0) - (old or 0.0)
        count = float(new is not None) - float(old is not None)
        self.pushes += more * g
        self.pulls += count * g
        self.verdicts[arm] += share * more, share * count

    @property
    def direction(self) -> Array:
        """The gradient so far, its baseline taken off, (K, d)."""
        if self._direction is None:
            total, weight = self.verdicts.sum(axis=0).tolist()
            baseline = total / weight if weight > 0.0 else 0.0
            self._direction = self.pushes - baseline * self.pulls
        return self._direction

    def _aged_pushes(self, clock: float) -> float:
        """Age the pushes up to `clock`; the weight that one of `clock` then has."""
        ahead = clock - float(self.moved[0])
        if ahead <= 0.0 and self.verdicts.any():
            return faded(-ahead, self.prior.half_life)
        fade = faded(ahead, self.prior.half_life)
        self.pushes *= fade
        self.pulls *= fade
        self.verdicts *= fade
        self.moved[0] = clock
        return 1.0
