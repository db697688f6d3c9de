"""What a decision looked like, for people who ask. Pure."""

from collections.abc import Sequence

import numpy as np

from bandit_service.eligibility import REASONS, Exclusion
from bandit_service.model import ArmExplanation, Decision, Explanation, Outcome, Routed


def routed(decision: Decision, names: Sequence[str]) -> Routed:
    """A decision with the names that go back to the caller. names: of the slots."""
    if decision.second_arm is None:
        return Routed(decision, names[decision.arm])
    return Routed(decision, names[decision.arm], names[decision.second_arm])


def explanation(
    policy: str, names: Sequence[str], decision: Decision, outcomes: Sequence[Outcome]
) -> Explanation:
    """All that a decision was made from, with the feedback that stands."""
    probabilities = np.frombuffer(decision.probabilities)
    means, deviations = np.frombuffer(decision.means), np.frombuffer(decision.deviations)
    shadow = None if decision.shadow is None else np.frombuffer(decision.shadow)
    second = decision.second_probabilities
    seconds = None if second is None else np.frombuffer(second)
    added = None if decision.offsets is None else np.frombuffer(decision.offsets)
    arms = [
        ArmExplanation(
            arm=names[slot],
            probability=float(probabilities[slot]),
            ineligible_reason=REASONS[Exclusion(code)],
            quality=_known(means[slot]),
            quality_deviation=_known(deviations[slot]),
            objective_offset=0.0 if added is None else float(added[slot]),
            shadow_probability=None if shadow is None else float(shadow[slot]),
            second_probability=None if seconds is None else float(seconds[slot]),
            assumed=decision.assumed is not None and bool(decision.assumed[slot]),
        )
        for slot, code in enumerate(decision.exclusions)
    ]
    return Explanation(
        policy=policy,
        routed=routed(decision, names),
        context=tuple(np.frombuffer(decision.context).tolist()),
        arms=tuple(arms),
        outcomes=tuple((names[outcome.arm], outcome) for outcome in outcomes),
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
