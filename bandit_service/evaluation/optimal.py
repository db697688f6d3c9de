"""Which arm is best, of one query and of the whole set: one rule of ties for all that judges."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.table import Array, OutcomeTable

Mask = NDArray[np.bool_]

# Of an arm's outcomes. Single bills get lost in every log; where more are missing than that, those
# that are there are no fair sample.
LEAST_KNOWN = 0.95

# What the cost of an arm of unknown cost counts as: dearer than any, yet below "no candidate".
_UNKNOWN = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True, eq=False)
class ArmMeans:
    """Each arm over the queries where its quality is known, (K,). NaN is unknown.

    queries   on how many queries the arm's quality is known
    cost_usd, latency_seconds, energy_joules   over those of them where it is known; NaN also where
                                               that is less than nearly all (`nearly_known`)
    """

    queries: NDArray[np.intp]
    quality: Array
    cost_usd: Array
    latency_seconds: Array
    energy_joules: Array

    @classmethod
    def of(cls, table: OutcomeTable) -> Self:
        offered = table.offered
        return cls(
            queries=offered.sum(axis=0),
            quality=known_mean(table.quality),
            cost_usd=_nearly_known_mean(table.cost_usd, offered),
            latency_seconds=_nearly_known_mean(table.latency_seconds, offered),
            energy_joules=_nearly_known_mean(table.energy_joules, offered),
        )

    def best_single(self) -> int:
        """The slot with the best mean quality, and the cheapest of those.

        An arm known on less than half as many queries as the best known one is no candidate: a
        mean over a few easy queries is not the best of the set.
        """
        candidates = 2 * self.queries >= self.queries.max()
        quality = np.where(candidates, self.quality, np.nan)
        return int(np.argmax(optimal_arms(quality[None], self.cost_usd[None])[0]))

    def cheapest(self) -> int | None:
        """The slot with the least mean cost, and the best of those. None: no cost is known."""
        if np.isnan(self.cost_usd).all():
            return None
        # Read with the signs turned, the rule for the best is the rule for the cheapest.
        return int(np.argmax(optimal_arms(-self.cost_usd[None], -self.quality[None])[0]))


def nearly_known(values: Array, offered: Mask) -> Mask:
    """Arms, (K,), of which nearly all amounts (n, K) are known where they are offered."""
    known = (offered & ~np.isnan(values)).sum(axis=0)
    nearly: Mask = (known > 0) & (known >= LEAST_KNOWN * offered.sum(axis=0))
    return nearly


def _nearly_known_mean(values: Array, offered: Mask) -> Array:
    means: Array = known_mean(np.where(offered, values, np.nan))
    means[~nearly_known(values, offered)] = np.nan
    return means


def known_mean(values: Array, axis: int = 0) -> Array:
    """The mean over what is known along an axis; NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    total = np.sum(values, axis=axis, where=known)
    mean: Array = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
    return mean


def worth(table: OutcomeTable) -> Array:
    """What each arm is worth on each query, (n, K); NaN where it is not offered.

    The expected quality on queries where the set knows it of all offered arms, else the quality:
    in made-up sets the luck of a draw should not decide which arm was right.
    """
    if table.expected is None:
        return table.quality
    offered = table.offered
    drawn = ~np.any(offered & np.isnan(table.expected), axis=1, keepdims=True)
    found: Array = np.where(offered, np.where(drawn, table.expected, table.quality), np.nan)
    return found


def optimal_arms(worth: Array, cost: Array) -> Mask:
    """Where an arm has the best worth of its row and the least cost of those, (m, K).

    Equals share it. An unknown cost loses to a known one; a NaN worth is no candidate, so a row
    of nothing else has no optimal arm.
    """
    best = np.max(np.where(np.isnan(worth), -np.inf, worth), axis=1, keepdims=True)
    among = worth == best
    price = np.where(among, np.where(np.isnan(cost), _UNKNOWN, cost), np.inf)
    optimal: Mask = among & (price == price.min(axis=1, keepdims=True))
    return optimal
