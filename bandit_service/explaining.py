"""What a decision looked like, for people who ask. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bandit_service.eligibility import REASONS, Exclusion
from bandit_service.ledger.booking import beside, taken
from bandit_service.model import (
    ArmExplanation,
    BudgetExplanation,
    Decision,
    Explanation,
    Kind,
    Outcome,
    Routed,
    from_units,
    unpack,
)
from bandit_service.standing import Standing


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
    budgets, worth = budgets_of(decision, outcomes)
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
            budget_offset=None if worth is None else -float(worth[slot]),
        )
        for slot, code in enumerate(decision.exclusions)
    ]
    return Explanation(
        policy=policy,
        routed=routed(decision, names),
        context=tuple(np.frombuffer(decision.context).tolist()),
        arms=tuple(arms),
        outcomes=tuple((names[outcome.arm], outcome) for outcome in outcomes),
        budgets=budgets,
    )


def budgets_of(
    decision: Decision, outcomes: Sequence[Outcome]
) -> tuple[tuple[BudgetExplanation, ...], NDArray[np.float64] | None]:
    """What each budget did, and what their mean prices took off each arm's quality, (K,); None
    where they did not steer."""
    if decision.spending is None:
        return (), None
    spending = unpack(decision.spending)
    priced, told = spending.priced, Standing(outcomes, ())
    first = second = worth = None
    if priced is not None:
        first = np.frombuffer(priced.first)
        second = None if priced.second is None else np.frombuffer(priced.second)
        other = first if second is None else second
        mean = priced.weight * first + (1.0 - priced.weight) * other
        worth = np.frombuffer(priced.amounts).reshape(-1, len(first)) @ mean
    found = []
    for place, charge in enumerate(spending.charges):
        heard = []
        for arm, _ in charge.arms:
            said = told.latest(decision.id, arm, Kind.USAGE)
            usage = None if said is None else said.usage
            known = taken(usage, charge.resource) or beside(usage, charge.resource)
            if known or taken(usage, charge.resource) is not None:
                heard.append(known)
        found.append(
            BudgetExplanation(
                budget=charge.budget,
                resource=charge.resource,
                first_price=None if first is None else float(first[place]),
                second_price=None if second is None else float(second[place]),
                weight=None if priced is None else priced.weight,
                reserved=from_units(charge.resource, charge.reserved),
                settled=from_units(charge.resource, sum(heard)) if heard else None,
                is_short=spending.exhausted == charge.budget,
            )
        )
    return tuple(found), worth


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
