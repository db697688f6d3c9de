"""FGTS.CDB as it should not be built, to show what that costs. No part of the product."""

import numpy as np
from scipy.special import expit

from policies.duel_state import DuelState
from policies.fgts_cdb import FGTSCDB
from policies.policy import Array


class OwnArmState(DuelState):
    """The feel-good term is measured against the arm that the sampler chose itself."""

    __slots__ = ()

    def _feel_good(self, theta: Array, other: int, weights: Array) -> Array:
        return super()._feel_good(theta, 1 - other, weights)


class FixedStepState(DuelState):
    """Plain Langevin dynamics with one step for ever, whatever the curvature has become."""

    __slots__ = ()
    STEP = 0.1

    def _move(self) -> None:
        prior, rows = self.prior, self.rows
        chosen = (int(self.turn[0]) * prior.moved + np.arange(prior.moved)) % prior.draws
        z, weights = self._differences(), self._aged()
        noise = self._noise((prior.steps, 2, prior.moved, len(self.linear)))
        for sampler in (0, 1):
            theta = self.draws[sampler, chosen]
            lead = self._feel_good(theta, 1 - sampler, weights)
            for step in range(prior.steps):
                push = prior.eta * weights * (expit(theta @ z.T) - rows.values)
                slope = prior.ridge * theta + theta @ self.precision - self.linear
                slope += push @ z - prior.mu * lead
                theta = theta - self.STEP * slope
                theta += np.sqrt(2.0 * self.STEP) * noise[step, sampler]
            self.draws[sampler, chosen] = theta
        self.turn += 1.0


class _Variant(FGTSCDB):
    kind: type[DuelState] = DuelState

    def start(self, arms: int) -> DuelState:
        return self.kind(self.prior, arms)


class OwnArm(_Variant):
    kind = OwnArmState


class FixedStep(_Variant):
    kind = FixedStepState
