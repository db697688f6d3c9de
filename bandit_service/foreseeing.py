"""What a configuration would make of recent traffic, with what the policy knows now. Pure, but for
copying a state."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

import policies
from bandit_service import configuration
from bandit_service.affording import CLOSE, afforded
from bandit_service.budgets import requests_of
from bandit_service.calls import CallStatistics
from bandit_service.configuration import ShapeOf
from bandit_service.engine import PolicyEngine
from bandit_service.model import (
    Budget,
    BudgetForecast,
    Decision,
    PolicyConfig,
    Query,
    Resource,
)
from bandit_service.offsets import amounts, offsets, too_slow, without
from bandit_service.resampling import Resamples

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

AT_ONCE = 128  # rows, so that the interpreter is never taken for long


class Snapshot(msgspec.Struct, frozen=True):
    """What a policy is and knows at one moment, to be used in another thread."""

    config: PolicyConfig
    sums: Mapping[str, NDArray[Any]]
    calls: CallStatistics
    clock: float
    shape_of: ShapeOf

    @staticmethod
    def of(engine: PolicyEngine) -> "Snapshot":
        return Snapshot(
            config=engine.config,
            sums={name: sums.copy() for name, sums in engine.state.canonical().items()},
            calls=engine.calls.copy(),
            clock=float(engine.requests) if engine.counts_requests() else engine.update_time,
            shape_of=engine.shape_of,
        )


class Traffic(msgspec.Struct, frozen=True):
    """What n decisions were made of: queries, contexts (n, d), and eligible arms (n, K).

    per_second   decisions of the policy; None where there are too few to tell
    """

    decisions: Sequence[Decision]
    queries: Sequence[Query]
    contexts: Array
    eligible: Mask
    per_second: float | None = None


class Foreseen(NamedTuple):
    """Chances (n, K), and what they make of each budget of the configuration."""

    chances: Array
    budgets: tuple[BudgetForecast, ...]


def foreseen(
    snapshot: Snapshot,
    config: PolicyConfig,
    traffic: Traffic,
    clock: float,
    resamples: Resamples,
) -> Foreseen:
    """Under one configuration, within its budgets as far as they can be kept."""
    policy = configuration.build(config, traffic.contexts.shape[1])
    state = policy.restore(snapshot.sums)
    slow = too_slow(config.objective, snapshot.calls)
    eligible = traffic.eligible if slow is None else without(slow, traffic.eligible)
    weighed = offsets(config.objective, config.arms, snapshot.calls, traffic.queries)
    added = None if weighed is None else weighed.added

    def learner(offsets: Array | None, eligible: Mask | None) -> Array:
        """offsets: (n, K), or (1, K) for all."""

        def chances(part: slice) -> Array:
            own = offsets if offsets is None or len(offsets) == 1 else offsets[part]
            return policy.probabilities(
                state,
                traffic.contexts[part],
                eligible=None if eligible is None else eligible[part],
                offsets=own,
                clock=clock,
            )

        return in_pieces(len(traffic.queries), chances)

    allowed = [_allowed(budget, traffic.per_second) for budget in config.budgets]
    if not config.budgets:
        made = learner(added, eligible)
        return Foreseen(policies.with_floor(made, eligible, config.floor), ())
    taken = _taken(config, snapshot.calls, traffic.queries)
    kept = [place for place, one in enumerate(allowed) if one is not None]
    # As in service: what nothing is known of cannot be kept within a budget.
    known = eligible & ~np.isnan(taken[:, :, kept]).any(axis=2)
    eligible = np.where(known.any(axis=1, keepdims=True), known, eligible)
    if kept:
        means = in_pieces(
            len(traffic.queries),
            lambda part: policy.estimates(state, traffic.contexts[part], clock=clock).mean,
        )
        targets = np.array([one for one in allowed if one is not None])
        within = np.nan_to_num(taken[:, :, kept])
        chances, prices, _ = afforded(
            learner, means, added, eligible, within, targets, config.floor
        )
    else:
        made, prices = learner(added, eligible), np.empty(0)
        chances = policies.with_floor(made, eligible, config.floor)
    by_place = dict(zip(kept, prices.tolist(), strict=True))
    forecasts = [
        _forecast(budget, one, by_place.get(place), chances, taken[:, :, place], resamples)
        for place, (budget, one) in enumerate(zip(config.budgets, allowed, strict=True))
    ]
    return Foreseen(chances, tuple(forecasts))


def in_pieces(rows: int, work: Callable[[slice], Array]) -> Array:
    """Of so many rows, (rows, K)."""
    starts = range(0, max(rows, 1), AT_ONCE)
    return np.concatenate([work(slice(start, start + AT_ONCE)) for start in starts])


def _allowed(budget: Budget, per_second: float | None) -> float | None:
    """Of one decision, on average; None where nobody knows how many a window has."""
    if budget.rate:
        return budget.amount
    if budget.window is None:
        return budget.amount / (requests_of(budget) or 1)
    return None if per_second is None else budget.amount / max(1.0, per_second * budget.window)


def _taken(config: PolicyConfig, calls: CallStatistics, queries: Sequence[Query]) -> Array:
    """What each budget's resource takes of a call, (n, K, R); NaN where nothing is known."""
    cost, _, energy = amounts(config.arms, calls, queries, (True, False, True))
    assert cost is not None
    assert energy is not None
    both = {Resource.USD: cost, Resource.JOULES: energy}
    return np.stack([both[budget.resource] for budget in config.budgets], axis=2)


def _forecast(
    budget: Budget,
    allowed: float | None,
    price: float | None,
    chances: Array,
    taken: Array,
    resamples: Resamples,
) -> BudgetForecast:
    each = np.where(chances > 0.0, chances * taken, 0.0).sum(axis=1)
    spent = None if np.isnan(each).any() else resamples.mean(each)
    why_not = (
        ""
        if allowed is not None
        else ("how many decisions a window has is not known: there is too little traffic")
    )
    exhausted = 0.0
    if allowed is not None and spent is not None and spent.value > (1.0 + CLOSE) * allowed:
        exhausted = 1.0 - allowed / spent.value
    return BudgetForecast(budget, spent, allowed, price, exhausted, why_not)
