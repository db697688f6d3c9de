"""MetaLLM: LinUCB whose reward has the price in it.

Source: Nguyen et al. (2024), "MetaLLM: A High-performant and Cost-efficient Dynamic Framework for
Wrapping LLMs", arXiv:2407.10834: reward 1{correct} - p * price / max price, one linear model an
arm, initialised offline by ridge regression (a warm start here).

Departs from it: by default the price is weighed when deciding and quality is learned alone, so that
another price acts at once; `mixed` learns the reward as published. The prior never fades, which the
released script's does.
"""

from dataclasses import dataclass
from typing import ClassVar

from policies import prices as costs
from policies.linear_state import LinearState
from policies.linucb import LinUCB
from policies.policy import Array, Estimates, Mask
from policies.settings import setting


@dataclass(frozen=True, kw_only=True)
class MetaLLM(LinUCB):
    """Plays the arm of the highest quality less price, with LinUCB's width.

    prices        USD for a million tokens in and a million out, an arm
    price_weight  p above: quality that the dearest arm's price is worth, in [0, 1e3]
    mixed         learn quality less price, as published. What was learned is then wrong as soon as
                  a price, or the dearest arm, changes

    and the settings of `LinUCB`; the published script has width 0, ridge 12.94 and prior_mean 0.
    """

    name: ClassVar[str] = "metallm"
    state_kind: ClassVar[str] = "priced"

    prices: costs.Prices = ()
    price_weight: float = setting(0.1, least=0, most=1e3)
    mixed: bool = False

    def probabilities(
        self,
        state: LinearState,
        contexts: Array,
        *,
        eligible: Mask | None = None,
        offsets: Array | None = None,
        clock: float = 0.0,
    ) -> Array:
        if not self.mixed:
            offsets = costs.added(offsets, self._penalties(state.arms))
        return super().probabilities(
            state, contexts, eligible=eligible, offsets=offsets, clock=clock
        )

    def estimates(self, state: LinearState, contexts: Array, *, clock: float = 0.0) -> Estimates:
        """Of quality: where the price was learned with it, it is added again."""
        believed = super().estimates(state, contexts, clock=clock)
        if not self.mixed:
            return believed
        return Estimates(believed.mean + self._penalties(state.arms), believed.deviation)

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
        shift = self._shift(state, arm)
        super().update(state, arm, context, quality - shift, weight=weight, clock=clock)

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
        shift = self._shift(state, arm)
        after = None if new is None else new - shift
        super().revise(state, arm, context, old - shift, after, weight=weight, clock=clock)

    def _shift(self, state: LinearState, arm: int) -> float:
        return float(self._penalties(state.arms)[arm]) if self.mixed else 0.0

    def _penalties(self, arms: int) -> Array:
        """p * price / max price, (K,)."""
        penalties: Array = self.price_weight * costs.shares(self.prices, arms)
        return penalties
