"""LinUCB with one ridge regression per arm.

Sources: Li, Chu, Langford and Schapire (2010), "A Contextual-Bandit Approach to Personalized
News Article Recommendation", algorithm 1, arXiv:1003.0146. The `oful` width is that of
Abbasi-Yadkori, Pal and Szepesvari (2011), "Improved Algorithms for Linear Stochastic Bandits",
theorem 2 (NeurIPS 24), with the determinant bounded by the number of observations.

Departs from them: best arms within a relative 1e-9 of each other share the chance; the prior
may have its own precision and mean on the constant feature; data can fade (the prior never
does), and the oful width then counts what is left of it.
"""

from dataclasses import dataclass
from itertools import repeat
from math import sqrt
from typing import ClassVar

import numpy as np

from policies.best import FEW, best_of_few, best_split, judged
from policies.linear import LinearPolicy
from policies.linear_state import LinearState
from policies.policy import Array, Mask
from policies.settings import setting


@dataclass(frozen=True, kw_only=True)
class LinUCB(LinearPolicy):
    """Plays the arm whose optimistic quality estimate is highest.

    width  deviations sqrt(x' A^-1 x) added to the mean, in [0, 1e6]; a quality has at most
           a deviation of 1/2, so widths far below 1 explore enough
    oful   take the width from the confidence ellipsoid instead, for contexts with |x| <= 1
    bound  oful: largest norm of an arm's true weights, in [0, 1e6]
    noise  oful: deviation of a quality around its mean, in [0, 1e6]
    delta  oful: chance that an ellipsoid misses, in [1e-12, 1]

    and the settings of `LinearPolicy`. ValueError for a setting out of range.

    >>> policy = LinUCB(dim=1, width=0.1)
    >>> state = policy.start(arms=2)
    >>> policy.probabilities(state, np.ones((1, 1)))
    array([[0.5, 0.5]])
    >>> policy.update(state, 0, np.ones(1), 0.3)
    >>> policy.probabilities(state, np.ones((1, 1)))
    array([[0., 1.]])
    """

    name: ClassVar[str] = "linucb"

    width: float = setting(0.1, least=0, most=1e6)
    oful: bool = False
    bound: float = setting(1.0, least=0, most=1e6)
    noise: float = setting(0.5, least=0, most=1e6)
    delta: float = setting(0.1, least=1e-12, most=1)

    def probabilities(
        self,
        state: LinearState,
        contexts: Array,
        *,
        eligible: Mask | None = None,
        offsets: Array | None = None,
        clock: float = 0.0,
    ) -> Array:
        is_one = eligible is None and len(contexts) == 1 and 1 <= state.arms <= FEW
        if is_one and (offsets is None or offsets.size == state.arms):
            return self._of_few(state, contexts, offsets, clock)
        means, bounds = self.read(state, contexts, clock)
        bounds *= self.radius(state) if self.oful else self.width
        bounds += means
        return best_split(judged(bounds, eligible, offsets))

    def _of_few(
        self, state: LinearState, contexts: Array, offsets: Array | None, clock: float
    ) -> Array:
        """The same for one context and few arms, at half the price."""
        if state.prior is not self.prior:
            state.adopt(self.prior)
        means, spreads = state.read(contexts, clock)
        widths = self.radius(state).tolist() if self.oful else repeat(self.width)
        triples = zip(means[0].tolist(), widths, spreads[0].tolist(), strict=False)
        scores = [m + w * sqrt(s) if s > 0.0 else m for m, w, s in triples]
        if offsets is not None:
            added = offsets.ravel().tolist()
            scores = [one + more for one, more in zip(scores, added, strict=True)]
        return best_of_few(scores)

    def radius(self, state: LinearState) -> Array:
        """Each arm's oful width, shape (K,).

        sqrt(lam) * bound + noise * sqrt(2 ln(1 / delta) + d ln(1 + t / (lam d))), with t the weight
        the arm has seen; of unequal prior precisions each term takes the safe one. With a prior of
        its own an arm's `bound` is on how far its weights are from the prior's.
        """
        least, most = self._precisions(state.arms)
        volume = self.dim * np.log1p(self.evidence(state) / (least * self.dim))
        radius: Array = np.sqrt(volume - 2.0 * np.log(self.delta))
        radius *= self.noise
        radius += self.bound * np.sqrt(most)
        return radius

    def evidence(self, state: LinearState) -> Array:
        """The weight seen, as it counts for the oful width, shape (K,)."""
        return state.evidence

    def _precisions(self, arms: int) -> tuple[Array, Array]:
        """Each arm's least and largest prior precision, both (K,)."""
        plain = self.prior.precision()
        least, most = np.full(arms, plain.min()), np.full(arms, plain.max())
        for arm, own in enumerate(self.prior.beliefs[:arms]):
            if own is not None:
                least[arm], most[arm] = min(own.precision), max(own.precision)
        return least, most
