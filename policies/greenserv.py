"""GreenServ: a linear bandit on what kind of query it is, with the energy in the reward if wanted.

Source: Ziller et al. (2026), "GreenServ", ICPE, arXiv:2601.17551, and its released code: one-hot
task type, an online semantic cluster of three, bins of 100 - Flesch reading ease, a constant;
disjoint LinUCB with alpha .1 and lambda .05; reward (1 - lambda) accuracy + lambda (1 - energy).
Alternatives of its study: linear epsilon-greedy and Thompson sampling.

Departs from it: clusters move with what was observed, not with decisions, and stand still after a
while (see `trait_state`); the task type is a label that the caller gives; the energy of an arm is
its declared joules a token between the pool's least and most, since a quality is learned before, or
without, the joules of its call; equal best arms share the chance; data can fade.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from numpy.typing import NDArray

from policies.epsilon_greedy import EpsilonGreedy
from policies.floor import with_floor
from policies.linear import LinearPolicy
from policies.linear_thompson import LinearThompson
from policies.linucb import LinUCB
from policies.parts import EVERYTHING, Parts
from policies.policy import Array, Estimates, Mask
from policies.prices import Prices, spans
from policies.settings import check, check_dim_and_half_life, setting
from policies.trait_state import TraitPrior, TraitState, trait_count

UNKNOWN = 0.5  # energy, from least to most, of an arm that declares none: as in the released code


@dataclass(frozen=True, kw_only=True)
class GreenServ:
    """LinUCB on traits of a query: its labels, its cluster, how hard it is to read.

    dim            number of context features d, >= 1
    half_life      clock units after which data counts half, > 0; None: it never fades
    parts          what the features are, see `Parts`
    joules         declared a token, an arm; None where it is not known
    width          alpha: deviations sqrt(x' A^-1 x) added to the mean, in [0, 1e6]
    ridge          prior precision of every weight, in [1e-3, 1e6]; the mean is 0
    clusters       k, in [0, 64]; 0 leaves the cluster out
    settling       observations after which the clusters stand still, in [0, 5000]
    coded          readability in two bins, the hardest having none, as in the released code (11
                   features in all); else three, as described (12)
    energy_weight  lambda: share of energy in what is learned, in [0, 1]. What was learned is wrong
                   as soon as the pool's least or most joules change

    >>> import numpy as np
    >>> policy = GreenServ(dim=3, clusters=2)
    >>> state = policy.start(arms=2)
    >>> policy.update(state, 0, np.array([1.0, 0.0, 1.0]), 0.9)
    >>> policy.probabilities(state, np.array([[1.0, 0.0, 1.0]]))
    array([[1., 0.]])
    """

    name: ClassVar[str] = "greenserv"
    commutative: ClassVar[bool] = False
    state_kind: ClassVar[str] = "traits"
    arms_share: ClassVar[bool] = True

    dim: int
    half_life: float | None = None
    parts: Parts = EVERYTHING
    joules: Prices = ()
    width: float = setting(0.1, least=0, most=1e6)
    ridge: float = setting(0.05, least=1e-3, most=1e6)
    clusters: int = setting(3, least=0, most=64)
    settling: int = setting(500, least=0, most=5000)
    coded: bool = False
    energy_weight: float = setting(0.0, least=0, most=1)
    prior: TraitPrior = field(init=False, repr=False, compare=False)
    learner: LinearPolicy = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_dim_and_half_life(self.dim, self.half_life)
        check(self)
        self.parts.check(self.dim)
        levels = 2 if self.coded else 3
        learner = self._learner(trait_count(self.parts, self.clusters, levels))
        share = self.energy_weight
        prior = TraitPrior(
            parts=self.parts,
            dim=self.dim,
            clusters=self.clusters,
            levels=levels,
            settling=self.settling,
            linear=learner.prior,
            worth=1.0 - share,
            gifts=tuple(share * (1.0 - one) for one in spans(self.joules, UNKNOWN)),
            regular=share * (1.0 - UNKNOWN),
        )
        object.__setattr__(self, "learner", learner)
        object.__setattr__(self, "prior", prior)

    def _learner(self, traits: int) -> LinearPolicy:
        """What learns and chooses on so many traits."""
        return LinUCB(
            dim=traits,
            half_life=self.half_life,
            width=self.width,
            ridge=self.ridge,
            intercept_ridge=self.ridge,
            prior_mean=0.0,
        )

    def start(self, arms: int) -> TraitState:
        return TraitState(self.prior, arms)

    def restore(self, canonical: Mapping[str, NDArray[Any]]) -> TraitState:
        return TraitState.restored(self.prior, canonical)

    def probabilities(
        self,
        state: TraitState,
        contexts: Array,
        *,
        eligible: Mask | None = None,
        offsets: Array | None = None,
        clock: float = 0.0,
    ) -> Array:
        seen = self._adopted(state).traits(contexts)
        chances: Array = self.learner.probabilities(  # type: ignore[attr-defined]
            state.linear, seen, eligible=eligible, offsets=offsets, clock=clock
        )
        return chances

    def estimates(self, state: TraitState, contexts: Array, *, clock: float = 0.0) -> Estimates:
        """Of quality: what energy was learned with it is taken out, unless energy was all."""
        seen = self._adopted(state).traits(contexts)
        believed = self.learner.estimates(state.linear, seen, clock=clock)
        worth = self.prior.worth
        if worth in (0.0, 1.0):
            return believed
        gifts = [self.prior.gift(arm) for arm in range(state.arms)]
        return Estimates((believed.mean - gifts) / worth, believed.deviation / worth)

    def _adopted(self, state: TraitState) -> TraitState:
        if state.prior is not self.prior:
            state.adopt(self.prior)
        return state

    def update(
        self,
        state: TraitState,
        arm: int,
        context: Array,
        quality: float,
        *,
        weight: float = 1.0,
        clock: float = 0.0,
    ) -> None:
        self._adopted(state).learn(arm, context, quality, weight, clock)

    def revise(
        self,
        state: TraitState,
        arm: int,
        context: Array,
        old: float,
        new: float | None,
        *,
        weight: float = 1.0,
        clock: float = 0.0,
    ) -> None:
        self._adopted(state).revise(arm, context, old, new, weight, clock)


@dataclass(frozen=True, kw_only=True)
class GreenServThompson(GreenServ):
    """The same with Thompson sampling, as in GreenServ's study: sigma .25, prior variance 2.

    Its released code scales the covariance with sigma twice; this does not.

    noise  sigma: deviation of a reward around its mean, in [1e-6, 1e6]
    ridge  here sigma^2 over the prior variance of a weight

    and the settings of `GreenServ`; `width` multiplies the deviations drawn with.
    """

    name: ClassVar[str] = "greenserv_thompson"

    width: float = setting(1.0, least=0, most=1e6)
    ridge: float = setting(0.03125, least=1e-3, most=1e6)
    noise: float = setting(0.25, least=1e-6, most=1e6)

    def _learner(self, traits: int) -> LinearPolicy:
        return LinearThompson(
            dim=traits,
            half_life=self.half_life,
            width=self.width,
            noise=self.noise,
            ridge=self.ridge,
            intercept_ridge=self.ridge,
            prior_mean=0.0,
        )


@dataclass(frozen=True, kw_only=True)
class GreenServEpsilon(GreenServ):
    """The same with a share of random choices that falls with what was observed.

    epsilon  the share at first, in [0, 1]
    decay    what it is multiplied by with every observation, in [0.5, 1]
    least    what it never falls below, in [0, 1]

    and the settings of `GreenServ`, but for the width. Without clusters, labels and readability it
    is the study's context-free epsilon-greedy, whose decay is .98.
    """

    name: ClassVar[str] = "greenserv_epsilon"

    ridge: float = setting(0.25, least=1e-3, most=1e6)
    epsilon: float = setting(1.0, least=0, most=1)
    decay: float = setting(0.985, least=0.5, most=1)
    least: float = setting(0.01, least=0, most=1)

    def _learner(self, traits: int) -> LinearPolicy:
        return EpsilonGreedy(
            dim=traits,
            half_life=self.half_life,
            epsilon=0.0,
            ridge=self.ridge,
            intercept_ridge=self.ridge,
            prior_mean=0.0,
        )

    def probabilities(
        self,
        state: TraitState,
        contexts: Array,
        *,
        eligible: Mask | None = None,
        offsets: Array | None = None,
        clock: float = 0.0,
    ) -> Array:
        best = super().probabilities(
            state, contexts, eligible=eligible, offsets=offsets, clock=clock
        )
        seen = float(state.observations.sum())
        share = max(self.least, self.epsilon * self.decay**seen)
        return with_floor(best, eligible, share)
