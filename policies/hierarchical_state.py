"""What hierarchical policies learn: ridge regressions of the arms around one they share.

    theta_a ~ N(beta + lead_a, sigma^2 Lam_a^-1)       each arm's weights
    beta    ~ N(0, sigma^2 Lam_b^-1)                   what all arms have in common
    quality = x' theta_a + noise of variance sigma^2

What makes a query hard makes it hard for every arm: the shared weights learn that from all the
data, so arms are compared as if they had been asked the same queries, and a new arm starts where
the others are. How much the context matters is learned, too: the same is kept for several ridges
(Lam_a, Lam_b), and read from the one under which the data are most likely (the evidence, with
sigma^2 at its most likely value). So context has to earn its influence.

What is known beforehand is in lead_a: a level at the constant, and where there is a warm start
weights and a heavier Lam_a as well. With Lam = Lam_a, V = (Lam + S_xx)^-1 and t = V S_xr of an arm
(of qualities less x' lead_a), all of it follows from the arms' own sums:

    P = Lam_b + sum_a (Lam - Lam V Lam)    beta = P^-1 sum_a Lam t    theta_a = t + V Lam beta
    log evidence = -1/2 [sum_a log |V^-1| / |Lam| + log |P| / |Lam_b|] - (n0 + n) / 2 log sigma^2
    sigma^2 = (n0 noise^2 + R) / (n0 + n)    R = sum_a (S_rr - S_xr' t) - beta' P beta

As in `linear_state`, the sums are the truth and the rest are caches, kept by rank-one steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt

import numpy as np
from scipy.linalg.blas import dger

from policies.aging import faded, tick
from policies.cholesky import factor_of, inverse_of
from policies.linear_state import LEAST_GROWTH, MOST_GROWTH, MOST_KEPT, STEPS_PER_REBUILD
from policies.linear_sums import LinearSums
from policies.policy import Array
from policies.priors import NO_PRIORS, Belief, Priors, beliefs


@dataclass(frozen=True)
class SharedPrior:
    """What the arms start from, and how fast data fades.

    ridges            precisions of the weights of an arm around the shared ones, one a member
    shared_share      precision of the shared weights, as a share of the ridge
    arm_ridge         precision of an arm's constant around the shared one
    intercept_ridge   precision of the shared constant
    levels            prior mean of each arm's constant; arms beyond its end take `level`
    priors            what else is known of single arms; its levels take the place of `levels`
    noise, noise_count   what is believed of sigma, and for how many observations it counts
    """

    dim: int
    half_life: float | None
    intercept: bool
    ridges: tuple[float, ...]
    shared_share: float
    arm_ridge: float
    intercept_ridge: float
    level: float
    levels: tuple[float, ...]
    noise: float
    noise_count: float
    priors: Priors = NO_PRIORS

    def leads(self, arms: int) -> Array:
        """Prior means of the weights around the shared ones, shape (K, d)."""
        leads = np.zeros((arms, self.dim))
        if self.intercept:
            known = list(self.levels[:arms])
            leads[:, -1] = known + [self.level] * (arms - len(known))
        for lead, own in zip(leads, self._beliefs(self.ridges[0]), strict=False):
            if own is not None:
                lead[:] = own.mean
        return leads

    def precisions(self, ridge: float, arms: int) -> Array:
        """Diagonals of Lam, shape (K, d)."""
        diagonals = np.tile(self.precision(ridge), (arms, 1))
        for diagonal, own in zip(diagonals, self._beliefs(ridge), strict=False):
            if own is not None:
                diagonal[:] = own.precision
        return diagonals

    def precision(self, ridge: float) -> Array:
        """Diagonal of Lam of an arm that nothing else is known of, shape (d,)."""
        diagonal = np.full(self.dim, ridge)
        if self.intercept:
            diagonal[-1] = self.arm_ridge
        return diagonal

    def _beliefs(self, ridge: float) -> tuple[Belief | None, ...]:
        mean = np.zeros(self.dim)
        if self.intercept:
            mean[-1] = self.level
        return beliefs(self.priors, mean, self.precision(ridge), self.intercept, self.levels)

    def shared_precision(self, ridge: float) -> Array:
        """Diagonal of Lam_b, shape (d,)."""
        diagonal = np.full(self.dim, ridge * self.shared_share)
        if self.intercept:
            diagonal[-1] = self.intercept_ridge
        return diagonal


class Member:
    """The caches under one ridge.

    blocks (K, d + 1, d) holds [V; t'] of every arm, common (d + 1, d) is [P^-1; beta']; log_growth
    and error are the bracket of the evidence and R; precisions (K, d) is Lam of every arm.
    """

    __slots__ = ("_alike", "_rows", "_views", "blocks", "common", "error", "flat", "log_growth",
                 "precisions", "shared_precision")  # fmt: skip

    def __init__(self, prior: SharedPrior, ridge: float, arms: int) -> None:
        dim = prior.dim
        self.precisions = prior.precisions(ridge, arms)
        self.shared_precision = prior.shared_precision(ridge)
        self._rows = list(self.precisions)
        self._alike = not prior.priors.arms and arms > 0
        self.blocks = np.zeros((arms, dim + 1, dim))
        self.flat = self.blocks.reshape(arms * (dim + 1), dim)
        self._views = [(block, block.T) for block in self.blocks]
        self.common = np.zeros((dim + 1, dim))
        self.log_growth = self.error = 0.0

    def rebuild(self, aged: Sequence[Array], leads: Array) -> None:
        """From the aged sums, K of (d + 2, d + 2), and the arms' leads (K, d) alone."""
        dim = len(self.shared_precision)
        every = np.arange(dim)
        shared = np.diag(self.shared_precision)
        pull = np.zeros(dim)
        self.log_growth = -float(np.log(self.shared_precision).sum())
        self.error = 0.0
        for block, sums, lead, precision in zip(self.blocks, aged, leads, self._rows, strict=True):
            matrix = sums[:dim, :dim].copy()
            matrix[every, every] += precision
            factor = factor_of(matrix, precision)
            inverse = inverse_of(factor)
            response = sums[dim, :dim] - sums[:dim, :dim] @ lead
            block[:dim] = inverse.T  # symmetric, and in this order contiguous
            block[dim] = inverse @ response
            shared -= precision[:, None] * inverse * precision
            shared[every, every] += precision
            pull += precision * block[dim]
            self.log_growth += 2.0 * float(np.log(factor[every, every]).sum())
            self.log_growth -= float(np.log(precision).sum())
            self.error += _centred(sums, lead, dim) - float(response @ block[dim])
        factor = factor_of(shared, self.shared_precision)
        self.log_growth += 2.0 * float(np.log(factor[every, every]).sum())
        self.common[:dim] = inverse_of(factor)
        self.common[dim] = self.common[:dim] @ pull
        self.error = max(self.error - float(pull @ self.common[dim]), 0.0)

    def step(self, arm: int, x: Array, quality: float, share: float) -> bool:
        """One observation more; False, and of no use any more, where a rebuild has to do it."""
        block, transposed = self._views[arm]
        u = block.dot(x)  # [V x, t' x]
        v = u[:-1]
        pulled = self._rows[arm] * v
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
        pulled = self._rows[arm] * v
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
        if self._alike:  # half the time of the general form
            added: Array = products.dot(self._rows[0] * self.common[-1])
            return added
        general: Array = np.einsum("...kd,kd->...k", products, self.precisions * self.common[-1])
        return general


class HierarchicalState(LinearSums):
    """The sums of `LinearSums`, with caches for each ridge, expressed at `ticked`."""

    __slots__ = ("_asked", "_noise", "_product", "_read", "evidence", "leads", "means", "members",
                 "products", "spreads", "stale", "steps", "ticked")  # fmt: skip

    prior: SharedPrior

    def _lay_out(self) -> None:
        super()._lay_out()
        arms, dim = len(self.sums), self.prior.dim
        self.members = [Member(self.prior, ridge, arms) for ridge in self.prior.ridges]
        self.leads = self.prior.leads(arms)
        self._product = np.empty(arms * (dim + 1))
        self.products = self._product.reshape(arms, dim + 1)[:, :dim]
        self.means, self.spreads = np.empty(arms), np.empty(arms)
        self._asked = b""  # the contexts that means, spreads and noise, or _read, are of
        self._read: tuple[Array, Array]
        self._noise = 0.0
        self.evidence = 0.0  # weight seen, aged
        self.steps, self.stale, self.ticked = 0, True, 0.0

    def _forget_caches_of(self, arm: int) -> None:
        self.stale = True

    def learn(self, arm: int, x: Array, quality: float, weight: float, clock: float) -> None:
        """One more observation. O(d^2) a ridge."""
        self._absorb(arm, x, quality, weight, clock)
        half_life = self.prior.half_life
        if half_life is not None and clock > self.ticked:
            self.stale = True
        if self.stale:
            return
        share = weight if half_life is None else weight * faded(self.ticked - clock, half_life)
        self._asked = b""
        self.evidence += share
        self.steps += 1
        own = quality - float(self.leads[arm].dot(x))
        steady = [member.step(arm, x, own, share) for member in self.members]
        self.stale = not all(steady) or self.steps >= STEPS_PER_REBUILD * self.arms

    def revise(
        self, arm: int, x: Array, old: float, new: float | None, weight: float, clock: float
    ) -> None:
        """Replace or withdraw an observation that was learned with this weight and clock."""
        self._amend(arm, x, old, new, weight, clock)
        self._asked = b""
        half_life = self.prior.half_life
        if new is None or (half_life is not None and clock > self.ticked):
            self.stale = True
        if self.stale or new is None:
            return
        share = weight * faded(self.ticked - clock, half_life)
        led = float(self.leads[arm].dot(x))
        for member in self.members:
            member.replace(arm, x, old - led, new - led, share)

    def refresh(self, clock: float) -> None:
        """Make the caches those of reading at `clock`. The sums stay as they are."""
        half_life = self.prior.half_life
        if half_life is not None:
            at = tick(clock, half_life)
            if at != self.ticked:
                self.ticked, self.stale = at, True
        if not self.stale:
            return
        fades = [faded(self.ticked - at, half_life) for at in self.clocks.tolist()]
        aged = [sums * fade for sums, fade in zip(self.sums, fades, strict=True)]
        for member in self.members:
            member.rebuild(aged, self.leads)
        self.evidence = max(float(sum(sums[-1, -1] for sums in aged)), 0.0)
        self.steps, self.stale, self._asked = 0, False, b""

    def best(self) -> Member:
        """The member under which the data are most likely; of equals the first."""
        return max(self.members, key=self.log_evidence)

    def log_evidence(self, member: Member) -> float:
        """Up to a constant that all members share."""
        weight = self.prior.noise_count + self.evidence
        return -0.5 * (member.log_growth + weight * log(self.variance(member)))

    def variance(self, member: Member) -> float:
        """sigma^2 as learned so far."""
        prior = self.prior
        believed = prior.noise_count * prior.noise**2
        return (believed + member.error) / (prior.noise_count + self.evidence)

    def read(self, contexts: Array, clock: float) -> tuple[Array, Array, float]:
        """Means and x' V x of every arm, (n, K), and sigma. With n = 1 the next read overwrites."""
        if self.stale or self.prior.half_life is not None:
            self.refresh(clock)
        # A decision reads twice, for its chances and for what is logged of its beliefs.
        asked = contexts.tobytes() if contexts.size <= MOST_KEPT else b""
        if len(contexts) != 1:
            if not asked or asked != self._asked:
                member = self.best()
                self._noise = sqrt(self.variance(member))
                self._asked, self._read = asked, self._read_many(member, contexts)
            return *self._read, self._noise
        if not asked or asked != self._asked:
            member, x = self.best(), contexts[0]
            self._noise = sqrt(self.variance(member))
            member.flat.dot(x, self._product)
            self.products.dot(x, self.spreads)
            np.add(member.shared_means(self.products), self._product[len(x) :: len(x) + 1],
                   self.means)  # fmt: skip
            self.means += self.leads.dot(x)
            self._asked = asked
        return self.means[None], self.spreads[None], self._noise

    def _read_many(self, member: Member, contexts: Array) -> tuple[Array, Array]:
        arms, dim = self.arms, self.prior.dim
        means, spreads = np.empty((len(contexts), arms)), np.empty((len(contexts), arms))
        step = max(1, 2**18 // max(1, len(member.flat)))  # bounds the memory in use
        for first in range(0, len(contexts), step):
            some = contexts[first : first + step]
            grid = (some @ member.flat.T).reshape(len(some), arms, dim + 1)
            np.einsum("nkd,nd->nk", grid[:, :, :dim], some, out=spreads[first : first + step])
            means[first : first + step] = grid[:, :, dim] + member.shared_means(grid[:, :, :dim])
        means += contexts @ self.leads.T
        return means, spreads


def _centred(sums: Array, lead: Array, dim: int) -> float:
    """S_rr of qualities less x' lead."""
    about = sums[:dim, :dim] @ lead - 2.0 * sums[dim, :dim]
    return float(sums[dim, dim] + lead @ about)
