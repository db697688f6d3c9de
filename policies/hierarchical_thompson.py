"""Thompson sampling from a hierarchical linear model, its context weighed by evidence.

Sources: Hong, Kveton, Zaheer and Ghavamzadeh (2022), "Hierarchical Bayesian Bandits",
arXiv:2111.06929, for arms that share a prior which is learned; MacKay (1992), "Bayesian
Interpolation", Neural Computation 4(3), for ridges chosen by evidence.

Departs from them: nothing is sampled, as in `linear_thompson`; the draws are made around the
shared weights' mean, because their own uncertainty moves all arms alike, or all that were told
of; the ridge is chosen from a few, with one noise for all arms; and the draws are shifted upwards
by `optimism` deviations, which explores what is little known without the costly draws from below.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from policies import gaussian_best
from policies.best import judged
from policies.hierarchical_prior import SharedPrior
from policies.hierarchical_state import HierarchicalState
from policies.learning import LearnsSums
from policies.policy import Array, Estimates, Mask
from policies.priors import NO_PRIORS, Priors, UnusablePrior
from policies.settings import check, check_dim_and_half_life, setting


@dataclass(frozen=True, kw_only=True)
class HierarchicalThompson(LearnsSums):
    """Plays each arm as often as it is the best, by what all arms' data say of it.

    The defaults come from simulations over logged routing data; see docs/defaults.md.

    dim              number of context features d, >= 1
    half_life        clock units after which data counts half, > 0; None: it never fades
    dearness         how dear each arm is, in standard deviations of log price; 0 where unknown
    intercept        whether the last feature is the constant 1
    width            factor on the deviations drawn with, in [0, 1e6]
    optimism         by how many of these deviations the draws are shifted up, in [0, 1e3]
    ridge            prior precision of an arm's weights around the shared ones, per noise
                     variance, in [1e-3, 1e6]: the middle one of three to choose from
    ridge_spread     the others are this factor smaller and larger, in [1, 1e4]; 1: no choice
    shared_share     prior precision of the shared weights as a share of the ridge, in [1e-6, 1e6]
    arm_ridge        for how many observations the shared constant counts in an arm's own,
                     in [1e-3, 1e6]
    intercept_ridge  for how many observations `prior_mean` counts in the shared constant
    prior_mean       quality expected before anything is seen
    price_prior      by how much more quality is expected of an arm for each unit of `dearness`,
                     in [-1, 1]: what is dear is usually better, until the data say otherwise
    noise            deviation of a quality around its mean at first, in [1e-6, 1e6]
    noise_count      for how many observations `noise` counts, in [1e-3, 1e6]
    priors           what was told of single arms, see `policies.priors`; it stands whatever the
                     other arms turn out to be

    ValueError for a setting out of range.
    """

    name: ClassVar[str] = "hierarchical_thompson"
    commutative: ClassVar[bool] = True
    state_kind: ClassVar[str] = "linear"
    arms_share: ClassVar[bool] = True
    draws: ClassVar[bool] = True

    dim: int
    half_life: float | None = None
    dearness: tuple[float, ...] = ()
    intercept: bool = True
    width: float = setting(0.3, least=0, most=1e6)
    optimism: float = setting(2.0, least=0, most=1e3)
    ridge: float = setting(3.0, least=1e-3, most=1e6)
    ridge_spread: float = setting(10.0, least=1, most=1e4)
    shared_share: float = setting(1.0, least=1e-6, most=1e6)
    arm_ridge: float = setting(8.0, least=1e-3, most=1e6)
    intercept_ridge: float = setting(0.3, least=1e-3, most=1e6)
    prior_mean: float = setting(1.0, least=-1e6, most=1e6)
    price_prior: float = setting(0.1, least=-1, most=1)
    noise: float = setting(0.4, least=1e-6, most=1e6)
    noise_count: float = setting(4.0, least=1e-3, most=1e6)
    priors: Priors = NO_PRIORS
    prior: SharedPrior = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_dim_and_half_life(self.dim, self.half_life)
        check(self)
        if not all(abs(one) < float("inf") for one in self.dearness):
            raise ValueError(f"dearness must be finite, got {self.dearness}")
        factors = (1.0 / self.ridge_spread, 1.0, self.ridge_spread)
        prior = SharedPrior(
            dim=self.dim,
            half_life=self.half_life,
            intercept=self.intercept,
            ridges=tuple(self.ridge * f for f in (factors if self.ridge_spread > 1 else (1.0,))),
            shared_share=self.shared_share,
            arm_ridge=self.arm_ridge,
            intercept_ridge=self.intercept_ridge,
            level=self.prior_mean,
            levels=tuple(self.prior_mean + self.price_prior * one for one in self.dearness),
            noise=self.noise,
            noise_count=self.noise_count,
            priors=self.priors,
        )
        if self.priors.projection:
            raise UnusablePrior("only pilot has a use for a projection")
        object.__setattr__(self, "prior", prior)

    def start(self, arms: int) -> HierarchicalState:
        return HierarchicalState.empty(self.prior, arms)

    def restore(self, canonical: Mapping[str, NDArray[Any]]) -> HierarchicalState:
        return HierarchicalState.restored(self.prior, canonical)

    def probabilities(
        self,
        state: HierarchicalState,
        contexts: Array,
        *,
        eligible: Mask | None = None,
        offsets: Array | None = None,
        clock: float = 0.0,
    ) -> Array:
        means, deviations = self._read(state, contexts, clock)
        deviations *= self.width
        means = judged(means + self.optimism * deviations, eligible, offsets)
        return gaussian_best.chance_of_best(means, deviations)

    def estimates(
        self, state: HierarchicalState, contexts: Array, *, clock: float = 0.0
    ) -> Estimates:
        """`deviation` is sigma * sqrt(x' V x), without the width: around the shared weights."""
        means, deviations = self._read(state, contexts, clock)
        return Estimates(means.copy(), deviations)

    def _read(self, state: HierarchicalState, contexts: Array, clock: float) -> tuple[Array, Array]:
        """Means, which hold until the next read, and deviations sigma * sqrt(x' V x), (n, K)."""
        if state.prior is not self.prior:
            state.adopt(self.prior)
        means, spreads, noise = state.read(contexts, clock)
        deviations = np.sqrt(np.maximum(spreads, 0.0))  # rounding can leave -1e-20
        deviations *= noise
        return means, deviations
