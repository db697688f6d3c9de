"""What a call of each arm is expected to take, and what the objective makes of it. Pure."""

from collections.abc import Iterable, Sequence
from math import isnan

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandit_service.calls import COST, ENERGY, INPUT, LATENCY, OUTPUT, CallStatistics
from bandit_service.model import Arm, ArmState, Objective, Query
from bandit_service.weighing import REFERENCE_TOKENS, Weights, weights_of

Array = NDArray[np.float64]


FEWEST_LATENCIES = 5  # calls, before an arm is called slow
MOST_SECONDS_BEYOND = 20.0  # of a limit: what follows is as bad


class Offsets(msgspec.Struct, frozen=True):
    """What the objective adds to each arm's quality.

    added    (n, K)  in points; <= 0
    assumed  (n, K)  whether an amount that weighed was not known; None where all were
    """

    added: Array
    assumed: NDArray[np.bool_] | None


def offsets(
    objective: Objective, arms: Sequence[Arm], calls: CallStatistics, queries: Sequence[Query]
) -> Offsets | None:
    """None if quality is all that counts, for all of the queries.

    An arm of unknown cost, latency or energy takes the upper quartile of the others: unknown is
    never free.
    """
    own = weights_of(objective)
    asked = [query.objective for query in queries]
    if any(asked):
        each = [own if one is None else weights_of(objective, one) for one in asked]
        weights = np.array(each)
    else:
        weights = np.array([own])  # of all of them
    waiting = _waiting(objective, calls)
    if waiting is None and not weights.any():
        return None
    needed = [bool(weight.any()) for weight in weights.T]
    known = amounts(arms, calls, queries, needed)
    gone = removed(arms)
    total = np.zeros((len(queries), len(arms)))
    flags: NDArray[np.bool_] | None = None
    if waiting is not None:
        total -= filled(waiting, gone)
        missing = np.isnan(waiting)
        if missing.any():
            flags = np.tile(missing, (len(queries), 1))
    for amount, weight in zip(known, weights.T, strict=True):
        if amount is None:
            continue
        total -= weight[:, None] * filled(amount, gone)
        missing = np.isnan(amount)
        if missing.any():
            missing &= (weight > 0.0)[:, None]
            flags = missing if flags is None else flags | missing
    return Offsets(total, flags if flags is not None and flags.any() else None)


class Weigher:
    """`offsets` of one configuration, kept until a call is heard of for queries that say nothing
    of their tokens, and ask for nothing of their own: most of them."""

    def __init__(self, objective: Objective, arms: Sequence[Arm]) -> None:
        self._objective, self._arms = objective, arms
        self._by: Array | None = None  # the means that `_usual` was made of
        self._usual: Offsets | None = None
        # Points of a dollar, a second and a joule, where arms have nothing but means of their own.
        self._plain: Weights | None = None
        self._columns: list[int] = []
        self._points = np.empty(0)
        is_plain = not removed(arms).any() and objective.latency_limit is None
        if is_plain and not any(arm.input_usd_per_million_tokens == 0.0 for arm in arms):
            self._plain = weights_of(objective)
            each = zip((COST, LATENCY, ENERGY), self._plain, strict=True)
            weighed = [(column, weight) for column, weight in each if weight]
            self._columns = [column for column, _ in weighed]
            self._points = np.array([-weight for _, weight in weighed])

    def offsets(self, calls: CallStatistics, queries: Sequence[Query]) -> Offsets | None:
        """What the function of this name says."""
        if not all(map(_is_silent, queries)):
            return offsets(self._objective, self._arms, calls, queries)
        if self._plain is not None and not any(self._plain):  # quality is all that counts
            return None
        means = calls.means()
        if self._by is not means:
            self._by, self._usual = means, self._of_means(means, calls)
        usual = self._usual
        if usual is None or len(queries) == 1:
            return usual
        rows = len(queries)
        assumed = None if usual.assumed is None else usual.assumed.repeat(rows, axis=0)
        return Offsets(usual.added.repeat(rows, axis=0), assumed)

    def _of_means(self, means: Array, calls: CallStatistics) -> Offsets | None:
        if self._plain is None:
            return offsets(self._objective, self._arms, calls, _SILENT)
        added = means.take(self._columns, axis=1).dot(self._points)
        if isnan(np.add.reduce(added)):  # something has to be guessed
            return offsets(self._objective, self._arms, calls, _SILENT)
        return Offsets(added[None], None)


def _is_silent(query: Query) -> bool:
    return query.objective is None and query.input_tokens is None and query.output_tokens is None


_SILENT = (Query(""),)


def _waiting(objective: Objective, calls: CallStatistics) -> Array | None:
    """Points that each arm's mean wait costs beside the limit, (1, K), NaN where it is not known;
    None without such a limit.

    Source: the waiting-time penalty of MixLLM (Wang et al. 2025), beta exp(gamma (w - xi tau)),
    whose constants are not known: beta is the configured one, gamma 1 a second, xi tau the limit.
    """
    limit, points = objective.latency_limit, objective.quality_at_latency_limit
    if limit is None or points is None:
        return None
    beyond = np.minimum(calls.means()[:, LATENCY] - limit, MOST_SECONDS_BEYOND)
    costs: Array = points * np.exp(beyond)
    return costs[None]


def too_slow(objective: Objective, calls: CallStatistics) -> NDArray[np.bool_] | None:
    """Arms whose calls took longer than the limit in the mean, (K,); None without a hard limit."""
    limit = objective.latency_limit
    if limit is None or objective.quality_at_latency_limit is not None:
        return None
    known = calls.counts[:, LATENCY] >= FEWEST_LATENCIES
    slow: NDArray[np.bool_] = known & (calls.totals[:, LATENCY] > limit * calls.counts[:, LATENCY])
    return slow


def without(slow: NDArray[np.bool_], eligible: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The eligible arms (n, K) without those that are too slow (K,), where any other is left."""
    quick = eligible & ~slow
    return np.where(quick.any(axis=1, keepdims=True), quick, eligible)


def amounts(
    arms: Sequence[Arm],
    calls: CallStatistics,
    queries: Sequence[Query],
    needed: Sequence[bool] = (True, True, True),
) -> tuple[Array | None, Array | None, Array | None]:
    """Expected USD, seconds and joules of a call, each (n, K), NaN where nothing is known; None
    where not needed."""
    means = calls.means()
    cost, latency, energy = needed
    return (
        _expected_cost(arms, means, queries) if cost else None,
        np.tile(means[:, LATENCY], (len(queries), 1)) if latency else None,
        _expected_energy(arms, means, queries) if energy else None,
    )


def removed(arms: Sequence[Arm]) -> NDArray[np.bool_]:
    """Which of the slots are of no use any more, (K,)."""
    return np.array([arm.state is ArmState.REMOVED for arm in arms])


def _expected_cost(arms: Sequence[Arm], means: Array, queries: Sequence[Query]) -> Array:
    """USD a call, (n, K). What is known best of: list prices times the tokens that the caller
    expects; the mean seen; list prices times the mean tokens seen; the list price times what the
    other arms' calls cost for each dollar of theirs; the list price of a reference call."""
    paid = means[:, COST]
    is_told = any(query.input_tokens is not None for query in queries)
    is_free = any(arm.input_usd_per_million_tokens == 0.0 for arm in arms)
    if not (is_told or is_free or np.isnan(paid).any()):
        return np.tile(paid, (len(queries), 1))  # most calls, and a third of the time
    price_in = _column(arm.input_usd_per_million_tokens for arm in arms)
    price_out = _column(arm.output_usd_per_million_tokens for arm in arms)
    told = _column(query.input_tokens for query in queries)[:, None]
    written = _times(_output_tokens(means, queries), price_out)
    expected = (_times(told, price_in) + written) / 1e6
    usual = (_times(means[:, INPUT], price_in) + written) / 1e6
    seen = np.where(np.isnan(paid), usual, paid)
    return _as_listed(np.where(np.isnan(expected), seen, expected), price_in + price_out)


def _as_listed(costs: Array, listed: Array) -> Array:
    """Fills costs (n, K) that are not known by list price (K,), in proportion to those that are;
    where none is, as reference calls, which read as much as they write.

    Without it, the first arm that is tried lends its cost to all others: a dear one would go on
    being chosen, because nothing seemed cheaper.
    """
    unknown = np.isnan(costs) & (listed > 0.0)
    known = ~np.isnan(costs) & (listed > 0.0)
    if not unknown.any():
        return costs
    count = known.sum(axis=1, keepdims=True)
    times = np.where(known, costs, 0.0) / np.where(listed > 0.0, listed, 1.0)
    usual = times.sum(axis=1, keepdims=True) / np.maximum(count, 1)
    usual = np.where(count > 0, usual, REFERENCE_TOKENS / 1e6)
    return np.where(unknown, usual * listed, costs)


def _expected_energy(arms: Sequence[Arm], means: Array, queries: Sequence[Query]) -> Array:
    """Joules a call, (n, K): the mean seen, else what is declared times output tokens.

    Of an arm that has not written yet, the tokens are those of the others, or of a reference
    call: else a dial would not know a large model from a small one before it was tried.
    """
    declared = _column(arm.declared_joules_per_output_token for arm in arms)
    seen = means[:, OUTPUT][~np.isnan(means[:, OUTPUT])]
    usual = float(seen.mean()) if len(seen) else float(REFERENCE_TOKENS)
    tokens = _output_tokens(means, queries)
    tokens = np.where(np.isnan(tokens), usual, tokens)
    return np.where(np.isnan(means[:, ENERGY]), declared * tokens, means[:, ENERGY])


def _output_tokens(means: Array, queries: Sequence[Query]) -> Array:
    """Tokens written, (n, K): the caller's estimate, else the arm's mean."""
    told = _column(query.output_tokens for query in queries)[:, None]
    return np.where(np.isnan(told), means[:, OUTPUT], told)


def _times(tokens: Array, price: Array) -> Array:
    """tokens * price; what is listed at 0 costs nothing, however many tokens there are."""
    product: Array = np.where(price == 0.0, 0.0, tokens * price)
    return product


def filled(amounts: Array, gone: NDArray[np.bool_]) -> Array:
    """Fills what is not known by the row's upper quartile; 0 where no arm is known.

    Arms that are `gone` (K,) do not count among the others.
    """
    amounts = np.where(gone, np.nan, amounts)
    unknown = np.isnan(amounts)
    if not unknown.any():
        return amounts
    whole = amounts.copy()
    for row, missing in zip(whole, unknown, strict=True):
        if missing.any():
            row[missing] = 0.0 if missing.all() else np.nanquantile(row, 0.75)
    return whole


def _column(values: Iterable[float | None]) -> Array:
    listed = [np.nan if value is None else float(value) for value in values]
    return np.array(listed, dtype=np.float64)
