"""From the log to verdicts on challengers.

Both sides are estimated from the same decisions by importance weights: the chance either would
have drawn the arm with, over the chance it was drawn with. Means are self-normalised, with
bootstrap intervals. The difference in quality has bounds that hold at every look: who looks every
minute until one side wins would else be wrong far too often. They are for its average over the
contest, because both sides learn.
"""

import numpy as np
from numpy.typing import NDArray

from bandit_service.challenging import INCUMBENT
from bandit_service.evaluation.challengers.contests import Contest, contests
from bandit_service.evaluation.challengers.evidence import Evidence, gather
from bandit_service.evaluation.logs.log import MEASURES
from bandit_service.evaluation.offpolicy.drifting import paired_bounds
from bandit_service.model import (
    ChallengersView,
    ChallengerView,
    ContestantView,
    Interval,
    Verdict,
)
from bandit_service.ports import LogReader
from bandit_service.resampling import Resamples

Array = NDArray[np.float64]

# Below so many decisions' worth, a mean is luck.
LEAST_EFFECTIVE = 30.0
# Resamples keep a count a row: 40 MB. Of more rows a normal interval says the same.
MOST_RESAMPLED = 5_000


def judge(reader: LogReader, policy: str) -> ChallengersView:
    """Every challenger of a policy beside its incumbent.

    Raises PolicyNotFound, StoreUnavailable.
    """
    stored, config = reader.policy(policy)
    found = contests(reader.revisions(stored.id))
    evidence = gather(reader, stored.id, config, found)
    return ChallengersView(policy, tuple(map(_judged, found, evidence)))


def _judged(contest: Contest, evidence: Evidence) -> ChallengerView:
    challenger = contest.challenger
    mine, other = evidence.challenger / evidence.drawn, evidence.incumbent / evidence.drawn
    quality = evidence.outcomes["quality"]
    known = ~np.isnan(quality)
    difference = bounds(mine[known], other[known], quality[known], contest.incumbent_share)
    return ChallengerView(
        contestant=_contestant(challenger.name, challenger.share, mine, evidence),
        algorithm=challenger.algorithm.name,
        margin=challenger.margin,
        revision=contest.revision,
        decisions=evidence.decided,
        judged=int(known.sum()),
        difference=difference,
        verdict=verdict(difference, challenger.margin),
        incumbent=_contestant(INCUMBENT, contest.incumbent_share, other, evidence),
        undecided=evidence.undecided,
    )


def bounds(mine: Array, other: Array, quality: Array, incumbent_share: float) -> Interval:
    """The challenger's quality minus the incumbent's; weights and quality: (n,).

    The incumbent's weight never passes 1 / its share, because it is part of what was drawn from.
    """
    if not len(quality):
        return Interval(0.0, -1.0, 1.0)
    found = paired_bounds(mine, other, quality, 1.0 / incumbent_share)
    return Interval(*(float(each[-1]) for each in found))


def verdict(difference: Interval, margin: float) -> Verdict:
    """Against the margin; at most one of the two can be sure."""
    assert difference.low is not None
    assert difference.high is not None
    if difference.low > -margin:
        return Verdict.BETTER
    return Verdict.WORSE if difference.high < -margin else Verdict.OPEN


def _contestant(name: str, share: float, weights: Array, evidence: Evidence) -> ContestantView:
    means = {measure: _mean(weights, evidence.outcomes[measure]) for measure in MEASURES}
    return ContestantView(name, share, _effective(weights), **means)


def _mean(weights: Array, values: Array) -> Interval | None:
    known = ~np.isnan(values)
    weights, values = weights[known], values[known]
    if _effective(weights) < LEAST_EFFECTIVE:
        return None
    if len(values) > MOST_RESAMPLED:
        return _normal(weights, values)
    return Resamples(len(values)).weighted_mean(values, weights)


def _normal(weights: Array, values: Array) -> Interval:
    """By the delta method."""
    total = float(weights.sum())
    mean = float(weights @ values) / total
    error = float(np.sqrt(((weights * (values - mean)) ** 2).sum())) / total
    return Interval(mean, mean - 1.959964 * error, mean + 1.959964 * error)


def _effective(weights: Array) -> float:
    total = float(weights.sum())
    return total**2 / float(weights @ weights) if total > 0.0 else 0.0
