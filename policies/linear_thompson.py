"""Linear-Gaussian Thompson sampling with exact chances.

Sources: Agrawal and Goyal (2013), "Thompson Sampling for Contextual Bandits with Linear Payoffs",
arXiv:1209.3352; with unknown noise the normal-inverse-gamma model of Riquelme, Tucker and Snoek
(2018), "Deep Bayesian Bandits Showdown", arXiv:1802.09127, section 3.

Departs from them: nothing is sampled. With one model per arm the draws x' theta_a of one decision
are independent scalars, so the chance that arm a draws the highest is a one-dimensional integral,
and whoever draws the arm from these chances follows the same law. Each arm has its own
theta and its own noise. With unknown noise the draws are Student-t with 2a degrees of freedom.
"""

from dataclasses import dataclass
from math import lgamma
from typing import ClassVar

import numpy as np
from scipy.special import stdtr

from policies import gaussian_best, piecewise_best
from policies.best import judged
from policies.linear import LinearPolicy
from policies.linear_state import LinearState
from policies.policy import Array, Estimates, Mask
from policies.settings import setting

TAIL = 13.0  # decimal digits: what lies beyond a Student-t draw's reach has less than 1e-13
NARROWEST = 1e-9  # as in gaussian_best


@dataclass(frozen=True, kw_only=True)
class LinearThompson(LinearPolicy):
    """Plays each arm as often as it is the best, by what is believed of it.

    width          factor on the deviations drawn with, in [0, 1e6]; 1 is Thompson's own, less is
                   greedier, 0 plays the highest mean. The default leaves most exploration to the
                   optimistic prior
    noise          deviation of a quality around its mean, in [1e-6, 1e6]
    unknown_noise  learn each arm's noise: noise^2 is then inverse-gamma(a0, b0) with
                   b0 = a0 * noise^2 at first. Takes some 20 times longer (a row at a time)
    noise_count    a0 above: how many observations, halved, `noise` counts for, in [0.5, 1e6]

    and the settings of `LinearPolicy`. ValueError for a setting out of range.

    >>> policy = LinearThompson(dim=1, width=1.0, intercept_ridge=1.0, prior_mean=0.5)
    >>> state = policy.start(arms=2)
    >>> policy.update(state, 1, np.ones(1), 1.0)
    >>> policy.probabilities(state, np.ones((1, 1))).round(3)
    array([[0.342, 0.658]])
    """

    name: ClassVar[str] = "linear_thompson"
    draws: ClassVar[bool] = True

    width: float = setting(0.1, least=0, most=1e6)
    noise: float = setting(0.5, least=1e-6, most=1e6)
    unknown_noise: bool = False
    noise_count: float = setting(2.0, least=0.5, most=1e6)

    def probabilities(
        self,
        state: LinearState,
        contexts: Array,
        *,
        eligible: Mask | None = None,
        offsets: Array | None = None,
        clock: float = 0.0,
    ) -> Array:
        means, deviations = self.read(state, contexts, clock)
        means = judged(means, eligible, offsets)
        if not self.unknown_noise:
            deviations *= self.width * self.noise
            return gaussian_best.chance_of_best(means, deviations)
        deviations *= self.width * self.noises(state)
        freedom = self.freedom(state)
        return np.stack(
            [student_best(m, s, freedom) for m, s in zip(means, deviations, strict=True)]
        )

    def estimates(self, state: LinearState, contexts: Array, *, clock: float = 0.0) -> Estimates:
        """`deviation` is sigma * sqrt(x' A^-1 x), without the width; sigma learned if unknown."""
        means, deviations = self.read(state, contexts, clock)
        deviations *= self.noises(state) if self.unknown_noise else self.noise
        return Estimates(means.copy(), deviations)

    def freedom(self, state: LinearState) -> Array:
        """Degrees of freedom 2a of each arm's draws, shape (K,)."""
        return 2.0 * self.noise_count + state.evidence

    def noises(self, state: LinearState) -> Array:
        """sqrt(b / a): each arm's noise as learned so far, shape (K,)."""
        twice_b = 2.0 * self.noise_count * self.noise**2 + state.residuals
        noises: Array = np.sqrt(twice_b / self.freedom(state))
        return noises


def student_best(centre: Array, scale: Array, freedom: Array) -> Array:
    """The chance of each Student-t variable to be the largest, shape (K,); -inf takes no part.

    >>> student_best(np.array([0.3, 0.3]), np.array([1.0, 5.0]), np.array([4.0, 9.0])).round(6)
    array([0.5, 0.5])
    """
    scale = np.maximum(scale, NARROWEST * max(1.0, abs(float(centre.max()))))
    reach = scale * np.sqrt(freedom * np.expm1(2.0 * TAIL * np.log(10.0) / freedom))
    low = float((centre - reach).max())
    kept = centre + reach >= low
    chances = np.zeros(len(centre))
    m, s, nu = centre[kept], scale[kept], freedom[kept]
    if len(m) == 1:
        chances[kept] = 1.0
        return chances
    log_norm = np.array([lgamma((v + 1.0) / 2.0) - lgamma(v / 2.0) for v in nu])
    log_norm -= 0.5 * np.log(np.pi * nu) + np.log(s)

    def density(g: Array) -> Array:
        z = (g - m[:, None]) / s[:, None]
        log_shape = np.log1p(z * z / nu[:, None]) * (-0.5 * (nu[:, None] + 1.0))
        values: Array = np.exp(log_shape + log_norm[:, None])
        return values

    edges = piecewise_best.pieces(low, float((m + reach[kept]).max()), m, s)
    chances[kept] = piecewise_best.chance_of_best(edges, density, stdtr(nu, (low - m) / s))
    return chances
