"""The best that mixing without a look at the query can do: the static hull.

A mixture plays arm a with a fixed chance p_a. Its quality and cost are the same mixture of the
arms' means, so the best quality for a mean cost of at most c is a linear program over p with one
constraint: a mixture of at most two arms, on the upper concave hull of the arms' means. More
money never hurts, for it may be left unspent: the hull rises, then stays flat.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bandit_service.evaluation.optimal import ArmMeans
from bandit_service.evaluation.results import Point
from bandit_service.evaluation.table import Array, OutcomeTable, Rows

# Sums in another order differ in their last bits: a policy that only ever played the cheapest arm
# must not miss the hull by them.
_ROUNDING = 1e-9

Resource = Literal["cost_usd", "energy_joules"]


@dataclass(frozen=True, slots=True, eq=False)
class Hull:
    """The corners of an upper hull, m >= 0 of them.

    amounts    (m,) of the resource, rising
    qualities  (m,) rising, by ever less per unit of the resource
    sources    (m,) which of the given points each corner is
    """

    amounts: Array
    qualities: Array
    sources: Rows

    def quality_at(self, amount: float) -> float | None:
        """The best quality for at most that much a query. None: nothing is that cheap."""
        if not self._reaches(amount):
            return None
        return float(np.interp(amount, self.amounts, self.qualities))

    def mean_quality(self, low: float, high: float) -> float | None:
        """The hull's mean height between two amounts. None: it does not reach `low`."""
        start, end = self.quality_at(low), self.quality_at(high)
        if start is None or end is None:
            return None
        if high <= low:
            return start
        inside = (self.amounts > low) & (self.amounts < high)
        amounts = np.concatenate([[low], self.amounts[inside], [high]])
        qualities = np.concatenate([[start], self.qualities[inside], [end]])
        return float(np.trapezoid(qualities, amounts) / (high - low))

    def _reaches(self, amount: float) -> bool:
        return len(self.amounts) > 0 and amount >= self.amounts[0] * (1 - _ROUNDING)


def upper_hull(amounts: Array, qualities: Array) -> Hull:
    """The hull of m points; those with a NaN are left out. O(m log m).

    >>> hull = upper_hull(np.array([1.0, 2.0, 3.0, 9.0]), np.array([0.2, 0.3, 0.8, 0.7]))
    >>> hull.amounts
    array([1., 3.])
    >>> hull.quality_at(2.0)
    0.5
    """
    known = np.flatnonzero(~(np.isnan(amounts) | np.isnan(qualities)))
    # By rising amount; of equal amounts the best first, so that it alone can be a corner.
    order = known[np.lexsort((-qualities[known], amounts[known]))]
    corners: list[int] = []
    for point in order:
        if corners and qualities[point] <= qualities[corners[-1]]:
            continue
        while len(corners) > 1 and not _bends_down(amounts, qualities, (*corners[-2:], int(point))):
            corners.pop()
        corners.append(int(point))
    chosen = np.array(corners, dtype=np.intp)
    return Hull(amounts[chosen], qualities[chosen], chosen)


def _bends_down(amounts: Array, qualities: Array, points: tuple[int, ...]) -> bool:
    """Whether the middle one of three points lies above the line between the others."""
    first, middle, last = points
    up, along = qualities[middle] - qualities[first], amounts[middle] - amounts[first]
    all_up, all_along = qualities[last] - qualities[first], amounts[last] - amounts[first]
    return bool(up * all_along > all_up * along)


def static_hull(means: ArmMeans, resource: Resource) -> Hull:
    """Over the arms whose mean of that resource is known; `sources` are slots."""
    return upper_hull(getattr(means, resource), means.quality)


def corners(hull: Hull, table: OutcomeTable, means: ArmMeans) -> tuple[Point, ...]:
    """The hull as it is reported: each corner is one arm, mixtures lie on the lines between."""
    return tuple(
        Point(
            quality=float(means.quality[slot]),
            cost_usd=_known(means.cost_usd[slot]),
            energy_joules=_known(means.energy_joules[slot]),
            mixture={table.arm_names[slot]: 1.0},
        )
        for slot in hull.sources
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
