"""What the linear policies share: their prior's settings, learning, and reading.

Each arm has its own ridge regression of quality on the context ("disjoint" models); see
`linear_state`. A policy built on it adds only how means and spreads become chances.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from policies.learning import LearnsSums
from policies.linear_state import LinearState, Prior
from policies.policy import Array, Estimates
from policies.priors import NO_PRIORS, Priors, UnusablePrior, beliefs
from policies.settings import check, check_dim_and_half_life, setting


@dataclass(frozen=True, kw_only=True)
class LinearPolicy(LearnsSums):
    """Settings of the regressions.

    The defaults suit contexts of norm about 1 beside the constant and qualities in [0, 1]. They are
    optimistic: an untaught arm is taken for perfect, on the strength of one observation,
    so every arm is tried early and dropped as soon as it disappoints. With 2,000 to 4,000 queries
    for ten models that earned more than wide exploration from a neutral prior.

    dim              number of context features d, >= 1
    half_life        clock units after which data counts half, > 0; None: it never fades
    intercept        whether the last feature is the constant 1
    ridge            prior precision of the feature weights, in [1e-3, 1e6]
    intercept_ridge  prior precision of the constant's weight, in [1e-3, 1e6]
    prior_mean       prior mean of the constant's weight: the quality expected of an untaught arm
    priors           what is believed of single arms instead, see `policies.priors`
    """

    commutative: ClassVar[bool] = True
    state_kind: ClassVar[str] = "linear"
    arms_share: ClassVar[bool] = False

    dim: int
    half_life: float | None = None
    intercept: bool = True
    ridge: float = setting(15.0, least=1e-3, most=1e6)
    intercept_ridge: float = setting(1.0, least=1e-3, most=1e6)
    prior_mean: float = setting(1.0, least=-1e6, most=1e6)
    priors: Priors = NO_PRIORS
    prior: Prior = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_dim_and_half_life(self.dim, self.half_life)
        check(self)
        prior = Prior(
            dim=self.dim,
            half_life=self.half_life,
            intercept=self.intercept,
            ridge=self.ridge,
            intercept_ridge=self.intercept_ridge,
            prior_mean=self.prior_mean,
        )
        if self.priors.projection:
            raise UnusablePrior("only pilot has a use for a projection")
        known = beliefs(self.priors, prior.mean(), prior.precision(), self.intercept)
        object.__setattr__(self, "prior", replace(prior, beliefs=known))

    def start(self, arms: int) -> LinearState:
        return LinearState.empty(self.prior, arms)

    def restore(self, canonical: Mapping[str, NDArray[Any]]) -> LinearState:
        return LinearState.restored(self.prior, canonical)

    def estimates(self, state: LinearState, contexts: Array, *, clock: float = 0.0) -> Estimates:
        means, deviations = self.read(state, contexts, clock)
        return Estimates(means.copy(), deviations)

    def read(self, state: LinearState, contexts: Array, clock: float) -> tuple[Array, Array]:
        """Means and deviations sqrt(x' A^-1 x), both (n, K). The means hold until the next read."""
        if state.prior is not self.prior:
            state.adopt(self.prior)
        means, spreads = state.read(contexts, clock)
        return means, np.sqrt(np.maximum(spreads, 0.0))  # rounding can leave -1e-20
