"""What came of decisions: of all values that stand, the one that counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.logs import packed
from bandit_service.evaluation.logs.log import MEASURES, Array
from bandit_service.model import Kind, Source
from bandit_service.ports import LogColumns

# A score says more than a thumb of the same source.
_FINENESS = {Kind.SUCCESS.value: 0, Kind.SCORE.value: 1}
_USAGE, _PREFERENCE = Kind.USAGE.value, Kind.PREFERENCE.value
_TRUST = {source.value: -place for place, source in enumerate(Source)}


@dataclass(slots=True, eq=False)
class Standing:
    """Of n decisions, (n,) each.

    outcomes        of the arm that was drawn: quality by the most trusted source that the policy
                    listens to, the rest by the most trusted of all
    preferences     of duels, the first arm beside the second; NaN elsewhere
    """

    outcomes: dict[str, Array]
    preferences: Array
    energy_sources: list[str | None]


def told(page: LogColumns, listened: Sequence[Source]) -> Standing:
    """`listened` are the policy's sources of quality, the most trusted first."""
    decisions, said = page.decisions, page.outcomes
    count = len(decisions["id"])
    trust = {source.value: -2 * place for place, source in enumerate(listened)}
    places = packed.column(said["row"])
    known = ~np.isnan(places)
    rows = np.where(known, places, 0.0).astype(np.intp)
    # Of whatever is said of the arm that was drawn, the best word; equal ones: the first.
    drawn = np.zeros(len(rows), dtype=np.bool_)
    if count:
        drawn = known & (packed.column(said["arm"]) == packed.column(decisions["arm"])[rows])
    by_kind = packed.column(list(map({_USAGE: 1.0, _PREFERENCE: 2.0}.get, said["kind"])))
    by_usage = np.where(drawn & (by_kind == 1.0), _ranked(_TRUST, said["source"]), np.nan)
    fineness = _ranked(_FINENESS, said["kind"])
    by_quality = np.where(drawn, fineness + _ranked(trust, said["source"]), np.nan)
    found = {name: np.full(count, np.nan) for name in MEASURES}
    best = _best(rows, by_quality)
    found["quality"][rows[best]] = packed.column(said["value"])[best]
    best = _best(rows, by_usage)
    for name in MEASURES[1:]:
        found[name][rows[best]] = packed.column(said[name])[best]
    energy_sources: list[str | None] = [None] * count
    for at in best.tolist() if said["energy_source"].count(None) < len(rows) else ():
        energy_sources[rows[at]] = said["energy_source"][at]
    preferences = _preferences(page, trust, np.flatnonzero(known & (by_kind == 2.0)))
    return Standing(found, preferences, energy_sources)


def _ranked(ranks: Mapping[str, float], words: Sequence[str]) -> Array:
    """(m,), NaN for words that have no rank."""
    return packed.column(list(map(ranks.get, words)))


def _best(rows: NDArray[np.intp], ranks: Array) -> NDArray[np.intp]:
    """The place of the highest rank of each row, the first of equal ones; NaN is no rank."""
    there = np.flatnonzero(~np.isnan(ranks))
    order = there[np.lexsort((there, -ranks[there], rows[there]))]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = rows[order][1:] != rows[order][:-1]
    best: NDArray[np.intp] = order[first]
    return best


def _preferences(page: LogColumns, trust: Mapping[str, float], places: NDArray[np.intp]) -> Array:
    """How good the first arm of each duel was beside the second, (n,)."""
    decisions, said = page.decisions, page.outcomes
    arms, others = decisions["arm"], decisions["second_arm"]
    duels: dict[int, dict[tuple[str, int], dict[int, float]]] = {}
    for at in places.tolist():
        row, source = said["row"][at], said["source"][at]
        if others[row] is not None and source in trust:
            submission = duels.setdefault(row, {}).setdefault((source, said["position"][at]), {})
            submission[said["arm"][at]] = said["value"][at]
    preferences = np.full(len(arms), np.nan)
    for row, submissions in duels.items():
        preferences[row] = _preferred(submissions, arms[row], others[row], trust)
    return preferences


def _preferred(
    submissions: dict[tuple[str, int], dict[int, float]],
    first: int,
    second: int,
    trust: Mapping[str, float],
) -> float:
    """The most trusted submission that told these two arms apart: one writes both sides at its
    position. NaN where there is none."""
    both = [
        (trust[source], values[first])
        for (source, _), values in submissions.items()
        if first in values and second in values
    ]
    return max(both)[1] if both else np.nan
