"""Who wins between two arms, from logged duels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bandit_service.evaluation.offpolicy.results import Interval, WinRate

Array = NDArray[np.float64]
Slots = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class WinRates:
    """For every ordered pair of K arms, all (K, K); NaN where the two never met.

    rate            how often the row's arm beats the column's, a tie counting half
    standard_error  of the rate
    effective_size  as many duels drawn evenly over all queries say as much
    duels           how many there were
    """

    rate: Array
    standard_error: Array
    effective_size: Array
    duels: NDArray[np.intp]


class DuelsSoFar:
    """Sums over duels among K arms, as they come."""

    def __init__(self, arms: int) -> None:
        self._arms = arms
        # By ordered pair: duels, and the sums of w, w^2, w y, w^2 y, w^2 y^2.
        self._sums = np.zeros((6, arms * arms))

    def add(self, first: Slots, second: Slots, propensities: Array, preferences: Array) -> None:
        """As `win_rates` takes them. Raises ValueError."""
        if len(first) and not ((propensities > 0.0) & (propensities <= 1.0)).all():
            raise ValueError("propensities must be in (0, 1]")
        if (first == second).any():
            raise ValueError("an arm cannot meet itself")
        pairs = np.concatenate((first, second)) * self._arms + np.concatenate((second, first))
        won = np.concatenate((preferences, 1.0 - preferences))
        weights = np.tile(1.0 / propensities, 2)
        squares = weights**2
        told = np.ones(len(won)), weights, squares, weights * won, squares * won, squares * won**2
        for sums, values in zip(self._sums, told, strict=True):
            sums += np.bincount(pairs, weights=values, minlength=len(sums))

    def rates(self) -> WinRates:
        duels, total, squares, won, squared, both = self._sums
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = won / total
            spread = np.maximum(both - 2.0 * rate * squared + rate**2 * squares, 0.0)
            error, size = np.sqrt(spread) / total, total**2 / squares
        shape = self._arms, self._arms
        return WinRates(
            rate.reshape(shape),
            error.reshape(shape),
            size.reshape(shape),
            duels.astype(np.intp).reshape(shape),
        )


def win_rates(
    first: Slots, second: Slots, propensities: Array, preferences: Array, arms: int
) -> WinRates:
    """Pairwise win rates over all queries, not only over those that brought a pair together.

    first, second  (n,) slots of the two arms of each duel
    propensities   (n,) the chance of that pair in that order, p(first) p(second | first)
    preferences    (n,) 1 where the first is preferred, 0 where the second, 0.5 for a tie

    A duel weighs 1 / propensity, self-normalised within its pair; both orders of a pair count.
    Raises ValueError for propensities outside (0, 1], and for an arm that meets itself.
    """
    duels = DuelsSoFar(arms)
    duels.add(first, second, propensities, preferences)
    return duels.rates()


def wilson(rate: float, size: float, level: float) -> tuple[float, float]:
    """An interval of a rate that `size` even draws would tell as well (Wilson 1927). It stays in
    [0, 1], and a pair that never lost is not taken to be sure of winning; ties make it too wide."""
    z = float(ndtri((1.0 + level) / 2.0))
    middle = (rate + z * z / (2.0 * size)) / (1.0 + z * z / size)
    reach = z * np.sqrt(rate * (1.0 - rate) / size + (z / (2.0 * size)) ** 2) / (1.0 + z * z / size)
    return float(middle - reach), float(middle + reach)


def told(rates: WinRates, arms: Sequence[str], level: float) -> Iterator[WinRate]:
    """Of every pair that met, the better arm first."""
    for slot in range(len(arms)):
        for other in range(slot + 1, len(arms)):
            if not rates.duels[slot, other]:
                continue
            wins = rates.rate[slot, other] >= 0.5
            one, two = (slot, other) if wins else (other, slot)
            rate, size = float(rates.rate[one, two]), float(rates.effective_size[one, two])
            low, high = wilson(rate, size, level)
            yield WinRate(
                arm=arms[one],
                other=arms[two],
                rate=rate,
                interval=Interval(method="wilson", low=low, high=high),
                duels=int(rates.duels[slot, other]),
                effective_size=size,
            )
