"""What decisions draw on the ledger, and what feedback settles there. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from bandit_service.model import (
    MOST_UNITS,
    Charge,
    Decision,
    Kind,
    OtherCall,
    Outcome,
    Resource,
    Settlement,
    Usage,
    to_units,
    unpack,
)
from bandit_service.standing import Standing


def draws_of(decisions: Iterable[Decision]) -> dict[int, tuple[int, int]]:
    """Units reserved and decisions made, by lease."""
    drawn: dict[int, tuple[int, int]] = {}
    for decision in decisions:
        for charge in charges_of(decision):
            units, count = drawn.get(charge.lease, (0, 0))
            drawn[charge.lease] = units + charge.reserved, count + 1
    return drawn


def settlements(
    decisions: Mapping[str, Decision], before: Iterable[Outcome], after: Standing
) -> list[Settlement]:
    """What usage that was reported meanwhile changes, one a window; `before` are the outcomes
    that stood of the decisions."""
    calls = {
        (one.decision_id, one.arm)
        for one in after.changed_outcomes.values()
        if one.kind is Kind.USAGE
        and one.decision_id in decisions
        and decisions[one.decision_id].spending is not None
    }
    if not calls:
        return []
    earlier = Standing(before, ())
    sums: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for decision_id, arm in calls:
        old, new = _usage(earlier, decision_id, arm), _usage(after, decision_id, arm)
        for charge in charges_of(decisions[decision_id]):
            change = _change(charge, arm, old, new)
            sums[charge.window] = [a + b for a, b in zip(sums[charge.window], change, strict=True)]
    return [Settlement(window, *sums[window]) for window in sorted(sums) if any(sums[window])]


def charges_of(decision: Decision) -> tuple[Charge, ...]:
    return () if decision.spending is None else unpack(decision.spending).charges


def taken(usage: Usage | None, resource: Resource) -> int | None:
    """What a call took, in units, with the calls beside it; None while its own is not known."""
    own = None if usage is None else amount_of(usage, resource)
    if usage is None or own is None:
        return None
    return min(to_units(resource, own) + beside(usage, resource), MOST_UNITS)


def beside(usage: Usage | None, resource: Resource) -> int:
    """What retries, cascades and judges took, as far as it is known, in units."""
    if usage is None or not usage.other_calls:
        return 0
    told = (amount_of(one, resource) for one in usage.other_calls)
    return min(sum(to_units(resource, one) for one in told if one is not None), MOST_UNITS)


def amount_of(told: Usage | OtherCall, resource: Resource) -> float | None:
    return told.cost_usd if resource is Resource.USD else told.energy_joules


def _usage(standing: Standing, decision_id: str, arm: int) -> Usage | None:
    said = standing.latest(decision_id, arm, Kind.USAGE)
    return None if said is None else said.usage


def _change(charge: Charge, arm: int, old: Usage | None, new: Usage | None) -> tuple[int, int, int]:
    """By how much released, settled and overrun rise for one call: settled is what it took, up to
    what was reserved for it, and overrun the excess."""
    reserved = sum(units for slot, units in charge.arms if slot == arm)
    before, after = (_booked(usage, charge.resource, reserved) for usage in (old, new))
    if taken(new, charge.resource) is None and taken(old, charge.resource) is not None:
        return 0, 0, 0  # what is known stays known
    return after[0] - before[0], after[1] - before[1], after[2] - before[2]


def _booked(usage: Usage | None, resource: Resource, reserved: int) -> tuple[int, int, int]:
    """Released, settled and overrun of one call that has this usage. What it reserved is for its
    own call, while nobody knows what that took: calls beside it come on top."""
    known = taken(usage, resource)
    if known is None:
        return 0, 0, beside(usage, resource)
    return reserved, min(known, reserved), max(0, known - reserved)
