"""What the arms of a hierarchical policy start from; see `hierarchical_state` for the model."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policies.policy import Array
from policies.priors import NO_PRIORS, Belief, Priors, beliefs


@dataclass(frozen=True)
class SharedPrior:
    """What the arms start from, and how fast data fades.

    ridges            precisions of the weights of an arm around the shared ones, one a member
    shared_share      precision of the shared weights, as a share of the ridge
    arm_ridge         precision of an arm's constant around the shared one
    intercept_ridge   precision of the shared constant
    levels            by how much each arm's constant leads the shared one; arms beyond its end
                      take `level`
    priors            what was told of single arms, which leads and precisions do not touch
    noise, noise_count   what is believed of sigma, and for how many observations it counts

    Raises UnusablePrior where `priors` do not fit.
    """

    dim: int
    half_life: float | None
    intercept: bool
    ridges: tuple[float, ...]
    shared_share: float
    arm_ridge: float
    intercept_ridge: float
    level: float
    levels: tuple[float, ...]
    noise: float
    noise_count: float
    priors: Priors = NO_PRIORS

    def __post_init__(self) -> None:
        for ridge in self.ridges:
            self.beliefs(ridge)

    def leads(self, arms: int) -> Array:
        """Means of the arms' weights around the shared ones, shape (K, d)."""
        leads = np.zeros((arms, self.dim))
        if self.intercept:
            known = list(self.levels[:arms])
            leads[:, -1] = known + [self.level] * (arms - len(known))
        return leads

    def precision(self, ridge: float) -> Array:
        """Diagonal of Lam, shape (d,)."""
        diagonal = np.full(self.dim, ridge)
        if self.intercept:
            diagonal[-1] = self.arm_ridge
        return diagonal

    def shared_precision(self, ridge: float) -> Array:
        """Diagonal of Lam_b, shape (d,)."""
        diagonal = np.full(self.dim, ridge * self.shared_share)
        if self.intercept:
            diagonal[-1] = self.intercept_ridge
        return diagonal

    def beliefs(self, ridge: float) -> tuple[Belief | None, ...]:
        """What was told, on top of the precision that an untold weight has, shared part and all."""
        own, shared = self.precision(ridge), self.shared_precision(ridge)
        return beliefs(
            self.priors, np.zeros(self.dim), own * shared / (own + shared), self.intercept
        )

    def start(self, ridge: float, arms: int) -> "Start":
        """Where K arms start."""
        means, dim = self.leads(arms), self.dim
        own, common = np.tile(self.precision(ridge), (arms, 1)), self.shared_precision(ridge)
        told, precise = np.zeros((arms, dim), dtype=bool), np.zeros((arms, dim))
        for arm, known in enumerate(self.beliefs(ridge)[:arms]):
            if known is not None:
                told[arm] = at = np.array(known.told)
                means[arm, at] = np.array(known.mean)[at]
                precise[arm, at] = np.array(known.precision)[at]
        if not told.any():
            return Start(means, own, common, np.tile(np.arange(dim), (arms, 1)))
        together = 2.0 * precise.max(axis=0)
        alone = precise[told]
        own[told] = alone / (1.0 - alone / np.broadcast_to(together, told.shape)[told])
        # Weight by weight, the untold arms' shared one and then that of the told, where in use.
        used, places = np.unique(2 * np.arange(dim) + told, return_inverse=True)
        shared = np.stack((common, together), axis=1).ravel()[used]
        return Start(means, own, shared, places.reshape(arms, dim))


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """What is believed of every arm before any data, under one ridge.

    means   (K, d)  expected weights
    own     (K, d)  diagonals of D, the precision of an arm's weights around those that it shares
    shared  (m,)    diagonal of L, the precision of the shared weights, whose means are 0
    places  (K, d)  which of the shared weights each weight of an arm leans on
    """

    means: Array
    own: Array
    shared: Array
    places: NDArray[np.intp]
