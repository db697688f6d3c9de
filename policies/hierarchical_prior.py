"""What the arms of a hierarchical policy start from; see `hierarchical_state` for the model."""

from dataclasses import dataclass, field

import numpy as np

from policies.policy import Array
from policies.priors import NO_PRIORS, Priors, Telling, tellings


@dataclass(frozen=True)
class SharedPrior:
    """What the arms start from, and how fast data fades.

    ridges            precisions of the weights of an arm around the shared ones, one a member
    shared_share      precision of the shared weights, as a share of the ridge
    arm_ridge         precision of an arm's constant around the shared one
    intercept_ridge   precision of the shared constant
    levels            by how much each arm's constant leads the shared one; arms beyond its end
                      take `level`
    priors            what was told of single arms
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
    told: tuple[Telling | None, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "told", tellings(self.priors, self.dim, self.intercept))

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

    def before(self, ridge: float, arms: int) -> "Before":
        """What is believed before any data."""
        leads, own = self.leads(arms), self.precision(ridge)
        values, counts = np.zeros((2, arms, self.dim))
        for arm, one in enumerate(self.told[:arms]):
            if one is not None:
                values[arm], counts[arm] = one.values, one.counts
        # All is diagonal, so each weight is by itself: that of arm a says, around its lead, what
        # was told of the shared one, with the precision that is left of the way through Lam.
        precisions = own + counts
        gaps = counts * (values - leads)
        shared = self.shared_precision(ridge) + (own * counts / precisions).sum(axis=0)
        common = (own * gaps / precisions).sum(axis=0) / shared
        return Before(leads + (gaps + own * common) / precisions, precisions, shared)


@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """Of every arm, under one ridge, what was told included.

    means       (K, d)  expected weights
    precisions  (K, d)  diagonals, given the shared weights: Lam + M
    shared      (d,)    diagonal of the precision of the shared weights
    """

    means: Array
    precisions: Array
    shared: Array
