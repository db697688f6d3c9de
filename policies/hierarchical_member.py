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

    blocks (K, d + 1, d) holds [V; mu' + t'] of every arm, common (d + 1, d) is [P^-1; beta'];
    log_growth and error are the bracket of the evidence and R; precision (d,) is Lam.
    """

    __slots__ = ("_before", "_views", "blocks", "common", "error", "flat", "log_growth",
                 "precision")  # fmt: skip

    def __init__(self, prior: SharedPrior, ridge: float, arms: int) -> None:
        dim = prior.dim
        self.precision = prior.precision(ridge)
        self._before = prior.before(ridge, arms)
        self.blocks = np.zeros((arms, dim + 1, dim))
        self.flat = self.blocks.reshape(arms * (dim + 1), dim)
        self._views = [(block, block.T) for block in self.blocks]
        self.common = np.zeros((dim + 1, dim))
        self.log_growth = self.error = 0.0

    def rebuild(self, aged: Sequence[Array]) -> None:
        """From the aged sums, K of (d + 2, d + 2), and what was believed before alone."""
        dim, own, before = len(self.precision), self.precision, self._before
        every = np.arange(dim)
        shared = np.diag(before.shared)
        pull = np.zeros(dim)
        self.log_growth = -float(np.log(before.shared).sum())
        self.error = 0.0
        for block, sums, mean, precision in zip(
            self.blocks, aged, before.means, before.precisions, strict=True
        ):
            matrix = sums[:dim, :dim].copy()
            matrix[every, every] += precision
            factor = factor_of(matrix, precision)
            inverse = inverse_of(factor)
            response = sums[dim, :dim] - sums[:dim, :dim] @ mean
            moved = inverse @ response
            block[:dim] = inverse.T  # symmetric, and in this order contiguous
            block[dim] = mean + moved
            shared -= own[:, None] * inverse * own
            shared[every, every] += own * (own / precision)
            pull += own * moved
            self.log_growth += 2.0 * float(np.log(factor[every, every]).sum())
            self.log_growth -= float(np.log(precision).sum())
            self.error += _centred(sums, mean, dim) - float(response @ moved)
        factor = factor_of(shared, before.shared)
        self.log_growth += 2.0 * float(np.log(factor[every, every]).sum())
        self.common[:dim] = inverse_of(factor)
        self.common[dim] = self.common[:dim] @ pull
        self.error = max(self.error - float(pull @ self.common[dim]), 0.0)

    def step(self, arm: int, x: Array, quality: float, share: float) -> bool:
        """One observation more; False, and of no use any more, where a rebuild has to do it."""
        block, transposed = self._views[arm]
        u = block.dot(x)  # [V x, (mu + t)' x]
        v = u[:-1]
        pulled = self.precision * v
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
        pulled = self.precision * v
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
        added: Array = products.dot(self.precision * self.common[-1])
        return added


def _centred(sums: Array, mean: Array, dim: int) -> float:
    """S_rr of qualities less x' mean."""
    about = sums[:dim, :dim] @ mean - 2.0 * sums[dim, :dim]
    return float(sums[dim, dim] + mean @ about)
