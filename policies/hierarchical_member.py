"""The caches of a hierarchical policy under one ridge; see `hierarchical_state` for the model."""

from collections.abc import Sequence
from math import log

import numpy as np
from scipy.linalg.blas import dger

from policies.cholesky import factor_of, inverse_of
from policies.hierarchical_prior import SharedPrior
from policies.linear_state import LEAST_GROWTH, MOST_GROWTH
from policies.policy import Array


class Member:
    """The caches under one ridge.

    blocks (K, d + 1, d) holds [V; mean' + t'] of every arm, common (m + 1, m) is [P^-1; beta'] of
    the shared weights; log_growth and error are the bracket of the evidence and R.
    """

    __slots__ = ("_aligned", "_alike", "_rows", "_start", "_views", "blocks", "common", "error",
                 "flat", "log_growth")  # fmt: skip

    def __init__(self, prior: SharedPrior, ridge: float, arms: int) -> None:
        dim = prior.dim
        self._start = prior.start(ridge, arms)
        self._rows = list(self._start.own)
        self._alike = not prior.priors.arms and arms > 0
        # Of each weight, all arms were told or none: they lean on the same d shared ones, in order.
        self._aligned = len(self._start.shared) == dim
        self.blocks = np.zeros((arms, dim + 1, dim))
        self.flat = self.blocks.reshape(arms * (dim + 1), dim)
        self._views = [(block, block.T) for block in self.blocks]
        self.common = np.zeros((len(self._start.shared) + 1, len(self._start.shared)))
        self.log_growth = self.error = 0.0

    def rebuild(self, aged: Sequence[Array]) -> None:
        """From the aged sums, K of (d + 2, d + 2), and the start alone."""
        start, dim, m = self._start, self.blocks.shape[2], len(self._start.shared)
        every = np.arange(dim)
        shared, pull = np.diag(start.shared), np.zeros(m)
        self.log_growth = -float(np.log(start.shared).sum())
        self.error = 0.0
        for block, sums, mean, own, places in zip(
            self.blocks, aged, start.means, start.own, start.places, strict=True
        ):
            matrix = sums[:dim, :dim].copy()
            matrix[every, every] += own
            factor = factor_of(matrix, own)
            inverse = inverse_of(factor)
            response = sums[dim, :dim] - sums[:dim, :dim] @ mean
            moved = inverse @ response
            block[:dim] = inverse.T  # symmetric, and in this order contiguous
            block[dim] = mean + moved
            if self._aligned:
                shared -= own[:, None] * inverse * own
            else:
                shared[np.ix_(places, places)] -= own[:, None] * inverse * own
            shared[places, places] += own
            pull[places] += own * moved
            self.log_growth += 2.0 * float(np.log(factor[every, every]).sum())
            self.log_growth -= float(np.log(own).sum())
            self.error += _centred(sums, mean, dim) - float(response @ moved)
        factor = factor_of(shared, start.shared)
        self.log_growth += 2.0 * float(np.log(factor.diagonal()).sum())
        self.common[:m] = inverse_of(factor)
        self.common[m] = self.common[:m] @ pull
        self.error = max(self.error - float(pull @ self.common[m]), 0.0)

    def step(self, arm: int, x: Array, quality: float, share: float) -> bool:
        """One observation more; False, and of no use any more, where a rebuild has to do it."""
        block, transposed = self._views[arm]
        u = block.dot(x)  # [V x, (mean + t)' x]
        v = u[:-1]
        pulled = self._pulled(arm, v)
        w = self.common.dot(pulled)  # [P^-1 pulled, beta' pulled]
        moved = w[:-1]
        growth = 1.0 + share * float(v.dot(x))
        whole = growth + share * float(pulled.dot(moved))
        if not LEAST_GROWTH <= growth <= whole <= MOST_GROWTH:  # nor where it is not a number
            return False
        own = quality - float(u[-1])
        error = own - float(w[-1])
        u[-1], w[-1] = -own, -error
        dger(-share / growth, v, u, 1, 1, transposed, 1, 1, 1)
        dger(-share / whole, moved, w, 1, 1, self.common.T, 1, 1, 1)
        self.error += share * error * error / whole
        self.log_growth += log(whole)
        return True

    def replace(self, arm: int, x: Array, old: float, new: float, share: float) -> None:
        """A quality that was learned becomes another: the precisions stay as they are."""
        block, _ = self._views[arm]
        u = block.dot(x)
        v = u[:-1]
        pulled = self._pulled(arm, v)
        w = self.common.dot(pulled)
        moved = w[:-1]
        left = old - float(u[-1]) - float(w[-1])
        leverage = float(v.dot(x) + pulled.dot(moved))
        change = new - old
        block[-1] += share * change * v
        self.common[-1] += share * change * moved
        # R is a quadratic form of the qualities; this is its exact difference.
        self.error += share * change * (2.0 * left + change * (1.0 - share * leverage))
        self.error = max(self.error, 0.0)

    def shared_means(self, products: Array) -> Array:
        """What the shared weights add to the arms' means, (..., K); products V x (..., K, d)."""
        beta = self.common[-1]
        if self._alike:  # half the time of the general form
            added: Array = products.dot(self._rows[0] * beta)
            return added
        pulls = self._start.own * beta[self._start.places]
        general: Array = np.einsum("...kd,kd->...k", products, pulls)
        return general

    def _pulled(self, arm: int, v: Array) -> Array:
        """D v at the places of the shared weights, (m,)."""
        pulled: Array = self._rows[arm] * v
        if self._aligned:
            return pulled
        spread = np.zeros(len(self._start.shared))
        spread[self._start.places[arm]] = pulled
        return spread


def _centred(sums: Array, mean: Array, dim: int) -> float:
    """S_rr of qualities less x' mean."""
    about = sums[:dim, :dim] @ mean - 2.0 * sums[dim, :dim]
    return float(sums[dim, dim] + mean @ about)
