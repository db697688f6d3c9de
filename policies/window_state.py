"""What a sliding window holds: the newest observations, and the regressions over them alone."""

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from policies.linear_state import LinearState, Prior
from policies.policy import Array, CopiedSums

CLOCK, ARM, WEIGHT, QUALITY, HEAD = 0, 1, 2, 3, 4  # columns of a row; the context follows


@dataclass(frozen=True)
class WindowPrior(Prior):
    """A `Prior`, with the number of observations that are kept, of all arms together."""

    window: int = 1000


class WindowState:
    """The newest observations by the clock of their decisions.

    rows          (n, 4 + d)  clock, arm, weight, quality, context; n <= window. Sorted, and rows of
                              equal clock by their bytes: the order of arrival leaves no trace
    observations  (K,)        weight seen, also by what has left the window

    `sums` is a cache: a `LinearState` over the rows. What leaves is taken out of it again, and
    after as many leavings as there are rows it is summed afresh.
    """

    __slots__ = ("_left", "_rows", "observations", "sums")

    def __init__(self, prior: WindowPrior, rows: Array, observations: Array) -> None:
        self.observations = observations
        self._rows: list[tuple[float, bytes]] = [(row[CLOCK].item(), row.tobytes()) for row in rows]
        self._rows.sort()
        del self._rows[: max(0, len(self._rows) - prior.window)]
        self._sum(prior)

    @classmethod
    def empty(cls, prior: WindowPrior, arms: int) -> Self:
        return cls(prior, np.zeros((0, HEAD + prior.dim)), np.zeros(arms))

    @classmethod
    def restored(cls, prior: WindowPrior, canonical: Mapping[str, NDArray[Any]]) -> Self:
        """The state of these rows. ValueError where a shape does not fit."""
        rows = np.array(canonical["rows"], dtype=np.float64)
        observations = np.array(canonical["observations"], dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != HEAD + prior.dim:
            raise ValueError(f"rows must have shape (n, {HEAD + prior.dim}), got {rows.shape}")
        if observations.ndim != 1 or (rows[:, ARM] >= len(observations)).any():
            raise ValueError("observations must have shape (K,), with every arm of the rows")
        return cls(prior, rows, observations)

    def _sum(self, prior: WindowPrior) -> None:
        self._left = 0
        self.sums = LinearState.empty(prior, len(self.observations))
        for _, row in self._rows:
            self.sums.learn(*_observation(row))

    @property
    def prior(self) -> WindowPrior:
        prior = self.sums.prior
        assert isinstance(prior, WindowPrior)
        return prior

    @property
    def arms(self) -> int:
        return self.sums.arms

    @property
    def evidence(self) -> Array:
        return self.sums.evidence

    def add_arm(self) -> None:
        self.observations = np.append(self.observations, 0.0)
        self.sums.add_arm()

    def drop_arm(self, arm: int) -> None:
        self._rows = [one for one in self._rows if _observation(one[1])[0] != arm]
        self.observations[arm] = 0.0
        self.sums.drop_arm(arm)

    def copy(self) -> Self:
        """An independent copy."""
        return type(self).restored(self.prior, self.canonical())

    def snapshot(self) -> CopiedSums:
        return CopiedSums.of(self)

    def canonical(self) -> Mapping[str, NDArray[Any]]:
        whole = np.frombuffer(b"".join(row for _, row in self._rows))
        observations = self.observations.view()
        observations.flags.writeable = False
        return {"rows": whole.reshape(-1, HEAD + self.prior.dim), "observations": observations}

    def adopt(self, prior: WindowPrior) -> None:
        """Go on under another prior, or with another window."""
        if prior.half_life == self.prior.half_life:
            self.sums.adopt(prior)
        else:  # the rows keep their full weight, the sums do not
            self._sum(prior)
        self._let_go()

    def learn(self, arm: int, x: Array, quality: float, weight: float, clock: float) -> None:
        """One more observation; the oldest leaves where there is no room. ValueError, and nothing
        changed, where a number is not finite."""
        self.sums.learn(arm, x, quality, weight, clock)
        self.observations[arm] += weight
        insort(self._rows, _row(arm, x, quality, weight, clock))
        self._let_go()

    def _let_go(self) -> None:
        while len(self._rows) > self.prior.window:
            _, row = self._rows.pop(0)
            arm, x, quality, weight, clock = _observation(row)
            self.sums.revise(arm, x, quality, None, weight, clock)
            self._left += 1
        if self._left > self.prior.window:
            self._sum(self.prior)

    def revise(
        self, arm: int, x: Array, old: float, new: float | None, weight: float, clock: float
    ) -> None:
        """Replace or withdraw an observation; nothing where it has left the window, and an older
        one does not come back in its place."""
        if self.observations[arm] < weight * (1.0 - 1e-9):
            raise ValueError(f"arm {arm} has seen less weight than is to be revised")
        wanted = _row(arm, x, old, weight, clock)
        at = bisect_left(self._rows, wanted)
        if at < len(self._rows) and self._rows[at] == wanted:
            self.sums.revise(arm, x, old, new, weight, clock)
            del self._rows[at]
            if new is not None:
                insort(self._rows, _row(arm, x, new, weight, clock))
        if new is None:
            self.observations[arm] -= weight

    def read(self, contexts: Array, clock: float) -> tuple[Array, Array]:
        """Means and x' A^-1 x of every arm, (n, K). With n = 1 the next read overwrites them."""
        return self.sums.read(contexts, clock)


def _row(arm: int, x: Array, quality: float, weight: float, clock: float) -> tuple[float, bytes]:
    return clock, np.concatenate(((clock, float(arm), weight, quality), x)).tobytes()


def _observation(row: bytes) -> tuple[int, Array, float, float, float]:
    """Arm, context, quality, weight and clock."""
    numbers = np.frombuffer(row)
    clock, arm, weight, quality = numbers[:HEAD].tolist()
    return int(arm), numbers[HEAD:], quality, weight, clock
