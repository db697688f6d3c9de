"""Warm starts: what is believed of each arm before its first live request.

Source: the prior of ParetoBandit (Taberner-Miller 2026), A = s A_off + lam0 I with s chosen so that
`n_eff` live requests outweigh it, and the preference prior of PILOT (Panda et al. 2025),
A = lam_a I, b = lam_a theta_a, arXiv:2508.21141.

Departs from them: the offline precision is kept as its diagonal (`spread`), for a full matrix an
arm would be carried by every revision of a policy. With whitened features it is diagonal anyway.
"""

from dataclasses import dataclass
from math import isfinite

import numpy as np

from policies.policy import Array

MOST_COUNTED = 1e6  # live requests that a prior can count for
LARGEST_WEIGHT = 1e6


class UnusablePrior(ValueError):
    """A prior that does not fit; `arm` is the slot at fault, or None."""

    def __init__(self, said: str, arm: int | None = None) -> None:
        super().__init__(said)
        self.arm = arm


@dataclass(frozen=True, slots=True)
class ArmPrior:
    """What is known of one arm. What is None is as the policy's own prior has it.

    weights  prior means of the features' weights, without the constant's
    level    prior mean of the constant's weight: its quality where the features say nothing
    n_eff    how many live requests override it, in [0, 1e6]
    ridge    the exact precision of the weights, in [1e-3, 1e6], where it does not follow from n_eff
    """

    weights: tuple[float, ...] | None = None
    level: float | None = None
    n_eff: float = 0.0
    ridge: float | None = None


@dataclass(frozen=True, slots=True)
class Priors:
    """The priors of K arms; those beyond the end, and None, have none.

    spread      mean square of each feature, (m,): what one request tells of its weight. Empty:
                features of length 1, 1 / m each
    projection  (m, d) as rows, of contexts with their constant, for policies that learn in another
                space (`pilot`); empty: there is none, and m = d - 1
    """

    arms: tuple[ArmPrior | None, ...] = ()
    spread: tuple[float, ...] = ()
    projection: tuple[tuple[float, ...], ...] = ()


NO_PRIORS = Priors()


@dataclass(frozen=True, slots=True)
class Belief:
    """An arm's prior as a state uses it: mean and diagonal precision of all its weights, and which
    of them were told, (d,)."""

    mean: tuple[float, ...]
    precision: tuple[float, ...]
    told: tuple[bool, ...]


def beliefs(
    priors: Priors, mean: Array, precision: Array, intercept: bool
) -> tuple[Belief | None, ...]:
    """What the arms start from, where that is not `mean` with `precision`, both (d,).

    n_eff requests are added to the policy's own precision, as A = s A_off + lam0 I; what they say
    is the mean of both. Raises UnusablePrior, which says what was wanted, where one does not fit.
    """
    features = len(mean) - intercept
    if priors.spread and len(priors.spread) != features:
        raise UnusablePrior(f"spread must have {features} numbers, got {len(priors.spread)}")
    if not all(isfinite(one) and one >= 0.0 for one in priors.spread):
        raise UnusablePrior("spread must be finite and >= 0")
    spread = np.array(priors.spread or (1.0 / max(1, features),) * features)
    made: list[Belief | None] = []
    for arm, prior in enumerate(priors.arms):
        if prior is None:
            made.append(None)
            continue
        try:
            made.append(_belief(prior, mean.copy(), precision, spread, intercept))
        except ValueError as wrong:
            raise UnusablePrior(str(wrong), arm) from wrong
    return tuple(made)


def _belief(
    prior: ArmPrior, mean: Array, precision: Array, spread: Array, intercept: bool
) -> Belief:
    _check(prior, len(spread), intercept)
    theta, lam, told = mean, precision.copy(), np.zeros(len(mean), dtype=bool)
    if prior.weights is not None:
        told[: len(spread)] = True
        theta[: len(spread)] = prior.weights
        lam[: len(spread)] += prior.n_eff * spread
        if prior.ridge is not None:
            lam[: len(spread)] = prior.ridge
    if prior.level is not None:
        told[-1] = True
        theta[-1] = prior.level
        lam[-1] += prior.n_eff
    return Belief(tuple(theta.tolist()), tuple(lam.tolist()), tuple(told.tolist()))


def _check(prior: ArmPrior, features: int, intercept: bool) -> None:
    if prior.weights is not None:
        if len(prior.weights) != features:
            raise ValueError(f"weights must have {features} numbers, got {len(prior.weights)}")
        if not all(abs(one) <= LARGEST_WEIGHT for one in prior.weights):
            raise ValueError(f"weights must be in [-{LARGEST_WEIGHT:g}, {LARGEST_WEIGHT:g}]")
    elif prior.ridge is not None:
        raise ValueError("ridge is the precision of weights: give weights too")
    if prior.level is not None:
        if not intercept:
            raise ValueError("level needs a constant feature: leave it out, or set intercept")
        if not abs(prior.level) <= LARGEST_WEIGHT:
            raise ValueError(f"level must be finite, got {prior.level}")
    if not 0.0 <= prior.n_eff <= MOST_COUNTED:
        raise ValueError(f"n_eff must be in [0, {MOST_COUNTED:g}], got {prior.n_eff}")
    if prior.ridge is not None and not 1e-3 <= prior.ridge <= 1e6:
        raise ValueError(f"ridge must be in [0.001, 1e+06], got {prior.ridge}")
