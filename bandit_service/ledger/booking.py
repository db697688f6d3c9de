"""What decisions draw on the ledger, and what feedback settles there. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from bandit_service.model import (
    Charge,
    Decision,
    Kind,
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
    """What a call took, in units; None while that is not known."""
    if usage is None:
        return None
    amount = usage.cost_usd if resource is Resource.USD else usage.energy_joules
    return None if amount is None else to_units(resource, amount)


def _usage(standing: Standing, decision_id: str, arm: int) -> Usage | None:
    said = standing.latest(decision_id, arm, Kind.USAGE)
    return None if said is None else said.usage


def _change(charge: Charge, arm: int, old: Usage | None, new: Usage | None) -> tuple[int, int, int]:
    """By how much released, settled and overrun rise for one call: settled is what it took, up to
    what was reserved for it, and overrun the excess."""
    reserved = sum(units for slot, units in charge.arms if slot == arm)
    before, after = taken(old, charge.resource), taken(new, charge.resource)
    if after is None or after == before:
        return 0, 0, 0
    kept, over = min(after, reserved), max(0, after - reserved)
    if before is None:
        return reserved, kept, over
    return 0, kept - min(before, reserved), over - max(0, before - reserved)
