"""Everything that is said of one candidate, and of the policy that logged beside it."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.logs.log import MEASURES
from bandit_service.evaluation.logs.traffic import Traffic
from bandit_service.evaluation.offpolicy import adaptive, anytime, describing, estimators, intervals
from bandit_service.evaluation.offpolicy.estimators import Terms
from bandit_service.evaluation.offpolicy.evidence import Evidence
from bandit_service.evaluation.offpolicy.gates import CANDIDATE, BadGate, Condition
from bandit_service.evaluation.offpolicy.gathering import Gathered, Shared, evidence
from bandit_service.evaluation.offpolicy.intervals import Resampler
from bandit_service.evaluation.offpolicy.quantiles import quantile_interval
from bandit_service.evaluation.offpolicy.results import (
    Candidate,
    Check,
    Difference,
    Estimate,
    Gate,
    Interval,
    Quantile,
    Segment,
    Support,
)
from bandit_service.evaluation.offpolicy.settings import Settings
from bandit_service.evaluation.offpolicy.tuning import FAMILIES, tuned

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAD, WITHOUT_PROPENSITIES = "dr", "dm"
SHARES = (0.5, 0.95)
MOST_SEGMENTS = 30
ROUNDING = 1e-12


class Judge:
    """Judges candidates on equal rows, resampled alike."""

    def __init__(
        self, shared: Shared, traffic: Traffic, settings: Settings, gate: Sequence[Condition]
    ) -> None:
        self._shared, self._settings, self._gate = shared, settings, gate
        self._logged, self._full = traffic.knows_propensities, traffic.knows_all
        self._measures = [name for name in MEASURES if self._is_known(name)]
        self._lead = LEAD if self._logged else WITHOUT_PROPENSITIES
        self._resampler = Resampler(shared.clusters.whole(), settings.seed, settings.resamples)
        for condition in gate:
            for _, measure in condition.margin.weights:
                if measure not in self._measures:
                    raise BadGate("gate", f"{measure} is not known of any judged decision")

    def _is_known(self, measure: str) -> bool:
        column = self._shared.outcomes[measure]
        return bool(column.parts) and not bool(np.isnan(column.whole()).all())

    # -- the policy that logged ----------------------------------------------------------

    def incumbent(self) -> tuple[Estimate, ...]:
        """Plain means: it is judged on its own log."""
        terms = [self._own(measure) for measure in self._measures]
        values = self._resampled(terms)
        return tuple(
            Estimate(
                measure=measure,
                estimator="mean",
                value=each.value,
                rows=int(each.share.sum()) if each.share is not None else 0,
                intervals=(self._bootstrap(values[:, at]),),
            )
            for at, (measure, each) in enumerate(zip(self._measures, terms, strict=True))
        )

    def incumbent_quantiles(self) -> tuple[Quantile, ...]:
        return tuple(self._quantiles(np.ones(self._shared.rows)))

    def _own(self, measure: str) -> Terms:
        outcomes = self._shared.outcomes[measure].whole()
        known = ~np.isnan(outcomes)
        return Terms(np.zeros(len(known)), np.where(known, outcomes, 0.0), known.astype(float))

    # -- candidates ----------------------------------------------------------------------

    def candidate(self, one: Gathered) -> Candidate:
        """Raises NoOverlap where the log says nothing of it."""
        found, terms = self._estimates(one)
        own = [self._own(measure) for measure in self._measures]
        values = self._resampled([*(each for each, _ in terms.values()), *own])
        at = {key: place for place, key in enumerate((*terms, *self._measures))}
        quality, known = evidence(self._shared, one, "quality") if "quality" in at else (None, None)
        estimates = []
        for (measure, estimator), (each, parameter) in terms.items():
            shown = [self._bootstrap(values[:, at[measure, estimator]])]
            if measure == "quality" and quality is not None:
                shown += self._others(one, estimator, quality, known)
            estimates.append(
                Estimate(
                    measure=measure,
                    estimator=estimator,
                    value=each.value,
                    rows=len(found[measure]),
                    parameter=None if parameter == np.inf else parameter,
                    intervals=tuple(shown),
                )
            )
        differences = self._differences(one, terms, own, values, at, quality)
        path = None
        if quality is not None and self._logged:
            path = describing.path(quality, self._settings.level)
        return Candidate(
            label=one.target.label,
            description=one.target.description,
            ran="frozen" if one.target.learns else "fixed",
            support=self._support(one),
            estimates=tuple(estimates),
            differences=differences,
            quantiles=tuple(self._quantiles(one.weights.whole())) if self._logged else (),
            arms=describing.arm_shares(self._shared, one, self._full, self._logged),
            segments=tuple(self._segments(one)),
            weights=describing.histogram(one.weights.whole()) if self._logged else None,
            path=path,
            gate=self._judged(one, terms, own, values, at) if self._gate else None,
            notes=tuple(describing.cautions(one, self._shared, self._full, self._logged)),
        )

    def _estimates(
        self, one: Gathered
    ) -> tuple[dict[str, Evidence], dict[tuple[str, str], tuple[Terms, float | None]]]:
        """Evidence of each measure, and every estimator's terms over all n rows."""
        found, made = {}, {}
        for measure in self._measures:
            one_evidence, known = evidence(self._shared, one, measure)
            found[measure] = one_evidence
            if self._logged:
                one_evidence.check_overlap(one.target.label)
            for name, (terms, parameter) in self._all_terms(one, measure, one_evidence, known):
                mask = known.copy()
                if name == "dm":
                    mask[known] = one_evidence.taught
                made[measure, name] = over_all(terms, mask), parameter
        return found, made

    def _all_terms(
        self, one: Gathered, measure: str, found: Evidence, known: Mask
    ) -> Iterator[tuple[str, tuple[Terms, float | None]]]:
        if found.taught.any():
            yield "dm", (estimators.dm(found), None)
        if not self._logged:
            return
        for name, estimate in estimators.PLAIN.items():
            if name != "dm":
                yield name, (estimate(found), None)
        for name, family in FAMILIES.items():
            parameter, terms = tuned(found, family)
            yield name, (terms, parameter)
        if measure == "quality" and one.robust is not None:
            modelled, expected = (column.whole()[known] for column in one.robust)
            other = Evidence(found.weights, found.outcomes, modelled, expected, found.taught)
            yield "mrdr", (estimators.dr(other), None)

    def _others(
        self, one: Gathered, estimator: str, quality: Evidence, known: Mask | None
    ) -> Iterator[Interval]:
        """Intervals of quality that need more than resampling, each for the estimator it is of."""
        level, weights = self._settings.level, quality.weights
        if estimator == "ips" and self._full:
            low, high = intervals.bernstein_value(weights, quality.outcomes, one.most, level)
            yield Interval(method="bernstein", low=low, high=high)
        if estimator == "ips":
            at = np.array([len(quality)])
            bounds = anytime.value_bounds(weights, quality.outcomes, at, level)
            yield Interval(method="anytime", low=float(bounds.low[-1]), high=float(bounds.high[-1]))
        if estimator == "dr" and self._full and known is not None:
            blocks = self._shared.blocks.whole()[known]
            rows = adaptive.stabilised(np.array(one.spreads), blocks)
            terms = estimators.dr(quality)
            _, low, high = adaptive.weighted_mean(terms.base + terms.part, rows, level)
            yield Interval(method="adaptive", low=low, high=high)

    def _differences(
        self,
        one: Gathered,
        terms: dict[tuple[str, str], tuple[Terms, float | None]],
        own: Sequence[Terms],
        values: Array,
        at: dict[object, int],
        quality: Evidence | None,
    ) -> tuple[Difference, ...]:
        made = []
        for measure, mine in zip(self._measures, own, strict=True):
            key = measure, self._lead
            if key not in terms:
                continue
            shown = [self._bootstrap(values[:, at[key]] - values[:, at[measure]])]
            if measure == "quality" and quality is not None and self._logged:
                shown += self._bounds_of_difference(one, quality)
            made.append(
                Difference(
                    measure=measure,
                    estimator=self._lead,
                    value=terms[key][0].value - mine.value,
                    intervals=tuple(shown),
                )
            )
        return tuple(made)

    def _bounds_of_difference(self, one: Gathered, quality: Evidence) -> Iterator[Interval]:
        """By (w - 1) y, which lies in [-1, largest possible weight - 1]."""
        level, weights = self._settings.level, quality.weights
        if self._full:
            low, high = intervals.bernstein_difference(weights, quality.outcomes, one.most, level)
            yield Interval(method="bernstein", low=low, high=high)
        at = np.array([len(quality)])
        bounds = anytime.difference_bounds(weights, quality.outcomes, at, level)
        yield Interval(method="anytime", low=float(bounds.low[-1]), high=float(bounds.high[-1]))

    def _support(self, one: Gathered) -> Support:
        weights = one.weights.whole()
        rows = len(weights)
        whole = Evidence.plain(weights, np.zeros(rows))
        return Support(
            rows=rows,
            effective_size=whole.effective_size if self._logged else 0.0,
            largest_weight=whole.largest_weight if self._logged else 0.0,
            mean_weight=float(weights.mean()) if self._logged else 0.0,
            overlap=one.overlap / rows,
            certain=self._full,
        )

    def _quantiles(self, weights: Array) -> Iterator[Quantile]:
        for measure in self._measures:
            if measure == "quality":
                continue
            outcomes = self._shared.outcomes[measure].whole()
            known = ~np.isnan(outcomes)
            for share in SHARES:
                value, low, high = quantile_interval(
                    outcomes[known], weights[known], share, self._settings.level
                )
                yield Quantile(
                    measure=measure,
                    share=share,
                    value=value,
                    interval=Interval(method="woodruff", low=low, high=high),
                )

    def _segments(self, one: Gathered) -> Iterator[Segment]:
        """Quality within each segment, the largest first; nothing if there is only one."""
        names, places, counts = np.unique(
            self._shared.segments.whole().astype(str), return_inverse=True, return_counts=True
        )
        if len(names) < 2 or "quality" not in self._measures or not self._logged:
            return
        found, known = evidence(self._shared, one, "quality")
        inside = [(at, places == at) for at in np.argsort(-counts, kind="stable")[:MOST_SEGMENTS]]
        parts = [(at, mask & known, found.rows(mask[known])) for at, mask in inside]
        terms = [
            over_all(estimators.dr(part), mask) for _, mask, part in parts if part.weights.any()
        ]
        shown = iter(zip(terms, self._resampled(terms).T, strict=True))
        for at, _, part in parts:
            name, size = str(names[at]), part.effective_size
            if not part.weights.any():
                yield Segment(
                    segment=name, rows=len(part), effective_size=size, problem="no overlap"
                )
                continue
            each, values = next(shown)
            yield Segment(
                segment=name,
                rows=len(part),
                effective_size=size,
                value=each.value,
                interval=self._bootstrap(values),
                incumbent=float(part.outcomes.mean()),
            )

    def _judged(
        self,
        one: Gathered,
        terms: dict[tuple[str, str], tuple[Terms, float | None]],
        own: Sequence[Terms],
        values: Array,
        at: dict[object, int],
    ) -> Gate:
        """A condition holds if it would at the unfavourable end of a one-sided interval."""
        text = self._settings.gate
        if not self._logged:
            return Gate(text=text, passed=False, problem="the log has no propensities")
        mine = dict(zip(self._measures, own, strict=True))
        checks = []
        for condition in self._gate:
            margin = condition.margin.constant
            path = np.full(len(values), margin)
            for (whose, measure), weight in condition.margin.weights.items():
                key = (measure, self._lead) if whose == CANDIDATE else measure
                each = terms[measure, self._lead][0] if whose == CANDIDATE else mine[measure]
                margin += weight * each.value
                path += weight * values[:, at[key]]
            bound = float(np.quantile(path, 1.0 - self._settings.level))
            enough = bound > 0.0 if condition.strict else bound >= -ROUNDING
            checks.append(
                Check(condition=condition.text, margin=margin, bound=bound, passed=enough)
            )
        size = self._support(one).effective_size
        problem = ""
        if size < self._settings.least_effective_size:
            problem = (
                f"the log says as much as {size:,.0f} decisions of its own; "
                f"{self._settings.least_effective_size:,.0f} are asked for"
            )
        passed = not problem and all(check.passed for check in checks)
        return Gate(text=text, passed=passed, checks=tuple(checks), problem=problem)

    # -- resampling ----------------------------------------------------------------------

    def _resampled(self, terms: Sequence[Terms]) -> Array:
        if not terms:
            return np.zeros((self._settings.resamples, 0))
        return self._resampler.values([self._resampler.reduced(each) for each in terms])

    def _bootstrap(self, values: Array) -> Interval:
        low, high = intervals.percentile(values, self._settings.level)
        return Interval(method="bootstrap", low=low, high=high)


def over_all(terms: Terms, mask: Mask) -> Terms:
    """The same estimate with terms for all n rows, which are 0 outside of the mask (n,)."""
    if mask.all():
        return terms
    count = int(mask.sum())

    def placed(values: Array) -> Array:
        wide = np.zeros(len(mask))
        wide[mask] = values
        return wide

    share = mask.astype(float) if terms.share is None else placed(terms.share)
    if terms.share is None:
        return Terms(np.zeros(len(mask)), placed(terms.base + terms.part), share)
    return Terms(placed(terms.base) * (len(mask) / count), placed(terms.part), share)
