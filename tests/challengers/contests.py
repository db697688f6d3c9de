"""Policies with challengers, for tests."""

from typing import Any

import numpy as np

from bandit_service.model import Algorithm, Challenger, Objective

LINUCB = Algorithm(name="linucb", settings={"width": 0.3})
THOMPSON = Algorithm(name="linear_thompson")

CHEAPER = Challenger(
    name="cheaper", algorithm=THOMPSON, objective=Objective(quality_per_usd=3.0), floor=0.2
)
BOLDER = Challenger(name="bolder", algorithm=LINUCB, floor=0.05)
CONTEXT_FREE = Challenger(name="context-free", algorithm=Algorithm(name="beta_thompson"))


def a_contest(*challengers: Challenger, **changes: Any) -> dict[str, Any]:
    """What to create a policy with."""
    given: dict[str, Any] = {"algorithm": THOMPSON, "floor": 0.1, "challengers": challengers}
    return given | changes


def rows_of(decision: Any) -> Any:
    """(1 + C, K): the incumbent's chances, then each challenger's."""
    return np.frombuffer(decision.challengers).reshape(-1, len(decision.exclusions))
