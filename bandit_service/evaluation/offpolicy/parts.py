"""Estimates of parts: within segments, and of quantiles."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.logs.log import MEASURES
from bandit_service.evaluation.offpolicy import estimators
from bandit_service.evaluation.offpolicy.estimators import Terms
from bandit_service.evaluation.offpolicy.gathering import Gathered, Shared
from bandit_service.evaluation.offpolicy.moments import Moments
from bandit_service.evaluation.offpolicy.quantiles import quantile_interval
from bandit_service.evaluation.offpolicy.resampling import Key, Resampled
from bandit_service.evaluation.offpolicy.results import Interval, Quantile, Segment
from bandit_service.evaluation.offpolicy.views import View

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

SHARES = (0.5, 0.95)
MOST_SEGMENTS = 30
OF_SEGMENT = "dr within a segment"


def quantiles(shared: Shared, one: Gathered | None, level: float) -> Iterator[Quantile]:
    """Medians and 95th percentiles of everything but quality, as logged without a candidate. They
    need the rows in order, so two columns at a time come whole into memory."""
    for measure in MEASURES[1:]:
        if measure not in shared.measures(one):
            continue
        outcomes = shared.outcomes[measure].whole()
        weights = np.ones(len(outcomes)) if one is None else one.weights.whole()
        known = ~np.isnan(outcomes)
        outcomes, weights = outcomes[known], weights[known]
        order = np.argsort(outcomes, kind="stable")
        outcomes, weights = outcomes[order], weights[order]
        for share in SHARES:
            value, low, high = quantile_interval(outcomes, weights, share, level)
            interval = Interval(method="woodruff", low=low, high=high)
            yield Quantile(measure=measure, share=share, value=value, interval=interval)


class SegmentsSoFar:
    """Quality within each of the largest segments, as blocks come."""

    def __init__(self, shared: Shared) -> None:
        largest = shared.segment_rows.most_common(MOST_SEGMENTS)
        self._places = {name: shared.segment_names[name] for name, _ in largest}
        if len(shared.segment_names) < 2:
            self._places = {}
        self._weights = {name: Moments() for name in self._places}
        self._outcomes = {name: Moments() for name in self._places}

    def add(self, view: View) -> dict[Key, tuple[Terms, Mask]]:
        """The terms to sum."""
        made: dict[Key, tuple[Terms, Mask]] = {}
        if not self._places:
            return made
        quality, known = view.evidence("quality"), view.known["quality"]
        for name, place in self._places.items():
            inside = known & (view.segments == place)
            part = quality.rows(inside[known])
            self._weights[name].add(part.weights)
            self._outcomes[name].add(part.outcomes)
            made[name, OF_SEGMENT] = Terms(None, estimators.dr(part).rows), inside
        return made

    def found(self, sums: Resampled) -> Iterator[Segment]:
        """The largest first; nothing if there is only one."""
        for name in self._places:
            weights, outcomes = self._weights[name], self._outcomes[name]
            told, key = weights.most > 0.0, (name, OF_SEGMENT)
            squares = weights.sum_of_squares
            yield Segment(
                segment=name,
                rows=weights.count,
                effective_size=weights.sum**2 / squares if squares else 0.0,
                value=sums.values[key] if told else None,
                interval=sums.interval(key) if told else None,
                incumbent=outcomes.mean if outcomes.count else None,
                problem="" if told else "no overlap",
            )
