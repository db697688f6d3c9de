"""MixLLM: quality and cost of every arm, how unsure they are, and a gradient from yes and no.

Source: Wang et al. (2025), "MixLLM: Dynamic Routing in Mixed Large Language Models", NAACL,
arXiv:2502.18482: a score lambda / (1 + lambda) quality - cost / (1 + lambda) + alpha
sqrt(x' A^-1 x), less a penalty for waiting; predictors of quality an arm, trained offline and by
graded feedback; a policy gradient from feedback that is only satisfied or not. The paper was not at
hand: the form is that of two digests, and the constants are reconstructed.

Departs from it: the predictors are ridge regressions, their offline training a warm start; the
gradient moves a linear head beside them, uses the chances that were logged, and has its baseline
taken off as a whole (see `reinforced_state`); cost is the list price as a share of the dearest, and
what calls really cost, and the wait, are for the objective. Chances are a softmax of the scores.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from policies.best import judged
from policies.linear import LinearPolicy
from policies.linear_state import LinearState
from policies.policy import Array, Estimates, Mask
from policies.prices import Prices, shares
from policies.reinforced_state import ReinforcedState
from policies.settings import setting


@dataclass(frozen=True, kw_only=True)
class MixLLM(LinearPolicy):
    """Plays arms by a softmax of their scores.

    prices       USD for a million tokens in and a million out, an arm
    willingness  lambda: how much quality counts beside price, in [0, 1e6]; 1.4 is in the paper's
                 headline. 1e6: price does not matter
    width        alpha: deviations sqrt(x' A^-1 x) added to the score, in [0, 1e6]
    temperature  T of the softmax over scores, in [1e-3, 100]
    refined      qualities train the predictors. Else they stay as they were started, A alone grows
    step         h of the policy gradient, in [0, 100]; 0: there is none

    and the settings of `LinearPolicy`. ValueError for a setting out of range.

    >>> import numpy as np
    >>> policy = MixLLM(dim=1, prices=(1.0, 1.0), temperature=0.01)
    >>> state = policy.start(arms=2)
    >>> policy.update(state, 0, np.ones(1), 0.2)
    >>> policy.probabilities(state, np.ones((1, 1))).round(3)
    array([[0., 1.]])
    """

    name: ClassVar[str] = "mixllm"
    state_kind: ClassVar[str] = "reinforced"

    prices: Prices = ()
    willingness: float = setting(1.4, least=0, most=1e6)
    width: float = setting(0.1, least=0, most=1e6)
    temperature: float = setting(0.02, least=1e-3, most=100)
    refined: bool = True
    step: float = setting(0.0, least=0, most=100)

    @property
    def price_weight(self) -> float:
        """What the dearest arm's price is worth in a score, 1 / (1 + lambda)."""
        return 1.0 / (1.0 + self.willingness) if self.willingness < 1e6 else 0.0

    @property
    def quality_weight(self) -> float:
        return 1.0 - self.price_weight

    def start(self, arms: int) -> ReinforcedState:
        return ReinforcedState.empty(self.prior, arms)

    def restore(self, canonical: Mapping[str, NDArray[Any]]) -> ReinforcedState:
        return ReinforcedState.restored(self.prior, canonical)

    def probabilities(
        self,
        state: LinearState,
        contexts: Array,
        *,
        eligible: Mask | None = None,
        offsets: Array | None = None,
        clock: float = 0.0,
    ) -> Array:
        means, deviations = self._qualities(state, contexts, clock)
        scores = self.quality_weight * means + self.width * deviations
        scores -= self.price_weight * shares(self.prices, state.arms)
        judgements = judged(scores, eligible, offsets)
        lead = judgements - judgements.max(axis=1, keepdims=True)
        odds: Array = np.exp(lead / self.temperature)
        odds /= odds.sum(axis=1, keepdims=True)
        return odds

    def estimates(self, state: LinearState, contexts: Array, *, clock: float = 0.0) -> Estimates:
        return Estimates(*self._qualities(state, contexts, clock))

    def _qualities(self, state: LinearState, contexts: Array, clock: float) -> tuple[Array, Array]:
        """What predictors and gradient say together, and the predictors' deviations, (n, K)."""
        means, deviations = self.read(state, contexts, clock)
        means = means.copy()
        if self.step:
            assert isinstance(state, ReinforcedState)
            rate = self.step * self.quality_weight / self.temperature
            means += rate * (contexts @ state.direction.T)
        return means, deviations

    def reinforce(
        self,
        state: ReinforcedState,
        arm: int,
        context: Array,
        old: float | None,
        new: float | None,
        chances: Array,
        *,
        clock: float = 0.0,
    ) -> None:
        """Kept whatever the step is now: another one then acts at once."""
        state.reinforce(arm, context, old, new, chances, clock)

    def follows_choices(self) -> bool:
        return self.step > 0.0

    def update(  # type: ignore[override]  # of these sums
        self,
        state: LinearState,
        arm: int,
        context: Array,
        quality: float,
        *,
        weight: float = 1.0,
        clock: float = 0.0,
    ) -> None:
        said = self._heard(arm, context, quality)
        super().update(state, arm, context, said, weight=weight, clock=clock)

    def revise(  # type: ignore[override]  # of these sums
        self,
        state: LinearState,
        arm: int,
        context: Array,
        old: float,
        new: float | None,
        *,
        weight: float = 1.0,
        clock: float = 0.0,
    ) -> None:
        before = self._heard(arm, context, old)
        after = None if new is None else self._heard(arm, context, new)
        super().revise(state, arm, context, before, after, weight=weight, clock=clock)

    def _heard(self, arm: int, context: Array, quality: float) -> float:
        """What the predictors are taught; without `refined`, nothing that they did not say before.
        A quality that is no number stays one."""
        if self.refined:
            return quality
        return float(self.prior.mean(arm) @ context) + 0.0 * quality
