"""Discounted LinUCB, with the width that discounted least squares has.

Source: Russac, Vernade and Cappe (2019), "Weighted Linear Bandits for Non-Stationary Environments",
NeurIPS 32, arXiv:1909.09146, algorithm 1. The class that its authors released takes the updated
first matrix for the second one; this is the paper's.

Departs from it: one regression an arm instead of a shared one; age is the time or the requests
since the decision, half gone after `half_life`, for all arms alike; the oful width counts the
squared weights that there are, which is their formula where every round is one observation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from policies.discounted_state import DiscountedState
from policies.linear_state import LinearState
from policies.linucb import LinUCB
from policies.policy import Array


@dataclass(frozen=True, kw_only=True)
class DLinUCB(LinUCB):
    """LinUCB whose width grows for arms that have not been played of late. Without a half-life it
    is LinUCB.

    Settings are those of `LinUCB`.
    """

    name: ClassVar[str] = "d_linucb"
    state_kind: ClassVar[str] = "discounted"

    def start(self, arms: int) -> DiscountedState:
        return DiscountedState.empty(self.prior, arms)

    def restore(self, canonical: Mapping[str, NDArray[Any]]) -> DiscountedState:
        return DiscountedState.restored(self.prior, canonical)

    def evidence(self, state: LinearState) -> Array:
        """Sum of the squared weights, shape (K,)."""
        assert isinstance(state, DiscountedState)
        return state.squared_evidence()
