"""SquareCB: inverse gap weighting on one ridge regression per arm.

Sources: Foster and Rakhlin (2020), "Beyond UCB: Optimal and Efficient Contextual Bandits with
Regression Oracles", arXiv:2002.04926; the weighting is that of Abe and Long (1999), "Associative
Reinforcement Learning using Linear Probabilistic Concepts".

Departs from them: the learning rate grows as gamma0 * sqrt(t) with the observations t of
all arms, known horizon or not; best arms within a relative 1e-9 share what is left over.
Every eligible arm keeps a positive chance, which suits off-policy evaluation.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from policies.best import is_best, judged
from policies.linear import LinearPolicy
from policies.linear_state import LinearState
from policies.policy import Array, Mask
from policies.settings import setting


@dataclass(frozen=True, kw_only=True)
class SquareCB(LinearPolicy):
    """Plays an arm the more rarely, the further its mean is below the best.

    gamma0  the chance of an arm a gap g below the best is 1 / (K + gamma0 sqrt(t) g), with K
            eligible arms and t observations; in [0, 1e9], 0 plays all evenly

    and the settings of `LinearPolicy`. ValueError for a setting out of range.

    >>> policy = SquareCB(dim=1, gamma0=10, prior_mean=0, intercept_ridge=1)
    >>> state = policy.start(arms=2)
    >>> policy.update(state, 1, np.ones(1), 1.6)  # mean 0.8: 1 / (2 + 10 * 0.8) = 0.1
    >>> policy.probabilities(state, np.ones((1, 1)))
    array([[0.1, 0.9]])
    """

    name: ClassVar[str] = "squarecb"

    gamma0: float = setting(10.0, least=0, most=1e9)

    def probabilities(
        self,
        state: LinearState,
        contexts: Array,
        *,
        eligible: Mask | None = None,
        offsets: Array | None = None,
        clock: float = 0.0,
    ) -> Array:
        means, _ = self.read(state, contexts, clock)
        scores = judged(means, eligible, offsets)
        gamma = self.gamma0 * np.sqrt(max(0.0, float(state.observations.sum())))
        gaps = scores.max(axis=1, keepdims=True) - scores
        count = scores.shape[1] if eligible is None else eligible.sum(axis=1, keepdims=True)
        best = is_best(scores)
        if gamma == 0.0:  # an ineligible arm's gap is infinite, and 0 * inf is not 0
            even: Array = np.isfinite(gaps) / count
            return even
        chances: Array = np.where(best, 0.0, 1.0 / (count + gamma * gaps))
        rest = 1.0 - chances.sum(axis=1, keepdims=True)
        chances += best * (rest / best.sum(axis=1, keepdims=True))
        return chances
