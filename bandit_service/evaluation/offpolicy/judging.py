"""Everything that is said of one candidate, and of the policy that logged beside it."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.logs.log import MEASURES
from bandit_service.evaluation.logs.traffic import Traffic
from bandit_service.evaluation.offpolicy import (
    adaptive,
    anytime,
    describing,
    estimators,
    gating,
    intervals,
    parts,
)
from bandit_service.evaluation.offpolicy.estimators import Terms
from bandit_service.evaluation.offpolicy.evidence import Evidence
from bandit_service.evaluation.offpolicy.gates import Condition
from bandit_service.evaluation.offpolicy.gathering import Gathered, Shared, evidence
from bandit_service.evaluation.offpolicy.intervals import Resampler
from bandit_service.evaluation.offpolicy.resampling import OWN, Key, Resampled, over_all, resample
from bandit_service.evaluation.offpolicy.results import (
    Candidate,
    Difference,
    Estimate,
    Interval,
    Quantile,
    Support,
)
from bandit_service.evaluation.offpolicy.settings import Settings
from bandit_service.evaluation.offpolicy.tuning import FAMILIES, tuned

Mask = NDArray[np.bool_]

LEAD, WITHOUT_PROPENSITIES = "dr", "dm"


class Judge:
    """Judges candidates on equal rows, resampled alike."""

    def __init__(
        self, shared: Shared, traffic: Traffic, settings: Settings, gate: Sequence[Condition]
    ) -> None:
        self._shared, self._settings, self._gate = shared, settings, gate
        self._logged, self._full = traffic.knows_propensities, traffic.knows_all
        self._measures = [name for name in MEASURES if shared.knows(name)]
        self._lead = LEAD if self._logged else WITHOUT_PROPENSITIES
        self._resampler = Resampler(shared.clusters.whole(), settings.seed, settings.resamples)
        gating.check_measures(gate, self._measures)

    def incumbent(self) -> tuple[Estimate, ...]:
        """The policy that logged: plain means, on its own log."""
        found = self._resampled(self._own())
        return tuple(
            Estimate(
                measure=key[0],
                estimator=OWN,
                value=terms.value,
                rows=0 if terms.share is None else int(terms.share.sum()),
                intervals=(found.interval(key),),
            )
            for key, terms in found.terms.items()
        )

    def incumbent_quantiles(self) -> tuple[Quantile, ...]:
        return tuple(
            parts.quantiles(self._shared, np.ones(self._shared.rows), self._settings.level)
        )

    def candidate(self, one: Gathered) -> Candidate:
        """Raises NoOverlap where the log says nothing of it."""
        terms: dict[Key, Terms] = {}
        parameters: dict[Key, float | None] = {}
        for key, each, parameter in self._terms(one):
            terms[key], parameters[key] = each, parameter
        found = self._resampled(terms | self._own())
        support, quality = self._support(one), "quality" in self._measures
        settings, judged = self._settings, self._logged and quality
        return Candidate(
            label=one.target.label,
            description=one.target.description,
            ran="frozen" if one.target.learns else "fixed",
            support=support,
            estimates=tuple(self._estimates(one, found, parameters)),
            differences=tuple(self._differences(one, found)),
            quantiles=tuple(parts.quantiles(self._shared, one.weights.whole(), settings.level))
            if self._logged
            else (),
            arms=describing.arm_shares(self._shared, one, self._full, self._logged),
            segments=tuple(parts.segments(self._shared, one, self._resampler, settings.level))
            if judged
            else (),
            weights=describing.histogram(one.weights.whole()) if self._logged else None,
            path=describing.path(evidence(self._shared, one, "quality")[0], settings.level)
            if judged
            else None,
            gate=gating.judged(
                settings.gate,
                self._gate,
                found,
                self._lead,
                effective_size=support.effective_size,
                least=settings.least_effective_size,
            )
            if self._gate
            else None,
            notes=tuple(describing.cautions(one, self._shared, self._full, self._logged)),
        )

    # -- terms ---------------------------------------------------------------------------

    def _own(self) -> dict[Key, Terms]:
        made = {}
        for measure in self._measures:
            outcomes = self._shared.outcomes[measure].whole()
            known = ~np.isnan(outcomes)
            shown = np.where(known, outcomes, 0.0)
            made[measure, OWN] = Terms(np.zeros(len(known)), shown, known.astype(np.float64))
        return made

    def _terms(self, one: Gathered) -> Iterator[tuple[Key, Terms, float | None]]:
        """Every estimator of every measure, over all n rows, with its parameter."""
        for measure in self._measures:
            found, known = evidence(self._shared, one, measure)
            if found.taught.any():
                taught = known.copy()
                taught[known] = found.taught
                yield (measure, "dm"), over_all(estimators.dm(found), taught), None
            if not self._logged:
                continue
            found.check_overlap(one.target.label)
            for name, estimate in estimators.PLAIN.items():
                if name != "dm":
                    yield (measure, name), over_all(estimate(found), known), None
            for name, family in FAMILIES.items():
                parameter, terms = tuned(found, family)
                yield (measure, name), over_all(terms, known), parameter
            if measure == "quality" and one.robust is not None:
                modelled, expected = (column.whole()[known] for column in one.robust)
                other = Evidence(found.weights, found.outcomes, modelled, expected, found.taught)
                yield (measure, "mrdr"), over_all(estimators.dr(other), known), None

    # -- what is said --------------------------------------------------------------------

    def _estimates(
        self, one: Gathered, found: Resampled, parameters: dict[Key, float | None]
    ) -> Iterator[Estimate]:
        for key, parameter in parameters.items():
            shown = [found.interval(key)]
            if key[0] == "quality":
                shown += self._bounds(one, key[1])
            yield Estimate(
                measure=key[0],
                estimator=key[1],
                value=found.terms[key].value,
                rows=int((~np.isnan(self._shared.outcomes[key[0]].whole())).sum()),
                parameter=None if parameter == np.inf else parameter,
                intervals=tuple(shown),
            )

    def _bounds(self, one: Gathered, estimator: str) -> Iterator[Interval]:
        """What resampling cannot give: bounds at any n, at any time, for logs of learners."""
        if estimator not in ("ips", "dr") or not self._logged:
            return
        quality, known = evidence(self._shared, one, "quality")
        level, weights = self._settings.level, quality.weights
        if estimator == "ips":
            if self._full:
                low, high = intervals.bernstein_value(weights, quality.outcomes, one.most, level)
                yield Interval(method="bernstein", low=low, high=high)
            looks = anytime.value_bounds(weights, quality.outcomes, _last(quality), level)
            yield Interval(method="anytime", low=float(looks.low[0]), high=float(looks.high[0]))
        elif self._full:
            blocks = self._shared.blocks.whole()[known]
            rows = adaptive.stabilised(np.array(one.spreads), blocks)
            terms = estimators.dr(quality)
            _, low, high = adaptive.weighted_mean(terms.base + terms.part, rows, level)
            yield Interval(method="adaptive", low=low, high=high)

    def _differences(self, one: Gathered, found: Resampled) -> Iterator[Difference]:
        for measure in self._measures:
            key, own = (measure, self._lead), (measure, OWN)
            if key not in found.terms:
                continue
            shown = [found.interval(key, minus=own)]
            if measure == "quality" and self._logged:
                shown += self._bounds_of_difference(one)
            yield Difference(
                measure=measure,
                estimator=self._lead,
                value=found.terms[key].value - found.terms[own].value,
                intervals=tuple(shown),
            )

    def _bounds_of_difference(self, one: Gathered) -> Iterator[Interval]:
        quality, _ = evidence(self._shared, one, "quality")
        level, weights = self._settings.level, quality.weights
        if self._full:
            low, high = intervals.bernstein_difference(weights, quality.outcomes, one.most, level)
            yield Interval(method="bernstein", low=low, high=high)
        looks = anytime.difference_bounds(weights, quality.outcomes, _last(quality), level)
        yield Interval(method="anytime", low=float(looks.low[0]), high=float(looks.high[0]))

    def _support(self, one: Gathered) -> Support:
        weights = one.weights.whole()
        whole = Evidence.plain(weights, np.zeros(len(weights)))
        return Support(
            rows=len(weights),
            effective_size=whole.effective_size if self._logged else 0.0,
            largest_weight=whole.largest_weight if self._logged else 0.0,
            mean_weight=float(weights.mean()) if self._logged else 0.0,
            overlap=one.overlap / len(weights),
            certain=self._full,
        )

    def _resampled(self, terms: dict[Key, Terms]) -> Resampled:
        return resample(terms, self._resampler, self._settings.level)


def _last(quality: Evidence) -> NDArray[np.intp]:
    """The only look: at the end."""
    return np.array([len(quality)], dtype=np.intp)
