"""Budget controllers: rules that keep a policy within what it may take. Pure, like all policies.

See `policies.budget.controller` for what a controller is, `restraint` for how its prices become
chances, `keeper` for both at work.
"""

from collections.abc import Callable

from policies.budget.consumption import Consumption
from policies.budget.controller import AnyController, Controller, Lasting, Prices, Purse
from policies.budget.keeper import Keeper
from policies.budget.knapsack import KnapsackThreshold
from policies.budget.pacing import Pacing
from policies.budget.resolving import Resolving
from policies.budget.restraint import FIRST_TRIES, FLOOR_SHARE, Exhaustion, Restraint, restrain
from policies.budget.scores import scores
from policies.budget.virtual_queue import VirtualQueue

__all__ = [
    "CONTROLLERS",
    "DEFAULT",
    "FIRST_TRIES",
    "FLOOR_SHARE",
    "Consumption",
    "Controller",
    "Exhaustion",
    "Keeper",
    "KnapsackThreshold",
    "Lasting",
    "Pacing",
    "Prices",
    "Purse",
    "Resolving",
    "Restraint",
    "VirtualQueue",
    "restrain",
    "scores",
]

DEFAULT = "resolving"

CONTROLLERS: dict[str, Callable[[], AnyController]] = {
    "resolving": Resolving,
    "pacing": Pacing,
    "pacing_multiplicative": lambda: Pacing(multiplicative=True, step=0.02),
    "knapsack_threshold": KnapsackThreshold,
    "virtual_queue": VirtualQueue,
}
