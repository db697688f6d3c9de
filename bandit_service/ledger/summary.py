"""Where budgets stand, for people: pace, rest, price, and what comes of it at this pace. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bandit_service.budgets import requests_of
from bandit_service.ledger.booking import amount_of, beside, taken
from bandit_service.model import (
    Budget,
    BudgetWindow,
    Decision,
    Kind,
    OtherKind,
    Outcome,
    PolicyConfig,
    from_units,
    unpack,
)
from bandit_service.standing import Standing

MOST_POINTS = 240

Others = dict[int, dict[OtherKind, float]]  # what calls beside the arms' own took, by window


@dataclass(frozen=True, slots=True)
class Point:
    """After one decision. `spent` is by all decisions of the window so far, what is not known of
    them as it was reserved; `elapsed` the part of the window that was over, in [0, 1]."""

    time: float
    elapsed: float
    spent: float
    shadow_price: float | None


@dataclass(frozen=True, slots=True)
class BudgetStanding:
    """The latest window of one budget. Amounts are dollars or joules; None is not known.

    elapsed     part of the window that is over: of its time, or of its requests
    pace        spent over what an even pace would have spent by now
    projection  spent at the end of the window, at the pace so far
    shadow_price  points of quality that a unit was worth at the last decision
    by_kind     of what was spent: the arms' own calls (with what is reserved for them), and what
                retries, cascades and judges took
    """

    policy: str
    budget: str
    resource: str
    amount: float
    spent: float
    settled: float
    reserved: float
    leased: float
    overrun: float
    remaining: float
    requests: int
    elapsed: float
    pace: float | None
    projection: float | None
    shadow_price: float | None
    start_time: float | None
    end_time: float | None
    when_exhausted: str
    controller: str
    by_kind: dict[str, float]
    history: tuple[Point, ...]


def standings(
    config: PolicyConfig,
    windows: Iterable[BudgetWindow],
    pages: Iterable[tuple[Sequence[Decision], Iterable[Outcome]]],
    now: float,
) -> list[BudgetStanding]:
    """One a budget of the configuration, in its order. `pages` are decisions since the first of
    the windows began, in order, with what stands of them."""
    by_name = {window.budget: window for window in windows}
    charged: dict[int, list[tuple[float, int, float | None]]] = {
        window.id: [] for window in by_name.values()
    }
    others: Others = {window: dict.fromkeys(OtherKind, 0.0) for window in charged}
    for decisions, outcomes in pages:
        told = Standing(outcomes, ())
        for decision in decisions:
            _charge(decision, told, charged, others)
    return [
        _standing(config.name, budget, by_name.get(budget.name), charged, others, now)
        for budget in config.budgets
    ]


def _charge(
    decision: Decision,
    told: Standing,
    charged: dict[int, list[tuple[float, int, float | None]]],
    others: Others,
) -> None:
    if decision.spending is None:
        return
    spending = unpack(decision.spending)
    prices: list[float | None] = [None] * len(spending.charges)
    if spending.priced is not None:
        first = np.frombuffer(spending.priced.first)
        second = spending.priced.second
        weight = spending.priced.weight
        other = first if second is None else np.frombuffer(second)
        prices = (weight * first + (1.0 - weight) * other).tolist()
    for charge, price in zip(spending.charges, prices, strict=True):
        if charge.window in charged:
            units = 0
            for arm, reserved in charge.arms:
                said = told.latest(decision.id, arm, Kind.USAGE)
                usage = None if said is None else said.usage
                known = taken(usage, charge.resource)
                units += reserved + beside(usage, charge.resource) if known is None else known
                for one in () if usage is None else usage.other_calls:
                    amount = amount_of(one, charge.resource)
                    others[charge.window][one.kind] += amount or 0.0
            charged[charge.window].append((decision.create_time, units, price))


def _standing(
    policy: str,
    budget: Budget,
    window: BudgetWindow | None,
    charged: dict[int, list[tuple[float, int, float | None]]],
    others: Others,
    now: float,
) -> BudgetStanding:
    resource = budget.resource
    if window is None:
        amounts = (0, 0, 0, 0, 0)
        requests, elapsed, spent, start, end = 0, 0.0, 0, None, None
        history: tuple[Point, ...] = ()
        price = None
    else:
        amounts = window.amount, window.settled, window.reserved, window.leased, window.overrun
        requests, spent = window.requests, window.spent
        start, end = window.start_time, window.end_time
        elapsed = _elapsed(budget, window, now, requests)
        history = _history(budget, window, charged[window.id])
        price = charged[window.id][-1][2] if charged[window.id] else None
    amount, settled, reserved, leased, overrun = (from_units(resource, u) for u in amounts)
    used = from_units(resource, spent)
    beside_own = dict.fromkeys(OtherKind, 0.0) if window is None else others[window.id]
    return BudgetStanding(
        policy=policy,
        budget=budget.name,
        resource=resource.value,
        amount=amount,
        spent=used,
        settled=settled,
        reserved=reserved,
        leased=leased,
        overrun=overrun,
        remaining=amount - used,
        requests=requests,
        elapsed=elapsed,
        pace=used / (amount * elapsed) if amount and elapsed else None,
        projection=used / elapsed if elapsed else None,
        shadow_price=price,
        start_time=start,
        end_time=end,
        when_exhausted=budget.when_exhausted.value,
        controller=budget.controller,
        by_kind={
            "own": used - sum(beside_own.values()),
            **{kind.value: amount for kind, amount in beside_own.items()},
        },
        history=history,
    )


def _elapsed(budget: Budget, window: BudgetWindow, time: float, requests: int) -> float:
    if window.end_time is None:
        return min(requests / (requests_of(budget) or 1), 1.0)
    length = window.end_time - window.start_time
    return min(max((time - window.start_time) / length, 0.0), 1.0)


def _history(
    budget: Budget, window: BudgetWindow, charged: Sequence[tuple[float, int, float | None]]
) -> tuple[Point, ...]:
    """At most MOST_POINTS, evenly by decisions, the last one included."""
    sums = np.cumsum([units for _, units, _ in charged], dtype=np.float64)
    count = len(charged)
    shown = min(MOST_POINTS, count)
    places = np.arange(1, shown + 1) * count // max(shown, 1) - 1
    return tuple(
        Point(
            time=charged[place][0],
            elapsed=_elapsed(budget, window, charged[place][0], place + 1),
            spent=from_units(budget.resource, float(sums[place])),
            shadow_price=charged[place][2],
        )
        for place in places.tolist()
    )
