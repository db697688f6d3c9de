"""What an arm would have earned on a query: a ridge regression an arm, taught block by block.

The same regression as the linear policies', in whole blocks. A block is always predicted before it
is learned, so an estimate never rests on the row it is for, nor on a later one: folds that look
ahead leak the future of a log whose policy learned from it.
"""

import numpy as np
from numpy.typing import NDArray

from policies.cholesky import factor_of, inverse_of

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Slots = NDArray[np.intp]

RIDGE = 15.0  # the linear policies' own, for contexts of norm about 1
CONSTANT_RIDGE = 0.1  # arms' costs differ a hundredfold: each soon has a mean of its own


class RidgeByArm:
    """K regressions of one outcome on d features, around the mean of all that was seen.

    An arm that nothing is known of is expected to earn that mean. A regression is linear in its
    outcomes, so the ridge means the same for dollars as for seconds.
    """

    def __init__(self, arms: int, dim: int) -> None:
        self._precision = np.full(dim + 1, RIDGE)
        self._precision[-1] = CONSTANT_RIDGE
        self._grams = np.zeros((arms, dim + 1, dim + 1))
        self._products = np.zeros((arms, dim + 1))
        self._sums = np.zeros((arms, dim + 1))
        self._weight = self._total = 0.0
        self._weights: Array | None = None  # theta, (K, d + 1), of what was learned so far

    @property
    def is_taught(self) -> bool:
        return self._weight > 0.0

    def learn(
        self, contexts: Array, chosen: Slots, outcomes: Array, weights: Array | None = None
    ) -> None:
        """contexts (n, d), chosen (n,) slots, outcomes (n,), NaN where unknown, weights (n,)."""
        known = ~np.isnan(outcomes)
        weights = np.ones(len(outcomes)) if weights is None else weights
        for arm in np.unique(chosen[known]).tolist():
            rows = known & (chosen == arm)
            x, w, y = _with_constant(contexts[rows]), weights[rows], outcomes[rows]
            weighted = x * w[:, None]
            self._grams[arm] += weighted.T @ x
            self._products[arm] += y @ weighted
            self._sums[arm] += weighted.sum(axis=0)
        self._weight += float(weights[known].sum())
        self._total += float(weights[known] @ outcomes[known])
        self._weights = None

    def predict(self, contexts: Array) -> Array:
        """(n, K); 0 before anything was learned, so that `dr` is `ips` there."""
        if not self.is_taught:
            return np.zeros((len(contexts), len(self._grams)))
        if self._weights is None:
            self._weights = self._solved()
        expected: Array = contexts @ self._weights[:, :-1].T
        expected += self._weights[:, -1]
        return expected

    def _solved(self) -> Array:
        """theta minimises sum w (y - theta'x)^2 + |theta - mean on the constant|^2 by precision."""
        mean = self._total / self._weight
        solved = np.empty(self._products.shape)
        for arm, gram in enumerate(self._grams):
            matrix = gram.copy()
            places = np.arange(len(matrix))
            matrix[places, places] += self._precision
            inverse = inverse_of(factor_of(matrix, self._precision))
            solved[arm] = inverse @ (self._products[arm] - mean * self._sums[arm])
        solved[:, -1] += mean
        return solved


def _with_constant(contexts: Array) -> Array:
    return np.column_stack([contexts, np.ones(len(contexts))])


def mrdr_weights(target: Array, propensities: Array) -> Array:
    """pi(a|x) (1 - p) / p^2, (n,): what to weigh rows by so that `dr` varies least.

    More robust doubly robust (Farajtabar, Chow and Ghavamzadeh 2018), as the Open Bandit Pipeline
    has it; derived for a deterministic target.

    target, propensities  (n,) the two policies' chances of the logged arm
    """
    weights: Array = target * (1.0 - propensities) / propensities**2
    return weights


def means_so_far(chosen: Slots, outcomes: Array, arms: int) -> Array:
    """What to expect before there is a model: each arm's mean over the rows before, (n, K).

    An arm without any is expected to be like all together, and the first row like 0. It takes the
    outcomes' level out of the weights' luck, and costs differ a hundredfold between arms.
    """
    known = ~np.isnan(outcomes)
    shown = np.where(known, outcomes, 0.0)
    drawn = (chosen[:, None] == np.arange(arms)) & known[:, None]
    sums = np.cumsum(drawn * shown[:, None], axis=0) - drawn * shown[:, None]
    counts = np.cumsum(drawn, axis=0) - drawn
    overall = sums.sum(axis=1) / np.maximum(counts.sum(axis=1), 1)
    means: Array = np.where(counts > 0, sums / np.maximum(counts, 1), overall[:, None])
    return means
