"""What calls took on average, told only where it is known of nearly all of them.

The calls whose amount is known are no random part of a policy's calls. One that plays an arm of
unknown cost nearly always would be given the cost of its few other calls, and then be held
against what other arms do for that money.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.optimal import LEAST_KNOWN, Mask, known_mean, nearly_known
from bandit_service.evaluation.streams import Streams
from bandit_service.evaluation.table import Array, OutcomeTable
from bandit_service.evaluation.wording import percent

Resource = Literal["cost_usd", "latency_seconds", "energy_joules"]

# Calls that may go to arms of unknown amounts. What is left out shifts a mean by this share times
# how many times dearer those arms are: at one in a hundred, an arm that is ten times as dear as
# the others leaves a tenth of the mean out, which is what orders differ by anyway.
MOST_STRANGE = 0.01
# Calls that may be unknown at all: single bills get lost, whichever the arm, and the others stand
# for them.
MOST_MISSING = 1.0 - LEAST_KNOWN
_ROUNDING = 1e-9

RESOURCES: dict[Resource, str] = {
    "cost_usd": "cost",
    "latency_seconds": "latency",
    "energy_joules": "energy",
}


def is_told(table: OutcomeTable, resource: Resource) -> bool:
    """Whether the set knows it of any outcome."""
    return bool((table.offered & ~np.isnan(getattr(table, resource))).any())


def untold(resource: Resource, known: float, of_calls: str) -> str:
    """Why a mean is not given.

    >>> untold("cost_usd", 0.031, "default's calls")
    "cost is known for 3.1\\xa0% of default's calls: not shown"
    """
    share = f"{percent(known)} of {of_calls}" if known else f"none of {of_calls}"
    return f"{RESOURCES[resource]} is known for {share}: not shown"


def taken(table: OutcomeTable, streams: Streams, resource: Resource) -> Array:
    """A query of each seed, (S,), over the calls where it is known; NaN where that is too few."""
    amounts = _of_steps(streams, resource, getattr(table, resource))
    strange = np.isnan(_of_steps(streams, resource, _marked(table, resource)))
    count = np.full(len(amounts), amounts.shape[1])
    enough = _enough(np.isnan(amounts).sum(axis=1), strange.sum(axis=1), count)
    means: Array = np.where(enough, known_mean(amounts, axis=1), np.nan)
    return means


def known_shares(table: OutcomeTable, streams: Streams, resource: Resource) -> Array:
    """Of the queries of each seed, the share where it is known, (S,)."""
    amounts = _of_steps(streams, resource, getattr(table, resource))
    shares: Array = (~np.isnan(amounts)).mean(axis=1)
    return shares


def expectation(
    table: OutcomeTable, resource: Resource, chances: Array
) -> tuple[float | None, float]:
    """The mean by these chances, (n, K), None where too little is known; and the known share."""
    values: Array = getattr(table, resource)
    known = ~np.isnan(values) & (chances > 0)
    weight = float(np.sum(chances, where=known))
    every = float(np.sum(chances))
    strange = float(np.sum(chances, where=np.isnan(_marked(table, resource))))
    if not weight or not _enough(np.array(every - weight), np.array(strange), np.array(every)):
        return None, weight / every
    return float(np.sum(values * chances, where=known)) / weight, weight / every


def with_means(table: OutcomeTable, resource: Resource) -> Array:
    """(n, K), an arm's mean where a call's own amount is unknown; NaN where all of an arm's are."""
    values: Array = getattr(table, resource)
    filled: Array = np.where(np.isnan(values), known_mean(values), values)
    return filled


def _of_steps(streams: Streams, resource: Resource, values: Array) -> Array:
    """(S, T). Of two calls both are paid, and the slower one is waited for."""
    return streams.slower(values) if resource == "latency_seconds" else streams.total(values)


def _marked(table: OutcomeTable, resource: Resource) -> Array:
    """NaN where an arm's amount is unknown and mostly is, else 0, (n, K)."""
    values: Array = getattr(table, resource)
    strange = np.isnan(values) & ~nearly_known(values, table.offered)
    marked: Array = np.where(strange, np.nan, 0.0)
    return marked


def _enough(missing: NDArray[Any], strange: NDArray[Any], count: NDArray[Any]) -> Mask:
    room = count * (1.0 + _ROUNDING)
    enough: Mask = (missing <= MOST_MISSING * room) & (strange <= MOST_STRANGE * room)
    return enough
