"""What the linear policies learn: one Bayesian ridge regression per arm.

    A = Lam0 + S_xx,   b = Lam0 theta0 + S_xr,   theta = A^-1 b

Prior (Lam0, theta0) and data sums (S) are kept apart: aging, merging or withdrawing data then never
touches the prior, and directions that are never seen keep their ridge.

The sums are the truth; A^-1 and theta are caches, kept by Sherman-Morrison steps and rebuilt
from the sums now and then, equal to a rebuild within 1e-9 (less where A is so badly conditioned
that a rebuild itself has fewer digits). Where a step would lose them, a rebuild takes its place.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import dger

from policies.aging import faded, tick
from policies.cholesky import factor_of, inverse_of
from policies.linear_sums import LinearSums
from policies.policy import Array
from policies.priors import Belief

STEPS_PER_REBUILD = 1000  # Sherman-Morrison steps of one arm between rebuilds
LEAST_GROWTH = 1.0 - 1e-9  # 1 + weight x'A^-1x of a step; below 1 only by rounding
LEAST_SHRINKING = 0.1  # the same of an observation taken away; it loses digits as this goes to 0
MOST_GROWTH = 1e6  # a step loses as many digits as this has
MOST_KEPT = 2**16  # numbers in the contexts whose reading is kept for the next one


@dataclass(frozen=True)
class Prior:
    """What the arms start from, and how fast data fades.

    The last feature is the constant 1 where `intercept` is set; its precision is
    `intercept_ridge` and its mean `prior_mean`. Every other weight has precision `ridge`, mean 0.
    `beliefs` says otherwise of single arms: those that it has, and that are not None.
    """

    dim: int
    half_life: float | None
    intercept: bool
    ridge: float
    intercept_ridge: float
    prior_mean: float
    beliefs: tuple[Belief | None, ...] = ()

    def precision(self, arm: int | None = None) -> Array:
        """Diagonal of Lam0, shape (d,): of an arm, or of one that nothing else is said of."""
        if (own := self._belief(arm)) is not None:
            return np.array(own.precision)
        diagonal = np.full(self.dim, self.ridge)
        if self.intercept:
            diagonal[-1] = self.intercept_ridge
        return diagonal

    def mean(self, arm: int | None = None) -> Array:
        """theta0, shape (d,): of an arm, or of one that nothing else is said of."""
        if (own := self._belief(arm)) is not None:
            return np.array(own.mean)
        weights = np.zeros(self.dim)
        if self.intercept:
            weights[-1] = self.prior_mean
        return weights

    def _belief(self, arm: int | None) -> Belief | None:
        if arm is None or arm >= len(self.beliefs):
            return None
        return self.beliefs[arm]


class LinearState(LinearSums):
    """The sums of `LinearSums` with their caches.

    Caches, expressed at `ticked`: blocks (K, d + 1, d) holds [A^-1; theta'], so that one product
    with x gives A^-1 x and the mean of every arm; residuals (K,) the penalised squared
    error; evidence (K,) the weight seen, aged.
    """

    __slots__ = (
        "_asked", "_block_views", "_product", "_read", "blocks", "evidence", "flat", "means",
        "products", "residuals", "spreads", "stale", "steps", "ticked",
    )  # fmt: skip

    prior: Prior

    def _lay_out(self) -> None:
        """Make every cache afresh, empty, with the views that save time later."""
        super()._lay_out()
        arms, dim = len(self.sums), self.prior.dim
        self.blocks = np.zeros((arms, dim + 1, dim))
        self.flat = self.blocks.reshape(arms * (dim + 1), dim)
        self._product = np.empty(arms * (dim + 1))
        grid = self._product.reshape(arms, dim + 1)
        self.products, self.means = grid[:, :dim], grid[None, :, dim]
        self.spreads = np.empty(arms)
        self._asked = b""  # the contexts that products, means and spreads, or _read, are of
        self._read: tuple[Array, Array]
        self.residuals, self.evidence = np.zeros(arms), np.zeros(arms)
        self._block_views = [(block, block.T) for block in self.blocks]
        self.steps = [0] * arms
        self.stale = set(range(arms))
        self.ticked = 0.0

    def _forget_caches_of(self, arm: int) -> None:
        self.stale.add(arm)

    def learn(self, arm: int, x: Array, quality: float, weight: float, clock: float) -> None:
        """One more observation. O(d^2); the sums in plain elementwise order of arrival."""
        prior = self.prior
        self._absorb(arm, x, quality, weight, clock)
        if prior.half_life is not None and clock > self.ticked:
            self.stale.add(arm)
        if self.stale and arm in self.stale:
            return
        share = weight
        if prior.half_life is not None:
            share = weight * faded(self.ticked - clock, prior.half_life)
        self._step(arm, x, quality, share, LEAST_GROWTH)

    def _step(self, arm: int, x: Array, quality: float, share: float, least: float) -> None:
        """The caches of one observation more, or with a negative share of one less."""
        block, transposed = self._block_views[arm]
        u = block.dot(x)  # [A^-1 x, mean]
        v = u[:-1]
        error = float(u[-1]) - quality
        u[-1] = error
        growth = 1.0 + share * float(v.dot(x))
        if not least <= growth <= MOST_GROWTH:  # nor where it is not a number
            self.stale.add(arm)
            return
        scale = share / growth
        dger(-scale, v, u, 1, 1, transposed, 1, 1, 1)
        self._asked = b""
        self.residuals[arm] = max(float(self.residuals[arm]) + scale * error * error, 0.0)
        self.evidence[arm] = max(float(self.evidence[arm]) + share, 0.0)
        self.steps[arm] += 1
        if self.steps[arm] >= STEPS_PER_REBUILD:
            self.stale.add(arm)

    def revise(
        self, arm: int, x: Array, old: float, new: float | None, weight: float, clock: float
    ) -> None:
        """Replace or withdraw an observation that was learned with this weight and clock."""
        self._amend(arm, x, old, new, weight, clock)
        half_life = self.prior.half_life
        too_new = half_life is not None and clock > self.ticked
        if too_new or arm in self.stale:
            self.stale.add(arm)
        elif new is None:
            share = weight * faded(self.ticked - clock, half_life)
            self._step(arm, x, old, -share, LEAST_SHRINKING)
        else:  # the precision is as it was: no need for a rebuild
            block = self.blocks[arm]
            share = weight * faded(self.ticked - clock, half_life)
            block[-1] += share * (new - old) * block[:-1].dot(x)
            self._asked = b""
            self._settle(arm)

    def refresh(self, clock: float) -> None:
        """Make the caches those of reading at `clock`. The sums stay as they are."""
        half_life = self.prior.half_life
        if half_life is not None:
            at = tick(clock, half_life)
            if at != self.ticked:
                self.ticked = at
                self.stale.update(range(self.arms))
        if self.stale:
            for arm in self.stale:
                self._rebuild(arm)
            self.stale.clear()

    def _rebuild(self, arm: int) -> None:
        """The caches of one arm from its sums, the prior and the tick alone."""
        prior, d = self.prior, self.prior.dim
        fade = faded(self.ticked - float(self.clocks[arm]), prior.half_life)
        aged = self.sums[arm] * fade
        precision = prior.precision(arm)
        matrix = aged[:d, :d]
        matrix[np.arange(d), np.arange(d)] += precision
        inverse = inverse_of(factor_of(matrix, precision))
        self.blocks[arm, :d] = inverse.T  # symmetric, and in this order contiguous
        self.blocks[arm, d] = inverse @ (precision * prior.mean(arm) + aged[d, :d])
        self.evidence[arm] = max(float(aged[d + 1, d + 1]), 0.0)
        self.steps[arm] = 0
        self._asked = b""
        self._settle(arm)

    def _settle(self, arm: int) -> None:
        """The penalised squared error of one arm, from its sums and theta."""
        prior, d = self.prior, self.prior.dim
        fade = faded(self.ticked - float(self.clocks[arm]), prior.half_life)
        precision, mean, theta = prior.precision(arm), prior.mean(arm), self.blocks[arm, d]
        response = precision * mean + fade * self.sums[arm][d, :d]
        error = fade * self.sums[arm][d, d] + precision @ (mean * mean) - theta @ response
        self.residuals[arm] = max(float(error), 0.0)

    def read(self, contexts: Array, clock: float) -> tuple[Array, Array]:
        """Means and x' A^-1 x of every arm, (n, K). With n = 1 the next read overwrites them."""
        if self.stale or self.prior.half_life is not None:
            self.refresh(clock)
        # A decision reads twice, for its chances and for what is logged of its beliefs.
        asked = contexts.tobytes() if contexts.size <= MOST_KEPT else b""
        if len(contexts) == 1:
            if not asked or asked != self._asked:
                x = contexts[0]
                self.flat.dot(x, self._product)
                self.products.dot(x, self.spreads)
                self._asked = asked
            return self.means, self.spreads[None]
        if not asked or asked != self._asked:
            self._asked, self._read = asked, self._read_many(contexts)
        return self._read

    def _read_many(self, contexts: Array) -> tuple[Array, Array]:
        arms, dim = self.arms, self.prior.dim
        means, spreads = np.empty((len(contexts), arms)), np.empty((len(contexts), arms))
        step = max(1, 2**18 // max(1, len(self.flat)))  # bounds the memory in use
        for first in range(0, len(contexts), step):
            some = contexts[first : first + step]
            grid = (some @ self.flat.T).reshape(len(some), arms, dim + 1)
            means[first : first + step] = grid[:, :, dim]
            np.einsum("nkd,nd->nk", grid[:, :, :dim], some, out=spreads[first : first + step])
        return means, spreads
