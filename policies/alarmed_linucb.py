"""LinUCB with change alarms: an arm that is not what it was is learned again.

Sources: Page (1954), "Continuous Inspection Schemes", Biometrika 41, for the test; Liu, Lee and
Shroff (2018), "A Change-Detection Based Framework for Piecewise-Stationary Multi-Armed Bandit
Problem", AAAI, arXiv:1711.03539, for CUSUM with a share of uniform exploration, without which no
change of an arm that is not played could be seen.

Departs from them: residuals of a regression are tested, not rewards; an alarm keeps a share of what
was learned and restarts one arm; then this arm is played with a chance of its own for a while. All
of it is in the chances, and nothing overrides a draw.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from policies.alarmed_state import AlarmedState, AlarmPrior
from policies.floor import with_floor
from policies.linear_state import LinearState
from policies.linucb import LinUCB
from policies.policy import Array, Mask
from policies.settings import setting
from policies.trial import with_trial


@dataclass(frozen=True, kw_only=True)
class AlarmedLinUCB(LinUCB):
    """LinUCB whose arms are watched, each by a CUSUM on its residuals.

    limit        CUSUM, in standard deviations, above which there is an alarm, in [1, 1e6]
    drift        deviations that are forgiven at every step, in [0, 5]: half the change to be found
    kept         share of what was learned that an alarm leaves, in [0.001, 1]
    least        weight that an arm needs to be watched, at first and after alarms, in [1, 1e6]
    monitor      share of the traffic spread over all arms, to see changes, in [0, 1]
    trial        chance that goes to the arms after an alarm, in [0, 1]
    trial_plays  weight that an arm has to see until its trial is over, in [0, 1e6]
    noise_count  for how many observations `noise` counts, in [0.5, 1e6]

    and the settings of `LinUCB`. With these there are alarms in some 1 % of runs of 10,000
    stationary qualities of one arm, Gaussian or thumbs (rates .05 to .93), once it is learned.
    """

    name: ClassVar[str] = "alarmed_linucb"
    commutative: ClassVar[bool] = False
    state_kind: ClassVar[str] = "alarmed"

    limit: float = setting(24.0, least=1, most=1e6)
    drift: float = setting(0.25, least=0, most=5)
    kept: float = setting(0.1, least=1e-3, most=1)
    least: float = setting(30.0, least=1, most=1e6)
    monitor: float = setting(0.03, least=0, most=1)
    trial: float = setting(0.1, least=0, most=1)
    trial_plays: float = setting(30.0, least=0, most=1e6)
    noise_count: float = setting(4.0, least=0.5, most=1e6)

    def __post_init__(self) -> None:
        super().__post_init__()
        watched = AlarmPrior.of(
            self.prior,
            drift=self.drift,
            limit=self.limit,
            kept=self.kept,
            noise=self.noise,
            noise_count=self.noise_count,
            least=self.least,
        )
        object.__setattr__(self, "prior", watched)

    def start(self, arms: int) -> AlarmedState:
        return AlarmedState.empty(self.prior, arms)

    def restore(self, canonical: Mapping[str, NDArray[Any]]) -> AlarmedState:
        return AlarmedState.restored(self.prior, canonical)

    def probabilities(
        self,
        state: LinearState,
        contexts: Array,
        *,
        eligible: Mask | None = None,
        offsets: Array | None = None,
        clock: float = 0.0,
    ) -> Array:
        assert isinstance(state, AlarmedState)
        chances = super().probabilities(
            state, contexts, eligible=eligible, offsets=offsets, clock=clock
        )
        if len(state.alarms):
            on_trial: NDArray[np.bool_] = state.alarmed() & (state.since < self.trial_plays)
            chances = with_trial(chances, eligible, on_trial, self.trial)
        return with_floor(chances, eligible, self.monitor)
