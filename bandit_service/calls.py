"""What calls of each arm take, and whether they succeed at all.

Kept apart from quality and weighed against it at decision time, so that a change of
prices or of the objective acts at once and corrupts nothing. Part of the learned
state: a fold of the journal like the rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bandit_service.model import Arm, ArmState, ArmStatistics, Objective, Query, Usage

Array = NDArray[np.float64]

_FIELDS = ("cost_usd", "latency_seconds", "energy_joules", "input_tokens", "output_tokens")
_COST, _LATENCY, _ENERGY, _INPUT, _OUTPUT = range(len(_FIELDS))

# Five failures in a row are no accident at any usable failure rate (at 10 % one in
# 100,000). The rest doubles while a probe keeps failing.
FAILURES_BEFORE_REST = 5
FIRST_REST_SECONDS = 30.0
LONGEST_REST_SECONDS = 600.0


class CallStatistics:
    """Sums over the calls of K arms.

    qualities (K, 2)        sum and number of the qualities that stand, never faded
    totals, counts  (K, 5)  cost in USD, latency in s, energy in J, tokens read and written
    calls, failures (K,)    calls heard of, and those that failed
    streak, last_failure (K,)  failures in a row; when the last one was, in s
    """

    def __init__(self, arms: int) -> None:
        self.qualities = np.zeros((arms, 2))
        self.totals = np.zeros((arms, len(_FIELDS)))
        self.counts = np.zeros((arms, len(_FIELDS)))
        self.calls = np.zeros(arms)
        self.failures = np.zeros(arms)
        self.streak = np.zeros(arms)
        self.last_failure = np.zeros(arms)
        self.troubled = False

    def canonical(self) -> dict[str, Array]:
        """What is hashed and checkpointed."""
        names = ("qualities", "totals", "counts", "calls", "failures", "streak", "last_failure")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def restored(cls, canonical: Mapping[str, NDArray[Any]]) -> Self:
        """Those whose `canonical()` was this. ValueError where a name or a shape does not fit."""
        arms = len(canonical["calls"]) if "calls" in canonical else 0
        made = cls(arms)
        wanted = made.canonical()
        if {name: sums.shape for name, sums in wanted.items()} != {
            name: sums.shape for name, sums in canonical.items()
        }:
            raise ValueError(f"calls must have the sums of {arms} arms")
        for name, sums in wanted.items():
            sums[:] = canonical[name]
        made.troubled = bool((made.streak >= FAILURES_BEFORE_REST).any())
        return made

    @property
    def arms(self) -> int:
        return len(self.calls)

    def add_arm(self) -> None:
        for name, sums in self.canonical().items():
            setattr(self, name, np.concatenate([sums, np.zeros((1, *sums.shape[1:]))]))

    def drop_arm(self, arm: int) -> None:
        for sums in self.canonical().values():
            sums[arm] = 0.0

    def quality(self, arm: int, old: float | None, new: float | None) -> None:
        """One quality more, or another in place of `old`, or one withdrawn."""
        self.qualities[arm, 0] += (new or 0.0) - (old or 0.0)
        self.qualities[arm, 1] += (new is not None) - (old is not None)

    def replace(self, arm: int, old: Usage | None, new: Usage) -> None:
        """Counts what one call took, instead of what was known of it before."""
        for column, field in enumerate(_FIELDS):
            before = None if old is None else getattr(old, field)
            after = getattr(new, field)
            if before is not None:
                self.totals[arm, column] -= before
                self.counts[arm, column] -= 1.0
            if after is not None:
                self.totals[arm, column] += after
                self.counts[arm, column] += 1.0

    def served(self, arm: int, recounted: bool = False) -> None:
        """A call came back: whatever was wrong with the arm is over.

        `recounted`: it counts already, as one that failed.
        """
        if recounted:
            self.failures[arm] -= 1.0
        else:
            self.calls[arm] += 1.0
        self.streak[arm] = 0.0
        if self.troubled:
            self.troubled = bool((self.streak >= FAILURES_BEFORE_REST).any())

    def failed(self, arm: int, time: float, recounted: bool = False) -> None:
        """A call failed at `time`, in seconds since the epoch.

        `recounted`: it counts already, as one that answered.
        """
        if not recounted:
            self.calls[arm] += 1.0
        self.failures[arm] += 1.0
        self.streak[arm] += 1.0
        self.last_failure[arm] = max(time, float(self.last_failure[arm]))
        self.troubled = bool((self.streak >= FAILURES_BEFORE_REST).any())

    def resting(self, now: float) -> NDArray[np.bool_]:
        """Arms (K,) to leave alone for now: they only failed of late."""
        excess = np.clip(self.streak - FAILURES_BEFORE_REST, 0.0, 10.0)
        rest = np.minimum(FIRST_REST_SECONDS * 2.0**excess, LONGEST_REST_SECONDS)
        return (self.streak >= FAILURES_BEFORE_REST) & (now < self.last_failure + rest)

    def means(self) -> Array:
        """Mean of each field per arm, shape (K, 5); NaN where nothing is known."""
        known = np.where(self.counts > 0.0, self.counts, np.nan)
        means: Array = self.totals / known
        return means

    def statistics(self, arm: int, name: str) -> ArmStatistics:
        """For people, with None where a number is not known."""
        mean = self.means()[arm]
        total, count = self.qualities[arm]
        share = self.failures[arm] / self.calls[arm] if self.calls[arm] else None
        return ArmStatistics(
            arm=name,
            observations=float(count),
            mean_quality=float(total / count) if count else None,
            mean_cost_usd=_known(mean[_COST]),
            mean_latency_seconds=_known(mean[_LATENCY]),
            mean_energy_joules=_known(mean[_ENERGY]),
            failure_share=None if share is None else float(share),
        )


def offsets(
    objective: Objective, arms: Sequence[Arm], calls: CallStatistics, queries: Sequence[Query]
) -> Array | None:
    """What the objective adds to each arm's quality, shape (n, K), in points; <= 0.

    None if quality is all that counts. An arm of unknown cost, latency or energy takes
    the upper quartile of the others: unknown is never free.
    """
    weights = (objective.quality_per_usd, objective.quality_per_second, objective.quality_per_joule)
    if not any(weights):
        return None
    means = calls.means()
    gone = np.array([arm.state is ArmState.REMOVED for arm in arms])
    total = np.zeros((len(queries), len(arms)))
    if weights[0]:
        total -= weights[0] * _assumed(_expected_cost(arms, means, queries), gone)
    if weights[1]:
        total -= weights[1] * _assumed(np.tile(means[:, _LATENCY], (len(queries), 1)), gone)
    if weights[2]:
        total -= weights[2] * _assumed(_expected_energy(arms, means, queries), gone)
    return total


def _expected_cost(arms: Sequence[Arm], means: Array, queries: Sequence[Query]) -> Array:
    """USD a call, (n, K). What is known best of: list prices times the tokens that the caller
    expects; the mean seen; list prices times the mean tokens seen; the list price times what the
    other arms' calls cost for each dollar of theirs."""
    paid = means[:, _COST]
    is_told = any(query.input_tokens is not None for query in queries)
    is_free = any(arm.input_usd_per_million_tokens == 0.0 for arm in arms)
    if not (is_told or is_free or np.isnan(paid).any()):
        return np.tile(paid, (len(queries), 1))  # most calls, and a third of the time
    price_in = _column(arm.input_usd_per_million_tokens for arm in arms)
    price_out = _column(arm.output_usd_per_million_tokens for arm in arms)
    told = _column(query.input_tokens for query in queries)[:, None]
    written = _times(_output_tokens(means, queries), price_out)
    expected = (_times(told, price_in) + written) / 1e6
    usual = (_times(means[:, _INPUT], price_in) + written) / 1e6
    seen = np.where(np.isnan(paid), usual, paid)
    return _as_listed(np.where(np.isnan(expected), seen, expected), price_in + price_out)


def _as_listed(costs: Array, listed: Array) -> Array:
    """Fills costs (n, K) that are not known by list price (K,), in proportion to those that are.

    Without it, the first arm that is tried lends its cost to all others: a dear one would go on
    being chosen, because nothing seemed cheaper.
    """
    unknown = np.isnan(costs) & (listed > 0.0)
    known = ~np.isnan(costs) & (listed > 0.0)
    if not (unknown.any() and known.any()):
        return costs
    count = known.sum(axis=1, keepdims=True)
    times = np.where(known, costs, 0.0) / np.where(listed > 0.0, listed, 1.0)
    usual = times.sum(axis=1, keepdims=True) / np.maximum(count, 1)
    return np.where(unknown & (count > 0), usual * listed, costs)


def _expected_energy(arms: Sequence[Arm], means: Array, queries: Sequence[Query]) -> Array:
    """Joules a call, (n, K): the mean seen, else what is declared times output tokens."""
    declared = _column(arm.declared_joules_per_output_token for arm in arms)
    return np.where(
        np.isnan(means[:, _ENERGY]),
        declared * _output_tokens(means, queries),
        means[:, _ENERGY],
    )


def _output_tokens(means: Array, queries: Sequence[Query]) -> Array:
    """Tokens written, (n, K): the caller's estimate, else the arm's mean."""
    told = _column(query.output_tokens for query in queries)[:, None]
    return np.where(np.isnan(told), means[:, _OUTPUT], told)


def _times(tokens: Array, price: Array) -> Array:
    """tokens * price; what is listed at 0 costs nothing, however many tokens there are."""
    product: Array = np.where(price == 0.0, 0.0, tokens * price)
    return product


def _assumed(amounts: Array, gone: NDArray[np.bool_]) -> Array:
    """Fills what is not known by the row's upper quartile; 0 where no arm is known.

    Arms that are `gone` (K,) do not count among the others.
    """
    amounts = np.where(gone, np.nan, amounts)
    unknown = np.isnan(amounts)
    if not unknown.any():
        return amounts
    filled = amounts.copy()
    for row, missing in zip(filled, unknown, strict=True):
        if missing.any():
            row[missing] = 0.0 if missing.all() else np.nanquantile(row, 0.75)
    return filled


def _column(values: Iterable[float | None]) -> Array:
    listed = [np.nan if value is None else float(value) for value in values]
    return np.array(listed, dtype=np.float64)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
