"""What a policy would have earned: simulation over tables of real outcomes, and its judgement.

`table` holds the outcomes, `loading`, `importers` and `synthetic` make tables, `simulation` runs
policies over them through the engine that serves, `references` and `metrics` judge the runs,
`pictures` and `report` show the result.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bandit_service.evaluation.study import simulate_study

__all__ = ["simulate_study"]


def __getattr__(name: str) -> Any:
    """Whoever only loads a table need not wait for scipy and the engine."""
    if name != "simulate_study":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bandit_service.evaluation.study import simulate_study

    return simulate_study
