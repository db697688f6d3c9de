"""PILOT: LinUCB in a space learned from preferences, centred on a preference prior.

Source: Panda et al. (2025), "Adaptive LLM Routing under Budget Constraints", EMNLP Findings,
arXiv:2508.21141, algorithm 1: psi = W x + b made of unit length, A = lambda_a I, b = lambda_a
theta_a, score cos(psi, A^-1 b) + alpha sqrt(psi' A^-1 psi).

Departs from it: the score is linear by default, with a constant beside psi, because the cosine
discards an arm's level of reward (of two arms with success .9 and .3 everywhere it picks the better
one hardly more often than not); `cosine` is the published score, without the constant. Equal best
arms share the chance; data can fade. Its budget rule is a controller.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from policies.best import best_split, judged
from policies.learning import LearnsSums
from policies.linear_state import LinearState, Prior
from policies.policy import Array, Estimates, Mask
from policies.priors import NO_PRIORS, Priors, UnusablePrior, beliefs
from policies.settings import check, check_dim_and_half_life, setting

LEAST = 1e-12  # length below which a vector has no direction


@dataclass(frozen=True, kw_only=True)
class Pilot(LearnsSums):
    """Plays the arm whose embedding fits the query best, by score and width.

    dim              number of context features d, >= 1; the last one is the constant
    half_life        clock units after which data counts half, > 0; None: it never fades
    cosine           score by cosine, as published
    width            alpha: deviations sqrt(psi' A^-1 psi) added to the score, in [0, 1e6]
    ridge            lambda_a of arms without a prior, in [1e-3, 1e6]
    intercept_ridge  prior precision of the constant's weight, in [1e-3, 1e6]; not with cosine
    prior_mean       quality expected of an arm without a prior; not with cosine
    priors           projection [W, b] (m, d) and embeddings (m,), see `policies.priors`; without a
                     projection psi is the context without its constant

    ValueError for a setting out of range.
    """

    name: ClassVar[str] = "pilot"
    commutative: ClassVar[bool] = True
    state_kind: ClassVar[str] = "projected"
    arms_share: ClassVar[bool] = False

    dim: int
    half_life: float | None = None
    cosine: bool = False
    width: float = setting(0.1, least=0, most=1e6)
    ridge: float = setting(15.0, least=1e-3, most=1e6)
    intercept_ridge: float = setting(1.0, least=1e-3, most=1e6)
    prior_mean: float = setting(1.0, least=-1e6, most=1e6)
    priors: Priors = NO_PRIORS
    prior: Prior = field(init=False, repr=False, compare=False)
    projection: Array = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_dim_and_half_life(self.dim, self.half_life)
        check(self)
        projection = self._projection()
        prior = Prior(
            dim=len(projection) + (not self.cosine),
            half_life=self.half_life,
            intercept=not self.cosine,
            ridge=self.ridge,
            intercept_ridge=self.intercept_ridge,
            prior_mean=self.prior_mean,
        )
        known = beliefs(self.priors, prior.mean(), prior.precision(), prior.intercept)
        object.__setattr__(self, "projection", projection)
        object.__setattr__(self, "prior", replace(prior, beliefs=known))

    def _projection(self) -> Array:
        rows = self.priors.projection
        if not rows:
            return np.eye(max(1, self.dim - 1), self.dim)
        for row in rows:
            if len(row) != self.dim:
                raise UnusablePrior(f"projection must have rows of {self.dim} numbers")
        projection = np.array(rows, dtype=np.float64)
        if not np.isfinite(projection).all():
            raise UnusablePrior("projection must be finite")
        return projection

    def seen(self, contexts: Array) -> Array:
        """psi of unit length, and the constant but for the cosine, (n, m + 1) or (n, m)."""
        if not np.isfinite(contexts).all():
            raise ValueError("context must be finite")
        psi = contexts @ self.projection.T
        lengths = np.sqrt(np.einsum("nm,nm->n", psi, psi))[:, None]
        made = np.ones((len(psi), self.prior.dim))
        made[:, : psi.shape[1]] = psi / np.maximum(lengths, LEAST)
        return made

    def start(self, arms: int) -> LinearState:
        return LinearState.empty(self.prior, arms)

    def restore(self, canonical: Mapping[str, NDArray[Any]]) -> LinearState:
        return LinearState.restored(self.prior, canonical)

    def probabilities(
        self,
        state: LinearState,
        contexts: Array,
        *,
        eligible: Mask | None = None,
        offsets: Array | None = None,
        clock: float = 0.0,
    ) -> Array:
        means, deviations = self._read(state, contexts, clock)
        if self.cosine:
            theta = state.blocks[:, -1]
            lengths = np.sqrt(np.einsum("kd,kd->k", theta, theta))
            means = means / np.where(lengths > LEAST, lengths, 1.0)
        return best_split(judged(means + self.width * deviations, eligible, offsets))

    def estimates(self, state: LinearState, contexts: Array, *, clock: float = 0.0) -> Estimates:
        means, deviations = self._read(state, contexts, clock)
        return Estimates(means.copy(), deviations)

    def _read(self, state: LinearState, contexts: Array, clock: float) -> tuple[Array, Array]:
        if state.prior is not self.prior:
            state.adopt(self.prior)
        means, spreads = state.read(self.seen(contexts), clock)
        return means, np.sqrt(np.maximum(spreads, 0.0))

    def update(  # type: ignore[override]  # of these sums
        self,
        state: LinearState,
        arm: int,
        context: Array,
        quality: float,
        *,
        weight: float = 1.0,
        clock: float = 0.0,
    ) -> None:
        x = self.seen(context[None])[0]
        super().update(state, arm, x, quality, weight=weight, clock=clock)

    def revise(  # type: ignore[override]  # of these sums
        self,
        state: LinearState,
        arm: int,
        context: Array,
        old: float,
        new: float | None,
        *,
        weight: float = 1.0,
        clock: float = 0.0,
    ) -> None:
        x = self.seen(context[None])[0]
        super().revise(state, arm, x, old, new, weight=weight, clock=clock)
