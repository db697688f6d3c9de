"""What a policy would have earned: simulation over tables of real outcomes, and its judgement; and
estimates from logged traffic.

`table` holds the outcomes, `loading`, `importers` and `synthetic` make tables, `simulation` runs
policies over them through the engine that serves, `references` and `metrics` judge the runs,
`pictures` and `report` show the result. `logs` reads traffic, `offpolicy` judges by it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bandit_service.evaluation.offpolicy.study import replay_study
    from bandit_service.evaluation.study import simulate_study

__all__ = ["replay_study", "simulate_study"]

_PLACES = {"replay_study": "offpolicy.study", "simulate_study": "study"}


def __getattr__(name: str) -> Any:
    """Whoever only loads a table need not wait for scipy and the engine."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
