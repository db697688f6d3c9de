"""What TI-UCB learns: each arm's rewards since its last restart, and the line through them.

Rewards are kept by the clock of their decisions and read in points: the mean of `block` rewards
that follow each other. The newest 2 w + 1 points are kept as they are, because the detector looks
at them and because a reward can still be revised there; older ones leave for the sums of the line.

    line     X_k ~ level + slope k over the n points since the restart, by least squares
    detector two lines, through the newest w points and the w before them, both carried on to n:
             where they are further apart than `alarm` standard errors, the arm has changed, and
             only the newest w / 2 points are kept
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from policies.policy import Array, CopiedSums

NONE = np.empty(0)


@dataclass(frozen=True)
class RisingTerms:
    """How rewards are read; see `TIUCB` for the settings."""

    window: int
    block: int
    alarm: float

    @property
    def room(self) -> int:
        """Rewards kept as they are."""
        return (2 * self.window + 1) * self.block

    @property
    def features(self) -> int:
        """Numbers m that are kept with each reward."""
        return 0


class Line(NamedTuple):
    """A least-squares line through so many points, carried on to the next one.

    leverage  variance of `ahead`, in variances of a point
    noise     standard deviation of the newest points around a line; NaN for fewer than 3
    """

    points: int
    ahead: float
    leverage: float
    noise: float


_NAMES = ("kept", "counts", "departed", "alarms", "observations")


class RisingState:
    """K arms, R rewards kept of each.

    kept          (K, R, 3)  clock, reward and weight of the newest rewards, oldest first
    counts        (K,)       how many of the R are in use
    departed      (K, 3)     points that have left: their number, sum of X_k, sum of k X_k

    With m features of each reward there are m columns more in `kept`, and 2 m in `departed`.
    alarms        (K,)       restarts so far
    observations  (K,)       weight seen, never aged
    """

    __slots__ = ("_lines", "alarms", "counts", "departed", "kept", "observations", "terms")

    def __init__(self, terms: RisingTerms, arms: int) -> None:
        self.terms = terms
        self.kept = np.zeros((arms, terms.room, 3 + terms.features))
        self.departed = np.zeros((arms, 3 + 2 * terms.features))
        self.counts, self.alarms, self.observations = (np.zeros(arms) for _ in range(3))
        self._lines: list[Line | None] = [None] * arms

    @classmethod
    def restored(cls, terms: RisingTerms, canonical: Mapping[str, NDArray[Any]]) -> Self:
        """The state of these arrays. ValueError where a shape does not fit."""
        observations = np.array(canonical["observations"], dtype=np.float64)
        state = cls(terms, len(observations))
        for name in _NAMES:
            made = np.array(canonical[name], dtype=np.float64)
            if made.shape != getattr(state, name).shape:
                wanted = getattr(state, name).shape
                raise ValueError(f"{name} must have shape {wanted}, got {made.shape}")
            setattr(state, name, made)
        return state

    @property
    def arms(self) -> int:
        return len(self.counts)

    def canonical(self) -> Mapping[str, NDArray[Any]]:
        views = {}
        for name in _NAMES:
            views[name] = getattr(self, name).view()
            views[name].flags.writeable = False
        return views

    def snapshot(self) -> CopiedSums:
        return CopiedSums.of(self)

    def copy(self) -> Self:
        return type(self).restored(self.terms, self.canonical())

    def add_arm(self) -> None:
        fresh = type(self)(self.terms, 1)
        for name in _NAMES:
            setattr(self, name, np.concatenate((getattr(self, name), getattr(fresh, name))))
        self._lines.append(None)

    def drop_arm(self, arm: int) -> None:
        self.kept[arm] = self.departed[arm] = 0.0
        self.counts[arm] = self.alarms[arm] = self.observations[arm] = 0.0
        self._lines[arm] = None

    def learn(
        self, arm: int, reward: float, weight: float, clock: float, features: Array = NONE
    ) -> None:
        """One reward more, at its place by clock."""
        if not isfinite(reward + weight + clock) or weight < 0.0:
            raise ValueError("reward, weight and clock must be finite, weight >= 0")
        if self.counts[arm] == self.terms.room:
            self._depart(arm)
        count, kept = int(self.counts[arm]), self.kept[arm]
        at = int(np.searchsorted(kept[:count, 0], clock, side="right"))
        kept[at + 1 : count + 1] = kept[at:count].copy()
        kept[at] = clock, reward, weight, *features
        self.counts[arm] += 1.0
        self.observations[arm] += weight
        self._lines[arm] = None
        if not (count + 1) % self.terms.block:
            self._watch(arm)

    def revise(
        self,
        arm: int,
        old: float,
        new: float | None,
        weight: float,
        clock: float,
        features: Array = NONE,
    ) -> None:
        """Another reward in place of one that is still kept, or None to withdraw it."""
        if self.observations[arm] < weight * (1.0 - 1e-9):
            raise ValueError(f"arm {arm} has seen less weight than is to be revised")
        count, kept = int(self.counts[arm]), self.kept[arm]
        same = np.flatnonzero((kept[:count] == (clock, old, weight, *features)).all(axis=1))
        if not len(same):
            return  # it has left for the sums, or an alarm has forgotten it
        row = int(same[0])
        if new is not None:
            kept[row, 1] = new
        else:
            kept[row : count - 1] = kept[row + 1 : count].copy()
            kept[count - 1] = 0.0
            self.counts[arm] -= 1.0
            self.observations[arm] -= weight
        self._lines[arm] = None

    def line(self, arm: int) -> Line:
        """The line through all points since the restart."""
        found = self._lines[arm]
        if found is None:
            found = self._lines[arm] = self._fitted(arm)
        return found

    def _points(self, arm: int) -> Array:
        """The kept points: weighted means of whole blocks, oldest first."""
        block = self.terms.block
        whole = int(self.counts[arm]) // block * block
        kept = self.kept[arm, :whole]
        if block == 1:
            return self._read(arm, kept)
        rewards, weights = self._read(arm, kept).reshape(-1, block), kept[:, 2].reshape(-1, block)
        total = weights.sum(axis=1)
        means: Array = (rewards * weights).sum(axis=1) / np.where(total > 0.0, total, 1.0)
        return means

    def _read(self, arm: int, kept: Array) -> Array:
        """The rewards that the line is of, (n,), in rows of `kept`."""
        return kept[:, 1]

    def _past(self, arm: int) -> tuple[float, float, float]:
        """Of the points that have left: their number, sum of X_k, sum of k X_k."""
        left, total, moment = self.departed[arm].tolist()
        return left, total, moment

    def _fitted(self, arm: int) -> Line:
        points, (left, total, moment) = self._points(arm), self._past(arm)
        count = int(left) + len(points)
        if count < 2:
            return Line(count, 0.0, np.inf, np.nan)
        places = left + 1.0 + np.arange(len(points))
        total += float(points.sum())
        moment += float(places @ points)
        middle, mean = 0.5 * (count + 1), total / count
        slope = (moment - count * middle * mean) / (count * (count**2 - 1) / 12.0)
        around = points - (mean + slope * (places - middle))
        noise = sqrt(float(around @ around) / (len(points) - 2)) if len(points) > 2 else np.nan
        leverage = (4.0 * count + 2.0) / (count * (count - 1.0))
        return Line(count, mean + slope * (count + 1 - middle), leverage, noise)

    def _watch(self, arm: int) -> None:
        """Restarts the arm if its newest points do not go on where those before them pointed."""
        width = self.terms.window
        points = self._points(arm)
        if len(points) < 2 * width:
            return
        newest = np.arange(width) - 0.5 * (width - 1)
        spread = float(newest @ newest)
        ends, squares = [], 0.0
        for part, distance in ((points[-2 * width : -width], 1.5), (points[-width:], 0.5)):
            slope = float(newest @ part) / spread
            around = part - part.mean() - slope * newest
            squares += float(around @ around)
            ends.append(float(part.mean()) + slope * (distance * width + 0.5 * (distance - 1.0)))
        noise = sqrt(squares / (2 * width - 4))
        if abs(ends[0] - ends[1]) > self.terms.alarm * noise * sqrt(32.0 / width):
            self._restart(arm)

    def _restart(self, arm: int) -> None:
        count, keep = int(self.counts[arm]), max(2, self.terms.window // 2) * self.terms.block
        newest = self.kept[arm, count - keep : count].copy()
        self.kept[arm] = self.departed[arm] = 0.0
        self.kept[arm, :keep] = newest
        self.counts[arm] = keep
        self.alarms[arm] += 1.0
        self._lines[arm] = None

    def _depart(self, arm: int) -> None:
        """The oldest point leaves for the sums."""
        block, kept = self.terms.block, self.kept[arm]
        self.departed[arm] += self._departing(arm, float(self.departed[arm, 0]) + 1.0)
        kept[:-block] = kept[block:].copy()
        kept[-block:] = 0.0
        self.counts[arm] -= block

    def _departing(self, arm: int, place: float) -> Array:
        """What the sums get of the oldest point, which has this place: a row of `departed`."""
        oldest = float(self._points(arm)[0])
        return np.array([1.0, oldest, place * oldest])
