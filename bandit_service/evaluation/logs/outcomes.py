"""What came of decisions: of all values that stand, the one that counts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bandit_service.evaluation.logs.log import MEASURES, Array
from bandit_service.model import Kind, Outcome, Source, Usage
from bandit_service.ports import LogColumns

# A score says more than a thumb of the same source.
_FINENESS = {Kind.SUCCESS.value: 0, Kind.SCORE.value: 1}
_USAGE, _PREFERENCE = Kind.USAGE.value, Kind.PREFERENCE.value
_TRUST = {source.value: -place for place, source in enumerate(Source)}
_NOTHING = Usage()


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


def quality_of(outcomes: Sequence[Outcome], listened: Sequence[Source]) -> float | None:
    """Of one arm's outcomes, as `told` has it of many."""
    said = [each for each in outcomes if each.kind in _FINENESS and each.source in listened]
    if not said:
        return None
    return max(said, key=lambda each: (-listened.index(each.source), _FINENESS[each.kind])).value


def usage_of(outcomes: Sequence[Outcome]) -> Usage:
    """The most trusted source's."""
    said = [each for each in outcomes if each.usage is not None]
    if not said:
        return _NOTHING
    best = max(said, key=lambda each: _TRUST[each.source])
    return best.usage or _NOTHING


def told(page: LogColumns, listened: Sequence[Source]) -> Standing:
    """`listened` are the policy's sources of quality, the most trusted first."""
    decisions, said = page.decisions, page.outcomes
    count, arms, others = len(decisions["id"]), decisions["arm"], decisions["second_arm"]
    trust = {source.value: -2 * place for place, source in enumerate(listened)}
    found = {name: np.full(count, np.nan) for name in MEASURES}
    energy_sources: list[str | None] = [None] * count
    best_quality, best_usage = [-np.inf] * count, [-np.inf] * count
    duels: dict[int, dict[tuple[str, int], dict[int, float]]] = {}
    quality = found["quality"]
    usages = zip(*(said[name] for name in MEASURES[1:]), said["energy_source"], strict=True)
    heads = zip(*(said[name] for name in ("row", "arm", "kind", "source", "value")), strict=True)
    for (row, arm, kind, source, value), position, usage in zip(
        heads, said["position"], usages, strict=True
    ):
        if row is None:
            continue
        if kind == _PREFERENCE:
            if others[row] is not None and source in trust:
                duels.setdefault(row, {}).setdefault((source, position), {})[arm] = value
        elif arm != arms[row]:
            continue
        elif kind == _USAGE:
            if _TRUST[source] > best_usage[row]:
                best_usage[row] = _TRUST[source]
                cost, latency, joules, energy_sources[row] = usage
                found["cost_usd"][row] = np.nan if cost is None else cost
                found["latency_seconds"][row] = np.nan if latency is None else latency
                found["energy_joules"][row] = np.nan if joules is None else joules
        elif kind in _FINENESS and source in trust:
            rank = trust[source] + _FINENESS[kind]
            if rank > best_quality[row]:
                best_quality[row], quality[row] = rank, value
    preferences = np.full(count, np.nan)
    for row, submissions in duels.items():
        preferences[row] = _preferred(submissions, arms[row], others[row], trust)
    return Standing(found, preferences, energy_sources)


def _preferred(
    submissions: dict[tuple[str, int], dict[int, float]],
    first: int,
    second: int,
    trust: dict[str, int],
) -> float:
    """The most trusted submission that told these two arms apart: one writes both sides at its
    position. NaN where there is none."""
    both = [
        (trust[source], values[first])
        for (source, _), values in submissions.items()
        if first in values and second in values
    ]
    return max(both)[1] if both else np.nan
