"""A policy that learns, run over a log by rejection: it only lives through what it would have done.

Each row is accepted with chance min(1, c pi(a|x) / p), under the policy as it is by then; an
accepted row is what the policy would have met, and only those teach it (Li et al. 2011; with
propensities, Dudik et al. 2012). c is the smallest propensity worth the name: rows logged with less
are accepted more seldom than they should be, and their share is reported.

Weighing all rows of a policy that learns from all of them is something else and wrong: it would
know outcomes of arms that it never chose.
"""

from dataclasses import dataclass
from dataclasses import replace as with_fields

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from bandit_service.evaluation.logs.log import Log
from bandit_service.evaluation.offpolicy.estimators import Terms
from bandit_service.evaluation.offpolicy.resampling import Key, Resampler, Resampling
from bandit_service.evaluation.offpolicy.results import Estimate, Live
from bandit_service.evaluation.offpolicy.settings import Settings
from bandit_service.evaluation.offpolicy.targets import Target

CLIPPED_SHARE = 0.05
LEAST_ACCEPTED = 20


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """What a learning policy met.

    rows          (m,) the accepted rows, in order
    clipped       share of all rows at which the acceptance chance had to be cut to 1
    """

    rows: NDArray[np.intp]
    clipped: float


def threshold(propensities: NDArray[np.float64], share: float = CLIPPED_SHARE) -> float:
    """The propensity below which lies no more than this share of the log."""
    return float(np.quantile(propensities, share, method="lower"))


def replayed(target: Target, log: Log, seed: int, least: float) -> Replayed:
    """Runs the target over the log, teaching it with what it accepts.

    least   c: acceptance is exact where pi(a|x) / p is at most 1 / c
    """
    luck = np.random.default_rng(seed).random(len(log))
    accepted, clipped = [], 0
    for row in range(len(log)):
        one = log.rows(slice(row, row + 1))
        chances = target.probabilities(one)
        chance = float(chances[0, log.chosen[row]])
        wanted = least * chance / float(log.propensities[row])
        clipped += wanted > 1.0 + 1e-12
        if luck[row] < wanted:
            accepted.append(row)
            # It was drawn by the target's chances: that is what is to be learned from them.
            target.teach(with_fields(one, probabilities=chances))
    return Replayed(np.array(accepted, dtype=np.intp), clipped / max(1, len(log)))


def lived(target: Target, log: Log, settings: Settings) -> Live:
    """What the target earned on the rows that it accepted; its own log, so plain means."""
    run = replayed(target, log, settings.seed, threshold(log.propensities))
    made = Live(
        label=target.label,
        decisions=len(log),
        accepted=len(run.rows),
        clipped=run.clipped,
    )
    if len(run.rows) < LEAST_ACCEPTED:
        return replace(made, problem=f"fewer than {LEAST_ACCEPTED} decisions were accepted")
    met = log.rows(run.rows)
    terms: dict[Key, tuple[Terms, NDArray[np.bool_]]] = {}
    for measure, outcomes in met.outcomes.items():
        known = ~np.isnan(outcomes)
        if known.any():
            terms[measure, "replay"] = Terms(None, outcomes[known]), known
    sums = Resampling(Resampler(settings.seed, settings.resamples, len(met)))
    sums.add(0, met.clusters, terms)
    found = sums.found(settings.level)
    estimates = [
        Estimate(
            measure=key[0],
            estimator="replay",
            value=found.values[key],
            rows=int(known.sum()),
            intervals=(found.interval(key),),
        )
        for key, (_, known) in terms.items()
    ]
    return replace(made, estimates=tuple(estimates))
