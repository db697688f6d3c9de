"""TI-UCB on what the context leaves: arms that get better, on queries that differ.

Source: Xia et al. (2024), arXiv:2403.07213, as in `ti_ucb`, whose arms have one mean for all
queries. Here each arm has a ridge regression on the context besides, and the line and the detector
look at its residuals (r - x' theta): a query that is easy is not taken for a model that improved.

Departs from it: all of that; the bonus has the regression's variance beside the line's leverage.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from policies.best import best_split, judged
from policies.policy import Array, Estimates, Mask
from policies.residual_state import ResidualState, ResidualTerms
from policies.rising_state import RisingState
from policies.settings import setting
from policies.ti_ucb import TIUCB, UNKNOWN


@dataclass(frozen=True, kw_only=True)
class ContextualTIUCB(TIUCB):
    """Plays the arm whose line, carried on by one play, promises most for this query.

    ridge  prior precision of the features' weights, in [1e-3, 1e6]. The last feature is the
           constant 1, whose place the line has

    and the settings of `TIUCB`.

    >>> policy = ContextualTIUCB(dim=2, ridge=1.0)
    >>> state = policy.start(arms=1)
    >>> for k in range(40):
    ...     hard = float(k % 2)
    ...     policy.update(state, 0, np.array([hard, 1.0]), 0.6 - 0.4 * hard, clock=k)
    >>> policy.estimates(state, np.array([[0.0, 1.0], [1.0, 1.0]])).mean.round(1)
    array([[0.6],
           [0.2]])
    """

    name: ClassVar[str] = "contextual_ti_ucb"
    state_kind: ClassVar[str] = "rising_residuals"

    ridge: float = setting(15.0, least=1e-3, most=1e6)

    def __post_init__(self) -> None:
        super().__post_init__()
        terms = ResidualTerms(self.window, self.block, self.alarm, self.dim, self.ridge)
        object.__setattr__(self, "terms", terms)

    def start(self, arms: int) -> ResidualState:
        assert isinstance(self.terms, ResidualTerms)
        return ResidualState(self.terms, arms)

    def restore(self, canonical: Mapping[str, NDArray[Any]]) -> ResidualState:
        return ResidualState.restored(self.terms, canonical)

    def probabilities(
        self,
        state: RisingState,
        contexts: Array,
        *,
        eligible: Mask | None = None,
        offsets: Array | None = None,
        clock: float = 0.0,
    ) -> Array:
        assert isinstance(state, ResidualState)
        explained, spreads = state.explained(contexts)
        points, ahead, leverages, _ = _columns(state)
        missing = np.maximum(2.0 - points, 0.0)
        # The leverage of a line that is not there is infinite, and `reach` may be 0.
        finite = np.where(missing > 0.0, 0.0, leverages)
        scores = self.reach(state) * np.sqrt(finite / self.block + spreads)
        scores += np.minimum(np.maximum(explained + ahead, 0.0), 1.0)
        scores = np.where(missing > 0.0, UNKNOWN * missing, scores)
        return best_split(judged(scores, eligible, offsets))

    def estimates(self, state: RisingState, contexts: Array, *, clock: float = 0.0) -> Estimates:
        """The line's promise with what the query's features add; of an untaught arm the uniform
        belief."""
        assert isinstance(state, ResidualState)
        explained, spreads = state.explained(contexts)
        points, ahead, leverages, noise = _columns(state)
        noise = np.where(np.isnan(noise), self.scale / self.block**0.5, noise)
        means = np.minimum(np.maximum(explained + ahead, 0.0), 1.0)
        deviations = noise * np.sqrt(leverages + self.block * spreads)
        is_known = points >= 2.0
        return Estimates(np.where(is_known, means, 0.5), np.where(is_known, deviations, 12.0**-0.5))

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
        assert isinstance(state, ResidualState)
        state.learn_of(arm, context, quality, weight, clock)

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
        assert isinstance(state, ResidualState)
        state.revise_of(arm, context, old, new, weight, clock)


def _columns(state: RisingState) -> Array:
    """The lines of all arms, (4, K): points, ahead, leverage, noise."""
    lines = [state.line(arm) for arm in range(state.arms)]
    return np.array(lines, dtype=np.float64).reshape(-1, 4).T
