"""What a decision looked like, for people who ask. Pure."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bandit_service.challenging import INCUMBENT, shares
from bandit_service.eligibility import REASONS, Exclusion
from bandit_service.ledger.booking import beside, taken
from bandit_service.model import (
    ArmExplanation,
    BudgetExplanation,
    ContestantChoice,
    Decision,
    Explanation,
    Judged,
    Kind,
    Outcome,
    PolicyConfig,
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
    policy: str,
    names: Sequence[str],
    decision: Decision,
    outcomes: Sequence[Outcome],
    contestants: Sequence[tuple[ContestantChoice, Judged | None]] = (),
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
            objective_offset=0.0 if added is None else _added(added[slot]),
            shadow_probability=None if shadow is None else float(shadow[slot]),
            second_probability=None if seconds is None else float(seconds[slot]),
            assumed=decision.assumed is not None and bool(decision.assumed[slot]),
            budget_offset=None if worth is None else _added(-worth[slot]),
        )
        for slot, code in enumerate(decision.exclusions)
    ]
    return Explanation(
        policy=policy,
        routed=routed(decision, names),
        context=tuple(np.frombuffer(decision.context).tolist()),
        arms=tuple(arms),
        outcomes=tuple((names[outcome.arm], outcome) for outcome in outcomes),
        contestants=tuple(contestants),
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
            own = taken(usage, charge.resource)
            known = beside(usage, charge.resource) if own is None else own
            if known or own is not None:
                heard.append(known)
        found.append(
            BudgetExplanation(
                budget=charge.budget,
                resource=charge.resource,
                first_price=None if first is None else float(first[place]),
                second_price=None if second is None else float(second[place]),
                weight=None if priced is None else priced.weight,
                reserved=from_units(charge.resource, charge.reserved),
                spent=from_units(charge.resource, sum(heard)) if heard else None,
                is_short=spending.exhausted == charge.budget,
            )
        )
    return tuple(found), worth


def contestants(
    config: PolicyConfig, decision: Decision, judged: Mapping[str, Judged]
) -> list[tuple[ContestantChoice, Judged | None]]:
    """What the incumbent and each challenger would have done. config: of the decision's revision;
    judged: by name, of challengers of the policy as it is now."""
    if decision.challengers is None:
        return []
    chances = np.frombuffer(decision.challengers).reshape(-1, len(decision.exclusions))
    parts = [(INCUMBENT, 1.0 - shares(config))]
    parts += [(one.name, one.share) for one in config.challengers]
    drawn = not (decision.forced or decision.sticky or decision.observed or decision.recovered)
    drawn &= decision.second_arm is None and decision.second_probabilities is None
    names = [arm.name for arm in config.arms]
    found = []
    for (name, share), row in zip(parts, chances, strict=True):
        failed = bool(np.isnan(row[0]))
        choice = ContestantChoice(
            name,
            share,
            None
            if failed
            else {arm: chance for arm, chance in zip(names, row.tolist(), strict=True) if chance},
            float(row[decision.arm]) / decision.propensity if drawn and not failed else None,
        )
        found.append((choice, judged.get(name)))
    return found


def _added(value: float) -> float:
    """Nothing is 0, not -0."""
    return float(value) + 0.0


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
