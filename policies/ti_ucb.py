"""Time-increasing UCB: arms that get better the more they are played, until they do not.

Source: Xia et al. (2024), "Which LLM to Play? Convergence-Aware Online Model Selection with
Time-Increasing Bandits", WWW, arXiv:2403.07213. Reconstructed: the paper's constants could not be
read, so the bonus is the exact leverage of the least-squares line, and the detector's threshold is
stated as a false-alarm rate.

Departs from it: the threshold is `alarm` standard errors of the difference that it looks at,
with the noise estimated from the same points; rewards can be late and revised; several can
be read as one point, which thumbs need. The context is not looked at; see `contextual_ti_ucb`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log, sqrt
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from policies.best import best_split, judged
from policies.policy import Array, Estimates, Mask
from policies.rising_state import RisingState, RisingTerms
from policies.settings import check, check_dim_and_half_life, setting

UNKNOWN = 1e3  # added for each point that is missing to the first line


@dataclass(frozen=True, kw_only=True)
class TIUCB:
    """Plays the arm whose line, carried on by one play, promises most.

    dim        number of context features d, >= 1; they are not looked at
    half_life  accepted like everywhere, > 0 or None; here alarms forget, not time
    window     points w of each of the two lines that the detector compares, in [4, 10000]
    block      rewards read as one point: 1, or some 20 for thumbs, in [1, 1000]
    alarm      standard errors from which on an arm has changed, in [1, 100]. At 5 there are
               false alarms in less than 1 % of 10,000 stationary rewards, at 4.5 in up to 5 %
    scale      sub-Gaussian scale of the rewards, 1/2 for anything in [0, 1], in (0, 100]. Less
               gives up the arm that rises slowly
    exponent   the bonus holds with a chance of 1 - t^-exponent, in [0, 10]

    >>> policy = TIUCB(dim=1)
    >>> state = policy.start(arms=2)
    >>> for k in range(20):
    ...     policy.update(state, 0, np.ones(1), 0.5, clock=k)
    ...     policy.update(state, 1, np.ones(1), 0.3 + 0.01 * k, clock=k)
    >>> policy.estimates(state, np.ones((1, 1))).mean.round(2)
    array([[0.5, 0.5]])
    """

    name: ClassVar[str] = "ti_ucb"
    commutative: ClassVar[bool] = False
    state_kind: ClassVar[str] = "rising"
    arms_share: ClassVar[bool] = False

    dim: int
    half_life: float | None = None
    window: int = setting(100, least=4, most=10_000)
    block: int = setting(1, least=1, most=1000)
    alarm: float = setting(5.0, least=1, most=100)
    scale: float = setting(0.5, least=1e-6, most=100)
    exponent: float = setting(2.0, least=0, most=10)
    terms: RisingTerms = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_dim_and_half_life(self.dim, self.half_life)
        check(self)
        if self.window * self.block > 20_000:
            raise ValueError(
                f"window * block must be at most 20000, got {self.window * self.block}"
            )
        object.__setattr__(self, "terms", RisingTerms(self.window, self.block, self.alarm))

    def start(self, arms: int) -> RisingState:
        return RisingState(self.terms, arms)

    def restore(self, canonical: Mapping[str, NDArray[Any]]) -> RisingState:
        return RisingState.restored(self.terms, canonical)

    def probabilities(
        self,
        state: RisingState,
        contexts: Array,
        *,
        eligible: Mask | None = None,
        offsets: Array | None = None,
        clock: float = 0.0,
    ) -> Array:
        scores = np.tile(self._promises(state), (len(contexts), 1))
        return best_split(judged(scores, eligible, offsets))

    def reach(self, state: RisingState) -> float:
        """How many roots of a leverage the bonus is."""
        plays = max(2.0, float(state.observations.sum()))
        return self.scale * sqrt(2.0 * self.exponent * log(plays))

    def _promises(self, state: RisingState) -> Array:
        """Upper bounds on the reward of each arm's next play, (K,)."""
        reach = self.reach(state)
        lines = [state.line(arm) for arm in range(state.arms)]
        return np.array(
            [
                min(1.0, max(0.0, line.ahead)) + reach * sqrt(line.leverage / self.block)
                if line.points >= 2
                else UNKNOWN * (2 - line.points)
                for line in lines
            ]
        )

    def estimates(self, state: RisingState, contexts: Array, *, clock: float = 0.0) -> Estimates:
        """The line's promise and its standard error; of an untaught arm the uniform belief."""
        means, deviations = np.full(state.arms, 0.5), np.full(state.arms, 12.0**-0.5)
        for arm in range(state.arms):
            line = state.line(arm)
            if line.points >= 2:
                noise = self.scale / sqrt(self.block) if np.isnan(line.noise) else line.noise
                means[arm] = min(1.0, max(0.0, line.ahead))
                deviations[arm] = noise * sqrt(line.leverage)
        shape = len(contexts), 1
        return Estimates(np.tile(means, shape), np.tile(deviations, shape))

    def update(
        self,
        state: RisingState,
        arm: int,
        context: Array,
        quality: float,
        *,
        weight: float = 1.0,
        clock: float = 0.0,
    ) -> None:
        if not np.isfinite(context).all():
            raise ValueError("context must be finite")
        state.learn(arm, quality, weight, clock)

    def revise(
        self,
        state: RisingState,
        arm: int,
        context: Array,
        old: float,
        new: float | None,
        *,
        weight: float = 1.0,
        clock: float = 0.0,
    ) -> None:
        state.revise(arm, old, new, weight, clock)
