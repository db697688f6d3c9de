"""Feel-good Thompson sampling for contextual duelling bandits.

Source: Li, Zhao and Gu (2024), "Feel-Good Thompson Sampling for Contextual Dueling Bandits", ICML,
arXiv:2404.06013; used to route between language models by Chiang et al. (2025), "LLM Routing with
Dueling Feedback", arXiv:2510.00841, with arm embeddings in place of `embeddings` here.

Departs from them: instead of one fresh draw a round, each sampler keeps several, and a duel's
chances are how often each arm wins among them, so they can be logged exactly; what leaves the
window is summarised; old pairs may fade; the quality of a single answer teaches, too, as a pair
with something of utility 0; and what people like of an answer because they saw it first can be
learned apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from policies.arm_features import ArmFeatures
from policies.best import is_best, judged
from policies.duel_state import DuelPrior, DuelState
from policies.pair_rows import NOT_KNOWN
from policies.policy import Array, Estimates, Mask, Side
from policies.settings import check, check_dim_and_half_life, setting


@dataclass(frozen=True, kw_only=True)
class FGTSCDB:
    """Learns which of two arms is better for a context; the chances are win frequencies of draws.

    dim        number of context features d, >= 1
    half_life  clock units after which a pair counts half, > 0; None: it never fades
    eta        how much a pair counts: 1 in practice, 0.25 in the theorem, in [0.01, 10]
    mu         weight of the feel-good term; -1 for the paper's 1 / (10 e^S sqrt(T))
    norm       S in it, the length expected of the weights, in [0, 20]
    horizon    T in it, the number of duels expected, >= 1
    ridge      prior precision of the weights, in [1e-3, 1e6]
    feature_ridge  that of an arm's own weights for the features, where there are no embeddings;
               `ridge` is the constant's then. In [1e-3, 1e6]
    draws      kept a sampler, in [2, 256]
    steps      Langevin steps of a draw that moves, in [1, 100]
    moved      draws a sampler that move with a pair, in [1, 256], at most `draws`
    window     pairs kept as they are, in [8, 20000]
    width      features an arm looks at besides the constant, where there are no embeddings
    position   learn what it is worth to be shown first, and keep it out of the arms' utilities
    embeddings one vector (d,) an arm; without, every arm has weights of its own

    >>> policy = FGTSCDB(dim=1)
    >>> state = policy.start(arms=2)
    >>> for _ in range(50):
    ...     policy.compare(state, (0, np.ones(1)), (1, np.ones(1)), 1.0)
    >>> bool(policy.probabilities(state, np.ones((1, 1)))[0, 0] > 0.9)
    True
    """

    name: ClassVar[str] = "fgts_cdb"
    commutative: ClassVar[bool] = False
    state_kind: ClassVar[str] = "duels"
    arms_share: ClassVar[bool] = True

    dim: int
    half_life: float | None = None
    eta: float = setting(1.0, least=0.01, most=10)
    mu: float = setting(-1.0, least=-1, most=1e3)
    norm: float = setting(1.0, least=0, most=20)
    horizon: int = setting(2000, least=1, most=10**12)
    ridge: float = setting(1.0, least=1e-3, most=1e6)
    feature_ridge: float = setting(16.0, least=1e-3, most=1e6)
    draws: int = setting(16, least=2, most=256)
    steps: int = setting(5, least=1, most=100)
    moved: int = setting(4, least=1, most=256)
    window: int = setting(500, least=8, most=20_000)
    width: int = setting(16, least=0, most=1024)
    position: bool = False
    embeddings: tuple[tuple[float, ...], ...] = ()
    prior: DuelPrior = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_dim_and_half_life(self.dim, self.half_life)
        check(self)
        if self.moved > self.draws:
            raise ValueError(f"moved must be at most draws, {self.draws}, got {self.moved}")
        if any(len(one) != self.dim for one in self.embeddings):
            raise ValueError(f"every embedding must have {self.dim} numbers (dim)")
        mu = self.mu if self.mu >= 0.0 else 1.0 / (10.0 * exp(self.norm) * self.horizon**0.5)
        prior = DuelPrior(
            # A weight N(0, 1 / ridge) of scale * x is one N(0, 1 / feature_ridge) of x.
            features=ArmFeatures(
                self.dim, self.width, self.embeddings, (self.ridge / self.feature_ridge) ** 0.5
            ),
            half_life=self.half_life,
            ridge=self.ridge,
            eta=self.eta,
            mu=mu,
            draws=self.draws,
            steps=self.steps,
            moved=self.moved,
            window=self.window,
            position=self.position,
        )
        object.__setattr__(self, "prior", prior)

    def start(self, arms: int) -> DuelState:
        return DuelState(self.prior, arms)

    def restore(self, canonical: Mapping[str, NDArray[Any]]) -> DuelState:
        return DuelState.restored(self.prior, canonical)

    def probabilities(
        self,
        state: DuelState,
        contexts: Array,
        *,
        eligible: Mask | None = None,
        offsets: Array | None = None,
        clock: float = 0.0,
    ) -> Array:
        """How often each arm wins among the draws of both samplers."""
        first, second = self.pair_probabilities(
            state, contexts, eligible=eligible, offsets=offsets, clock=clock
        )
        both: Array = 0.5 * (first + second)
        return both

    def pair_probabilities(
        self,
        state: DuelState,
        contexts: Array,
        *,
        eligible: Mask | None = None,
        offsets: Array | None = None,
        clock: float = 0.0,
    ) -> tuple[Array, Array]:
        """How often each arm wins among the draws of the first sampler, and of the second.

        Offsets are points of quality, which is the chance to beat something of utility 0.
        """
        shape = len(contexts), state.arms
        if not state.turn[0]:  # nothing is known: draws would prefer one arm by luck
            even = judged(np.zeros(shape), eligible, None)
            shares = is_best(even) / is_best(even).sum(axis=1, keepdims=True)
            if offsets is None:
                return shares, shares
        first, second = (
            self._win_shares(state, draws, contexts, eligible, offsets) for draws in state.draws
        )
        return first, second

    def _win_shares(
        self,
        state: DuelState,
        draws: Array,
        contexts: Array,
        eligible: Mask | None,
        offsets: Array | None,
    ) -> Array:
        utilities = state.utilities(contexts, draws)
        if offsets is not None:
            utilities = expit(utilities)
        count, rows, arms = utilities.shape
        if offsets is not None:
            utilities = utilities + offsets
        scores = judged(utilities.reshape(count * rows, arms), _repeated(eligible, count), None)
        best = is_best(scores)
        won = best / best.sum(axis=1, keepdims=True)
        shares: Array = won.reshape(count, rows, arms).sum(axis=0) / count
        return shares

    def estimates(self, state: DuelState, contexts: Array, *, clock: float = 0.0) -> Estimates:
        """Over the draws: the chance of each arm to beat something of utility 0."""
        draws = state.draws.reshape(-1, state.draws.shape[2])
        qualities = expit(state.utilities(contexts, draws))
        return Estimates(qualities.mean(axis=0), qualities.std(axis=0))

    def compare(
        self,
        state: DuelState,
        first: Side,
        second: Side,
        preferred: float,
        *,
        old: float | None = None,
        clock: float = 0.0,
        shown: float = NOT_KNOWN,
    ) -> None:
        if old is None:
            state.learn(first, second, preferred, 1.0, clock, shown)
        else:
            state.revise(first, second, old, preferred, 1.0, clock, shown)

    def update(
        self,
        state: DuelState,
        arm: int,
        context: Array,
        quality: float,
        *,
        weight: float = 1.0,
        clock: float = 0.0,
    ) -> None:
        state.learn((arm, context), None, quality, weight, clock)

    def revise(
        self,
        state: DuelState,
        arm: int,
        context: Array,
        old: float,
        new: float | None,
        *,
        weight: float = 1.0,
        clock: float = 0.0,
    ) -> None:
        state.revise((arm, context), None, old, new, weight, clock)


def _repeated(eligible: Mask | None, count: int) -> Mask | None:
    """The same rows again for every draw."""
    return None if eligible is None else np.tile(eligible, (count, 1))
