"""Whether a candidate passes a gate: surely enough, and with enough evidence."""

from collections.abc import Sequence

import numpy as np

from bandit_service.evaluation.offpolicy.gates import CANDIDATE, BadGate, Condition
from bandit_service.evaluation.offpolicy.intervals import quantile_at
from bandit_service.evaluation.offpolicy.resampling import OWN, Resampled
from bandit_service.evaluation.offpolicy.results import Check, Gate

ROUNDING = 1e-12


def check_measures(conditions: Sequence[Condition], known: Sequence[str]) -> None:
    """Raises BadGate for a condition on what the log does not tell."""
    for condition in conditions:
        for _, measure in condition.margin.weights:
            if measure not in known:
                raise BadGate("gate", f"{measure} is not known of any judged decision")


def judged(
    text: str,
    conditions: Sequence[Condition],
    found: Resampled,
    lead: str,
    *,
    effective_size: float,
    least: float,
) -> Gate:
    """Every condition has to hold at the unfavourable end of its margin's one-sided interval."""
    checks = []
    for condition in conditions:
        margin = condition.margin.constant
        path = np.full(len(next(iter(found.paths.values()))), margin)
        for (whose, measure), weight in condition.margin.weights.items():
            key = measure, lead if whose == CANDIDATE else OWN
            margin += weight * found.values[key]
            path += weight * found.paths[key]
        bound = quantile_at(path, margin, 1.0 - found.level)
        passed = bound > 0.0 if condition.strict else bound >= -ROUNDING
        checks.append(Check(condition=condition.text, margin=margin, bound=bound, passed=passed))
    problem = ""
    if effective_size < least:
        problem = (
            f"the log says as much as {effective_size:,.0f} decisions of its own; "
            f"{least:,.0f} are asked for"
        )
    passed = not problem and all(check.passed for check in checks)
    return Gate(text=text, passed=passed, checks=tuple(checks), problem=problem)
