"""Beta-Bernoulli Thompson sampling, optionally one model per cluster of contexts.

Sources: Thompson (1933), "On the Likelihood that One Unknown Probability Exceeds Another in View of
the Evidence of Two Samples", Biometrika 25; Agrawal and Goyal (2012), "Analysis of Thompson
Sampling for the Multi-armed Bandit Problem", arXiv:1111.1797.

Departs from them: nothing is sampled, the chance of each arm to draw the highest is integrated
exactly. A quality r in [0, 1] adds r to the wins and 1 - r to the losses, in place of
a coin tossed with chance r: same expectation, and no luck in the state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv, betaln

from policies import piecewise_best
from policies.best import judged
from policies.beta_state import BetaState
from policies.policy import Array, Estimates, Mask
from policies.settings import check, check_dim_and_half_life, setting

TAIL = 1e-14
EDGE = 1e-9  # how closely pieces are graded at 0 and 1, where densities may be singular


@dataclass(frozen=True, kw_only=True)
class BetaThompson:
    """Plays each arm as often as it is the best, by what is believed of its mean quality.

    dim           number of context features d, >= 1
    half_life     clock units after which data counts half, > 0; None: it never fades
    clusters      C, whole, in [1, dim]; the cluster is the largest of the first C features (the
                  first of several), 1 ignores the context
    prior_wins    Beta prior, in [1, 1e6]
    prior_losses  Beta prior, in [1, 1e6]

    ValueError for a setting out of range, and for a quality outside [0, 1].

    >>> policy = BetaThompson(dim=1)
    >>> state = policy.start(arms=2)
    >>> policy.update(state, 1, np.ones(1), 1.0)  # Beta(2, 1) beats Beta(1, 1) with chance 2/3
    >>> policy.probabilities(state, np.ones((1, 1))).round(3)
    array([[0.333, 0.667]])
    """

    name: ClassVar[str] = "beta_thompson"
    commutative: ClassVar[bool] = True
    state_kind: ClassVar[str] = "beta"
    arms_share: ClassVar[bool] = False
    draws: ClassVar[bool] = True

    dim: int
    half_life: float | None = None
    clusters: int = setting(1, least=1, most=1e6)
    prior_wins: float = setting(1.0, least=1, most=1e6)
    prior_losses: float = setting(1.0, least=1, most=1e6)

    def __post_init__(self) -> None:
        check_dim_and_half_life(self.dim, self.half_life)
        check(self)
        if self.clusters > self.dim:
            raise ValueError(f"clusters must be in [1, {self.dim}] (dim), got {self.clusters}")

    def start(self, arms: int) -> BetaState:
        return BetaState.empty(arms, self.clusters)

    def restore(self, canonical: Mapping[str, NDArray[Any]]) -> BetaState:
        return BetaState.restored(self.clusters, canonical)

    def cluster(self, contexts: Array) -> NDArray[np.intp]:
        """The cluster of each context, shape (n,)."""
        found: NDArray[np.intp] = contexts[:, : self.clusters].argmax(axis=1)
        return found

    def beliefs(self, state: BetaState, contexts: Array, clock: float) -> tuple[Array, Array]:
        """Both parameters of every arm's Beta, each (n, K)."""
        sums = state.read(clock, self.half_life)[:, self.cluster(contexts)]
        sums = np.maximum(sums, 0.0)  # a withdrawal can leave -1e-17
        return sums[..., 0].T + self.prior_wins, sums[..., 1].T + self.prior_losses

    def probabilities(
        self,
        state: BetaState,
        contexts: Array,
        *,
        eligible: Mask | None = None,
        offsets: Array | None = None,
        clock: float = 0.0,
    ) -> Array:
        wins, losses = self.beliefs(state, contexts, clock)
        shifts = judged(np.zeros(wins.shape), eligible, offsets)
        # Rows of one cluster are mostly equal: each different one is integrated once.
        rows = np.concatenate((wins, losses, shifts), axis=1)
        different, back = np.unique(rows, axis=0, return_inverse=True)
        parts = [np.split(row, 3) for row in different]
        return np.stack([beta_best(a, b, shift) for a, b, shift in parts])[back.reshape(-1)]

    def estimates(self, state: BetaState, contexts: Array, *, clock: float = 0.0) -> Estimates:
        wins, losses = self.beliefs(state, contexts, clock)
        total = wins + losses
        mean = wins / total
        return Estimates(mean, np.sqrt(mean * (1.0 - mean) / (total + 1.0)))

    def update(
        self,
        state: BetaState,
        arm: int,
        context: Array,
        quality: float,
        *,
        weight: float = 1.0,
        clock: float = 0.0,
    ) -> None:
        if not weight >= 0.0 or not np.isfinite(context.dot(context)):
            raise ValueError(f"weight must be >= 0 and the context finite, got weight {weight}")
        cluster = int(self.cluster(context[None])[0])
        state.add(arm, cluster, quality, weight, clock, self.half_life)

    def revise(
        self,
        state: BetaState,
        arm: int,
        context: Array,
        old: float,
        new: float | None,
        *,
        weight: float = 1.0,
        clock: float = 0.0,
    ) -> None:
        if state.observations[arm] < weight * (1.0 - 1e-9):
            raise ValueError(f"arm {arm} has seen less weight than is to be revised")
        cluster = int(self.cluster(context[None])[0])
        state.add(arm, cluster, old, -weight, clock, self.half_life)
        if new is not None:
            state.add(arm, cluster, new, weight, clock, self.half_life)


def beta_best(a: Array, b: Array, shift: Array) -> Array:
    """The chance of each shift + Beta(a, b) to be the largest, shape (K,); -inf takes no part."""
    low_ends, high_ends = betaincinv(a, b, TAIL), 1.0 - betaincinv(b, a, TAIL)
    low = float((shift + low_ends).max())
    kept = shift + high_ends >= low
    chances = np.zeros(len(a))
    a, b, shift = a[kept], b[kept], shift[kept]
    if len(a) == 1:
        chances[kept] = 1.0
        return chances
    log_norm = betaln(a, b)[:, None]

    def density(g: Array) -> Array:
        x = g - shift[:, None]
        inside = (x > 0.0) & (x < 1.0)
        x = np.where(inside, x, 0.5)
        logs = (a[:, None] - 1.0) * np.log(x) + (b[:, None] - 1.0) * np.log1p(-x) - log_norm
        values: Array = np.where(inside, np.exp(logs), 0.0)
        return values

    mean = a / (a + b)
    centres = np.concatenate((shift + mean, shift, shift + 1.0))
    ends = np.full(2 * len(a), EDGE)
    scales = np.concatenate((np.sqrt(mean * (1.0 - mean) / (a + b + 1.0)), ends))
    edges = piecewise_best.pieces(low, float((shift + high_ends[kept]).max()), centres, scales)
    # An end inside a piece would be a kink there: make every end an edge.
    inner = centres[len(a) :]
    inner = inner[(inner > edges[0]) & (inner < edges[-1])]
    edges = np.unique(np.concatenate((edges, inner)))
    chances[kept] = piecewise_best.chance_of_best(edges, density, betainc(a, b, low - shift))
    return chances
