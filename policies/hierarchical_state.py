"""What hierarchical policies learn: ridge regressions of the arms around one they share.

    theta_a ~ N(beta + lead_a, sigma^2 Lam^-1)     each arm's weights
    beta    ~ N(0, sigma^2 Lam_b^-1)               what all arms have in common
    quality = x' theta_a + noise of variance sigma^2

What makes a query hard makes it hard for every arm: the shared weights learn that from all the
data, so arms are compared as if they had been asked the same queries, and a new arm starts where
the others are. How much the context matters is learned, too: the same is kept for several ridges
(Lam, Lam_b), and read from the one under which the data are most likely (the evidence, with
sigma^2 at its most likely value). So context has to earn its influence.

A weight that something was told of does not lean on beta: what was told is no lead over the others.

    theta_ai ~ N(told_ai + gamma_i, sigma^2 / D_ai)    gamma_i ~ N(0, sigma^2 / G_i)

so before any data its mean is what was told, whatever the other arms have learned. Its variance
1 / D + 1 / G is that of an untold weight which has been looked at n_eff times; and half of it, for
the arm that is known best, is gamma's, which the told arms share: what was told of them was often
learned from the same queries, and is wrong in the same way.

In general, then, each weight leans on one of m shared ones with precision L; E_a (d, m) says which.
With D = Lam where nothing was told, V = (D + S_xx)^-1 and t = V S_xr of an arm (of qualities less
x' lead_a, the lead being what was told), all of it follows from the arms' own sums:

    P = L + sum_a E' (D - D V D) E    beta = P^-1 sum_a E' D t    theta_a = lead + t + V D E beta
    log evidence = -1/2 [sum_a log |V^-1| / |D| + log |P| / |L|] - (n0 + n) / 2 log sigma^2
    sigma^2 = (n0 noise^2 + R) / (n0 + n)    R = sum_a (S_rr - S_xr' t) - beta' P beta

As in `linear_state`, the sums are the truth and the rest are caches, kept by rank-one steps.
"""

from math import log, sqrt

import numpy as np

from policies.aging import faded, tick
from policies.hierarchical_member import Member
from policies.hierarchical_prior import SharedPrior
from policies.linear_state import MOST_KEPT, STEPS_PER_REBUILD
from policies.linear_sums import LinearSums
from policies.policy import Array


class HierarchicalState(LinearSums):
    """The sums of `LinearSums`, with caches for each ridge, expressed at `ticked`."""

    __slots__ = ("_asked", "_noise", "_product", "_read", "evidence", "means", "members",
                 "products", "spreads", "stale", "steps", "ticked")  # fmt: skip

    prior: SharedPrior

    def _lay_out(self) -> None:
        super()._lay_out()
        arms, dim = len(self.sums), self.prior.dim
        self.members = [Member(self.prior, ridge, arms) for ridge in self.prior.ridges]
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
        steady = [member.step(arm, x, quality, share) for member in self.members]
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
        for member in self.members:
            member.replace(arm, x, old, new, share)

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
            member.rebuild(aged)
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
        return means, spreads
