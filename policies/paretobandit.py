"""ParetoBandit's learner as published, behind its constants.

Source: Taberner-Miller (2026), "ParetoBandit", and its released package: LinUCB with geometric
forgetting, a spread that grows while an arm rests, and a price on a logarithmic scale. Its pacer is
a budget controller, and reaches this learner as offsets.

Departs from it: an arm rests since it last learned, for what is played without feedback is no part
of a fold of the journal; a prior fades from its arm's first observation on; a tenth of the ridge
never fades, where the code puts lam0 back below a tenth; a new arm's forced plays are a chance, not
an override. Its log-scaled price is no shadow price: see `quality_per_usd` for one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from policies import prices as costs
from policies.linear_state import LinearState
from policies.linucb import LinUCB
from policies.pareto_state import ParetoPrior, ParetoState
from policies.policy import Array, Mask
from policies.settings import setting
from policies.trial import with_trial


@dataclass(frozen=True, kw_only=True)
class ParetoBandit(LinUCB):
    """LinUCB that forgets geometrically; the published half-life is 230.7 requests (gamma .997).

    prices        USD for a million tokens in and a million out, an arm
    width         alpha: .01 with a warm start (n_eff 1164), .05 cold
    price_weight  lambda_c: 0 in the published experiments, .3 in the package, in [0, 1e3]
    floor_usd     price for a thousand tokens that costs 0 on the logarithmic scale, in [1e-9, 1e3]
    ceiling_usd   price for a thousand tokens that costs 1, above floor_usd, in [1e-9, 1e3]
    widest        most that rest multiplies a spread by, in [1, 1e6]
    longest       clock units of rest that count, in [0, 1e9]
    burn_in       weight that a new arm has to see until it is played like the others; 20 as
                  published, 0 for none, in [0, 1e6]
    trial         chance that new arms have until then, 1 as published, in [0, 1]

    and the settings of `LinUCB`, with lam0 = 1 and a prior mean of 0.
    """

    name: ClassVar[str] = "paretobandit"
    state_kind: ClassVar[str] = "pareto"

    prices: costs.Prices = ()
    width: float = setting(0.01, least=0, most=1e6)
    ridge: float = setting(1.0, least=1e-3, most=1e6)
    intercept_ridge: float = setting(1.0, least=1e-3, most=1e6)
    prior_mean: float = setting(0.0, least=-1e6, most=1e6)
    price_weight: float = setting(0.0, least=0, most=1e3)
    floor_usd: float = setting(1e-4, least=1e-9, most=1e3)
    ceiling_usd: float = setting(0.1, least=1e-9, most=1e3)
    widest: float = setting(200.0, least=1, most=1e6)
    longest: float = setting(1000.0, least=0, most=1e9)
    burn_in: float = setting(0.0, least=0, most=1e6)
    trial: float = setting(1.0, least=0, most=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ceiling_usd <= self.floor_usd:
            raise ValueError(
                f"ceiling_usd must be above floor_usd ({self.floor_usd:g}), "
                f"got {self.ceiling_usd:g}"
            )
        prior = ParetoPrior.of(self.prior, self.widest, self.longest)
        object.__setattr__(self, "prior", prior)

    def start(self, arms: int) -> ParetoState:
        return ParetoState.empty(self.prior, arms)

    def restore(self, canonical: Mapping[str, NDArray[Any]]) -> ParetoState:
        return ParetoState.restored(self.prior, canonical)

    def probabilities(
        self,
        state: LinearState,
        contexts: Array,
        *,
        eligible: Mask | None = None,
        offsets: Array | None = None,
        clock: float = 0.0,
    ) -> Array:
        if self.price_weight:
            scaled = costs.log_costs(self.prices, state.arms, self.floor_usd, self.ceiling_usd)
            offsets = costs.added(offsets, self.price_weight * scaled)
        chances = super().probabilities(
            state, contexts, eligible=eligible, offsets=offsets, clock=clock
        )
        is_new = state.observations < self.burn_in
        return with_trial(chances, eligible, is_new, self.trial) if is_new.any() else chances
