"""Estimates of parts: within segments, and of quantiles."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.logs.log import MEASURES
from bandit_service.evaluation.offpolicy import estimators
from bandit_service.evaluation.offpolicy.gathering import Gathered, Shared, evidence
from bandit_service.evaluation.offpolicy.intervals import Resampler
from bandit_service.evaluation.offpolicy.quantiles import quantile_interval
from bandit_service.evaluation.offpolicy.resampling import over_all, resample
from bandit_service.evaluation.offpolicy.results import Interval, Quantile, Segment

Array = NDArray[np.float64]

SHARES = (0.5, 0.95)
MOST_SEGMENTS = 30


def quantiles(shared: Shared, weights: Array, level: float) -> Iterator[Quantile]:
    """Medians and 95th percentiles of everything but quality. weights (n,)."""
    for measure in MEASURES[1:]:
        if not shared.knows(measure):
            continue
        outcomes = shared.outcomes[measure].whole()
        known = ~np.isnan(outcomes)
        for share in SHARES:
            value, low, high = quantile_interval(outcomes[known], weights[known], share, level)
            interval = Interval(method="woodruff", low=low, high=high)
            yield Quantile(measure=measure, share=share, value=value, interval=interval)


def segments(
    shared: Shared, one: Gathered, resampler: Resampler, level: float
) -> Iterator[Segment]:
    """Quality within each segment, the largest first; nothing if there is only one."""
    names, places, counts = np.unique(
        shared.segments.whole().astype(str), return_inverse=True, return_counts=True
    )
    if len(names) < 2:
        return
    quality, known = evidence(shared, one, "quality")
    parts, terms = {}, {}
    for at in np.argsort(-counts, kind="stable")[:MOST_SEGMENTS].tolist():
        inside = known & (places == at)
        name, part = str(names[at]), quality.rows(inside[known])
        parts[name] = part
        if part.weights.any():
            terms[name, "dr"] = over_all(estimators.dr(part), inside)
    found = resample(terms, resampler, level)
    for name, part in parts.items():
        told = (name, "dr") in terms
        yield Segment(
            segment=name,
            rows=len(part),
            effective_size=part.effective_size,
            value=terms[name, "dr"].value if told else None,
            interval=found.interval((name, "dr")) if told else None,
            incumbent=float(part.outcomes.mean()) if len(part) else None,
            problem="" if told else "no overlap",
        )
