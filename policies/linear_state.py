"""What the linear policies learn: one Bayesian ridge regression per arm.

    A = Lam0 + S_xx,   b = Lam0 theta0 + S_xr,   theta = A^-1 b

Prior (Lam0, theta0) and data sums (S) are kept apart: aging, merging or withdrawing data then never
touches the prior, and directions that are never seen keep their ridge.

The sums are the truth; A^-1 and theta are caches, kept by Sherman-Morrison steps and rebuilt
from the sums now and then, equal to a rebuild within 1e-9 (less where A is so badly conditioned
that a rebuild itself has fewer digits). Where a step would lose them, a rebuild takes its place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dger
from scipy.linalg.lapack import dpotrf, dpotri

from policies.aging import faded, tick
from policies.policy import Array

STEPS_PER_REBUILD = 1000  # Sherman-Morrison steps of one arm between rebuilds
LEAST_GROWTH = 1.0 - 1e-9  # 1 + weight x'A^-1x of a step; below 1 only by rounding
MOST_GROWTH = 1e6  # a step loses as many digits as this has
ROUNDING = 1e-12  # relative; of a pivot this small rounding leaves but four digits


@dataclass(frozen=True)
class Prior:
    """What the arms start from, and how fast data fades.

    The last feature is the constant 1 where `intercept` is set; its precision is
    `intercept_ridge` and its mean `prior_mean`. Every other weight has precision `ridge`, mean 0.
    """

    dim: int
    half_life: float | None
    intercept: bool
    ridge: float
    intercept_ridge: float
    prior_mean: float

    def precision(self) -> Array:
        """Diagonal of Lam0, shape (d,)."""
        diagonal = np.full(self.dim, self.ridge)
        if self.intercept:
            diagonal[-1] = self.intercept_ridge
        return diagonal

    def mean(self) -> Array:
        """theta0, shape (d,)."""
        weights = np.zeros(self.dim)
        if self.intercept:
            weights[-1] = self.prior_mean
        return weights


class LinearState:
    """Sums and caches of K arms, d features.

    sums          (K, d + 2, d + 2)  sum of weight * z z' with z = [x, quality, 1]: S_xx, S_xr, S_rr
                                     and the weight seen in one array and one addition
    clocks        (K,)               the clock an arm's sums are expressed at
    observations  (K,)               weight seen, never aged

    Caches, expressed at `ticked`: blocks (K, d + 1, d) holds [A^-1; theta'], so that one product
    with x gives A^-1 x and the mean of every arm; residuals (K,) the penalised squared
    error; evidence (K,) the weight seen, aged.
    """

    __slots__ = (
        "_asked", "_block_views", "_outer", "_product", "_sum_views", "_z", "_z_column", "blocks",
        "clocks", "evidence", "flat", "means", "observations", "prior", "products", "residuals",
        "spreads", "stale", "steps", "sums", "ticked",
    )  # fmt: skip

    def __init__(self, prior: Prior, sums: Array, clocks: Array, observations: Array) -> None:
        self.prior = prior
        self.sums, self.clocks, self.observations = sums, clocks, observations
        self._lay_out()

    @classmethod
    def empty(cls, prior: Prior, arms: int) -> Self:
        side = prior.dim + 2
        return cls(prior, np.zeros((arms, side, side)), np.zeros(arms), np.zeros(arms))

    @classmethod
    def restored(cls, prior: Prior, canonical: Mapping[str, NDArray[Any]]) -> Self:
        """The state of these sums. ValueError where a shape does not fit."""
        sums = np.array(canonical["sums"], dtype=np.float64)
        side = prior.dim + 2
        if sums.ndim != 3 or sums.shape[1:] != (side, side):
            raise ValueError(f"sums must have shape (K, {side}, {side}), got {sums.shape}")
        rest = [np.array(canonical[name], dtype=np.float64) for name in ("clocks", "observations")]
        if any(array.shape != sums.shape[:1] for array in rest):
            raise ValueError(f"clocks and observations must have shape ({sums.shape[0]},)")
        return cls(prior, sums, *rest)

    def _lay_out(self) -> None:
        """Make every cache afresh, empty, with the views that save time later."""
        arms, dim = len(self.sums), self.prior.dim
        self._z = np.ones(dim + 2)
        self._z_column = self._z[:, None]
        self._outer = np.empty((dim + 2, dim + 2))
        self.blocks = np.zeros((arms, dim + 1, dim))
        self.flat = self.blocks.reshape(arms * (dim + 1), dim)
        self._product = np.empty(arms * (dim + 1))
        grid = self._product.reshape(arms, dim + 1)
        self.products, self.means = grid[:, :dim], grid[None, :, dim]
        self.spreads = np.empty(arms)
        self._asked = b""  # the context that products, means and spreads are of
        self.residuals, self.evidence = np.zeros(arms), np.zeros(arms)
        self._block_views = [(block, block.T) for block in self.blocks]
        self._sum_views = list(self.sums)
        self.steps = [0] * arms
        self.stale = set(range(arms))
        self.ticked = 0.0

    @property
    def arms(self) -> int:
        return len(self.sums)

    def add_arm(self) -> None:
        side = self.prior.dim + 2
        self.sums = np.concatenate((self.sums, np.zeros((1, side, side))))
        self.clocks = np.append(self.clocks, 0.0)
        self.observations = np.append(self.observations, 0.0)
        self._lay_out()

    def drop_arm(self, arm: int) -> None:
        self.sums[arm] = self.clocks[arm] = self.observations[arm] = 0.0
        self.stale.add(arm)

    def copy(self) -> Self:
        """An independent copy. It rebuilds its caches when it is first read."""
        arrays = self.sums.copy(), self.clocks.copy(), self.observations.copy()
        return type(self)(self.prior, *arrays)

    def canonical(self) -> Mapping[str, NDArray[Any]]:
        views = {}
        for name in ("sums", "clocks", "observations"):
            views[name] = getattr(self, name).view()
            views[name].flags.writeable = False
        return views

    def adopt(self, prior: Prior) -> None:
        """Go on under another prior: the sums hold for any, the caches for one."""
        if prior != self.prior:
            self.prior = prior
            self._lay_out()

    def learn(self, arm: int, x: Array, quality: float, weight: float, clock: float) -> None:
        """One more observation. O(d^2); the sums in plain elementwise order of arrival."""
        prior, (block, transposed) = self.prior, self._block_views[arm]
        if not isfinite(float(x.dot(x)) + quality + weight + clock) or weight < 0.0:
            raise ValueError("context, quality, weight and clock must be finite, weight >= 0")
        share = weight
        if prior.half_life is not None:
            share *= self._aged(arm, clock)
            if clock > self.ticked:
                self.stale.add(arm)
        elif clock > self.clocks[arm]:
            self.clocks[arm] = clock
        self._add(arm, x, quality, share)
        self.observations[arm] += weight
        if self.stale and arm in self.stale:
            return
        if prior.half_life is not None:
            share = weight * faded(self.ticked - clock, prior.half_life)
        u = block.dot(x)  # [A^-1 x, mean]
        v = u[:-1]
        error = float(u[-1]) - quality
        u[-1] = error
        growth = 1.0 + share * float(v.dot(x))
        if not LEAST_GROWTH <= growth <= MOST_GROWTH:  # nor where it is not a number
            self.stale.add(arm)
            return
        scale = share / growth
        dger(-scale, v, u, 1, 1, transposed, 1, 1, 1)
        self._asked = b""
        self.residuals[arm] += scale * error * error
        self.evidence[arm] += share
        self.steps[arm] += 1
        if self.steps[arm] >= STEPS_PER_REBUILD:
            self.stale.add(arm)

    def revise(
        self, arm: int, x: Array, old: float, new: float | None, weight: float, clock: float
    ) -> None:
        """Replace or withdraw an observation that was learned with this weight and clock."""
        if not isfinite(float(x.dot(x)) + old + (new or 0.0) + weight + clock) or weight < 0.0:
            raise ValueError("context, qualities, weight and clock must be finite, weight >= 0")
        if self.observations[arm] < weight * (1.0 - 1e-9):
            raise ValueError(f"arm {arm} has seen less weight than is to be revised")
        share = weight * self._aged(arm, clock)
        sums = self.sums[arm]
        if new is None:
            self._add(arm, x, old, -share)
            self.observations[arm] -= weight
        else:
            sums[-2, :-2] += share * (new - old) * x
            sums[-2, -2] += share * (new * new - old * old)
            sums[-2, -1] += share * (new - old)
            sums[:, -2] = sums[-2]
        if new is None or arm in self.stale or clock > self.ticked:
            self.stale.add(arm)
        else:  # the precision is as it was: no need for a rebuild
            block = self.blocks[arm]
            share = weight * faded(self.ticked - clock, self.prior.half_life)
            block[-1] += share * (new - old) * block[:-1].dot(x)
            self._asked = b""
            self._settle(arm)

    def _aged(self, arm: int, clock: float) -> float:
        """Age the arm's sums up to `clock`; the weight that an observation of `clock` then has."""
        ahead = clock - float(self.clocks[arm])
        if ahead > 0.0 or not self.observations[arm]:
            self.sums[arm] *= faded(ahead, self.prior.half_life)
            self.clocks[arm] = clock
            return 1.0
        return faded(-ahead, self.prior.half_life)

    def _add(self, arm: int, x: Array, quality: float, share: float) -> None:
        z = self._z
        z[:-2] = x
        z[-2] = quality
        sums, outer = self._sum_views[arm], self._outer
        np.multiply(self._z_column, z, outer)
        if share != 1.0:
            np.multiply(outer, share, outer)  # after the product: the sums stay symmetric
        np.add(sums, outer, sums)

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
        precision = prior.precision()
        matrix = aged[:d, :d]
        matrix[np.arange(d), np.arange(d)] += precision
        inverse, _ = dpotri(_factor(matrix, precision), lower=1)
        inverse = inverse + inverse.T  # dpotri leaves zeros above the diagonal
        inverse[np.arange(d), np.arange(d)] *= 0.5
        self.blocks[arm, :d] = inverse.T  # symmetric, and in this order contiguous
        self.blocks[arm, d] = inverse @ (precision * prior.mean() + aged[d, :d])
        self.evidence[arm] = max(float(aged[d + 1, d + 1]), 0.0)
        self.steps[arm] = 0
        self._asked = b""
        self._settle(arm)

    def _settle(self, arm: int) -> None:
        """The penalised squared error of one arm, from its sums and theta."""
        prior, d = self.prior, self.prior.dim
        fade = faded(self.ticked - float(self.clocks[arm]), prior.half_life)
        precision, mean, theta = prior.precision(), prior.mean(), self.blocks[arm, d]
        response = precision * mean + fade * self.sums[arm, d, :d]
        error = fade * self.sums[arm, d, d] + precision @ (mean * mean) - theta @ response
        self.residuals[arm] = max(float(error), 0.0)

    def read(self, contexts: Array, clock: float) -> tuple[Array, Array]:
        """Means and x' A^-1 x of every arm, (n, K). With n = 1 the next read overwrites them."""
        if self.stale or self.prior.half_life is not None:
            self.refresh(clock)
        if len(contexts) == 1:
            # A decision reads twice, for its chances and for what is logged of its beliefs.
            asked = contexts.tobytes()
            if asked != self._asked:
                x = contexts[0]
                self.flat.dot(x, self._product)
                self.products.dot(x, self.spreads)
                self._asked = asked
            return self.means, self.spreads[None]
        arms, dim = self.arms, self.prior.dim
        means, spreads = np.empty((len(contexts), arms)), np.empty((len(contexts), arms))
        step = max(1, 2**18 // max(1, len(self.flat)))  # bounds the memory in use
        for first in range(0, len(contexts), step):
            some = contexts[first : first + step]
            grid = (some @ self.flat.T).reshape(len(some), arms, dim + 1)
            means[first : first + step] = grid[:, :, dim]
            np.einsum("nkd,nd->nk", grid[:, :, :dim], some, out=spreads[first : first + step])
        return means, spreads


def _factor(matrix: Array, precision: Array) -> Array:
    """The lower Cholesky factor of A = `matrix`, or of A with a heavier diagonal where it has none.

    In exact numbers A is at least Lam0. Beside sums of 1e15 a ridge of 1e-3 is rounded away: then
    collinear features leave pivots that are zero, negative or noise, and means and spreads that
    are noise too. So each diagonal element grows by a share of itself, tenfold at a time from
    1e-12, until no pivot is lost in rounding. A share of each and not of the largest:
    the features may differ in scale by 1e12, and a small one keeps what it has learned.
    What withdrawn data leaves behind may be indefinite beyond that: then the diagonal alone,
    at least the prior's, is taken. All of it depends on the arguments only.
    """
    factor: Array
    factor, failed = dpotrf(matrix, lower=1)
    if not failed and _resolved(factor, matrix):
        return factor
    every = np.arange(len(matrix))
    diagonal = np.maximum(matrix[every, every], precision)
    eased = matrix.copy()
    share = ROUNDING
    while share < 1.0:
        eased[every, every] = diagonal * (1.0 + share)
        factor, failed = dpotrf(eased, lower=1)
        if not failed and _resolved(factor, eased):
            return factor
        share *= 10.0
    return np.diag(np.sqrt(diagonal))


def _resolved(factor: Array, matrix: Array) -> bool:
    """Whether every pivot is more than what rounding leaves of its diagonal element."""
    root = factor.diagonal()
    return bool((root * root > ROUNDING * matrix.diagonal()).all())
