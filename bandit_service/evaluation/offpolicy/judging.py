"""Everything that is said of one candidate, and of the policy that logged beside it.

Nothing here holds the rows: they come in blocks, some times over, and leave sums.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bandit_service.errors import NoOverlap
from bandit_service.evaluation.logs.traffic import Traffic
from bandit_service.evaluation.offpolicy import describing, estimators, gating, parts
from bandit_service.evaluation.offpolicy.bounds import QualityBounds
from bandit_service.evaluation.offpolicy.estimators import Terms
from bandit_service.evaluation.offpolicy.evidence import check_overlap
from bandit_service.evaluation.offpolicy.gates import Condition
from bandit_service.evaluation.offpolicy.gathering import Gathered, Shared
from bandit_service.evaluation.offpolicy.resampling import (
    OWN,
    Key,
    Resampled,
    Resampler,
    Resampling,
)
from bandit_service.evaluation.offpolicy.results import (
    Candidate,
    Difference,
    Estimate,
    Quantile,
    Support,
)
from bandit_service.evaluation.offpolicy.settings import ESTIMATED, Settings
from bandit_service.evaluation.offpolicy.tuning import FAMILIES, Tuner
from bandit_service.evaluation.offpolicy.views import View, views

Mask = NDArray[np.bool_]
Found = dict[Key, tuple[Terms, Mask]]

LEAD, WITHOUT_PROPENSITIES = "dr", "dm"


class Judge:
    """Judges candidates on equal rows, resampled alike."""

    def __init__(
        self,
        shared: Shared,
        traffic: Traffic,
        settings: Settings,
        gate: Sequence[Condition],
        balanced: bool = False,
    ) -> None:
        """`balanced`: no row's weight is over its own chance. Then rows have a mean together and
        not one by one, as bounds along the way would need it."""
        self._shared, self._settings, self._gate = shared, settings, gate
        self._balanced = balanced
        self._logged = traffic.knows_propensities or settings.propensities == ESTIMATED
        self._full = traffic.knows_all
        self._measures = shared.measures()
        self._lead = LEAD if self._logged else WITHOUT_PROPENSITIES
        self._resampler = Resampler(settings.seed, settings.resamples, shared.rows)
        gating.check_measures(gate, self._measures)

    def incumbent(self) -> tuple[Estimate, ...]:
        """The policy that logged: plain means, on its own log."""
        sums = Resampling(self._resampler)
        for view in views(self._shared, None):
            sums.add(view.start, view.clusters, self._own(view))
        found = sums.found(self._settings.level)
        return tuple(
            Estimate(
                measure=measure,
                estimator=OWN,
                value=found.values[measure, OWN],
                rows=self._shared.known[measure],
                intervals=(found.interval((measure, OWN)),),
            )
            for measure in self._measures
        )

    def incumbent_quantiles(self) -> tuple[Quantile, ...]:
        return tuple(parts.quantiles(self._shared, None, self._settings.level))

    def candidate(self, one: Gathered) -> Candidate:
        """Raises NoOverlap where the log says nothing of it, or nothing of what its gate asks."""
        measures = self._shared.measures(one)
        self._check_gate(one, measures)
        judged = self._logged and "quality" in self._measures
        if self._logged:
            for measure in measures:
                rows = self._shared.known[measure]
                check_overlap(one.target.label, rows, one.largest[measure])
        parameters = self._tuned(one, measures)
        segments = parts.SegmentsSoFar(self._shared) if judged else None
        level = self._settings.level
        bounds = None
        if judged and not self._balanced:
            bounds = QualityBounds(one, self._shared, self._full, level)
        sums = Resampling(self._resampler)
        for view in views(self._shared, one):
            terms = self._own(view) | self._terms(
                view, measures, parameters, one.robust is not None
            )
            if bounds is not None:
                bounds.add(view.evidence("quality"), view.block)
            if segments is not None:
                terms |= segments.add(view)
            sums.add(view.start, view.clusters, terms)
        return self._said(one, sums.found(level), parameters, bounds, segments)

    def _check_gate(self, one: Gathered, measures: Sequence[str]) -> None:
        asked = {name for each in self._gate for _, name in each.margin.weights}
        for measure in self._measures:
            if measure in asked and measure not in measures:
                raise NoOverlap(one.target.label, describing.unheard(one, self._shared, measure))

    # -- terms ---------------------------------------------------------------------------

    def _own(self, view: View) -> Found:
        return {
            (measure, OWN): (Terms(None, view.outcomes[measure][known]), known)
            for measure, known in view.known.items()
        }

    def _tuned(self, one: Gathered, measures: Sequence[str]) -> dict[Key, float]:
        """The parameter of every estimator that has one."""
        if not self._logged:
            return {}
        tuners = {
            (measure, name): Tuner(family, family.grid(one.largest[measure]))
            for measure in measures
            for name, family in FAMILIES.items()
        }
        for view in views(self._shared, one):
            for measure in measures:
                found = view.evidence(measure)
                for name in FAMILIES:
                    tuners[measure, name].add(found)
        return {key: tuner.best() for key, tuner in tuners.items()}

    def _terms(
        self,
        view: View,
        measures: Sequence[str],
        parameters: Mapping[Key, float],
        robust: bool,
    ) -> Found:
        """Every estimator of every measure, of the rows where it is known."""
        made: Found = {}
        for measure in measures:
            found, known = view.evidence(measure), view.known[measure]
            if self._shared.taught_rows.get(measure):
                made[measure, "dm"] = estimators.dm(found), known
            if not self._logged:
                continue
            for name, estimate in estimators.PLAIN.items():
                if name != "dm":
                    made[measure, name] = estimate(found), known
            for name, family in FAMILIES.items():
                made[measure, name] = family.estimate(found, parameters[measure, name]), known
            if measure == "quality" and robust:
                made[measure, "mrdr"] = estimators.dr(view.robust()), known
        return made

    # -- what is said --------------------------------------------------------------------

    def _said(
        self,
        one: Gathered,
        found: Resampled,
        parameters: Mapping[Key, float],
        bounds: QualityBounds | None,
        segments: "parts.SegmentsSoFar | None",
    ) -> Candidate:
        settings, support = self._settings, self._support(one)
        return Candidate(
            label=one.target.label,
            description=one.target.description,
            ran="frozen" if one.target.learns else "fixed",
            support=support,
            estimates=tuple(self._estimates(found, parameters, bounds)),
            differences=tuple(self._differences(found, bounds)),
            quantiles=tuple(parts.quantiles(self._shared, one, settings.level))
            if self._logged
            else (),
            arms=describing.arm_shares(self._shared, one, self._full, self._logged),
            segments=tuple(segments.found(found)) if segments is not None else (),
            weights=describing.histogram(one) if self._logged else None,
            path=bounds.path() if bounds is not None else None,
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

    def _estimates(
        self, found: Resampled, parameters: Mapping[Key, float], bounds: QualityBounds | None
    ) -> Iterator[Estimate]:
        for key in found.values:
            measure, estimator = key
            if estimator in (OWN, parts.OF_SEGMENT):
                continue
            shown = [found.interval(key)]
            if measure == "quality" and bounds is not None:
                shown += bounds.of(estimator)
            parameter = parameters.get(key, np.inf)
            yield Estimate(
                measure=measure,
                estimator=estimator,
                value=found.values[key],
                rows=self._shared.known[measure],
                parameter=None if parameter == np.inf else parameter,
                intervals=tuple(shown),
            )

    def _differences(self, found: Resampled, bounds: QualityBounds | None) -> Iterator[Difference]:
        for measure in self._measures:
            key, own = (measure, self._lead), (measure, OWN)
            if key not in found.values:
                continue
            shown = [found.interval(key, minus=own)]
            if measure == "quality" and bounds is not None:
                shown += bounds.of_difference()
            yield Difference(
                measure=measure,
                estimator=self._lead,
                value=found.values[key] - found.values[own],
                intervals=tuple(shown),
            )

    def _support(self, one: Gathered) -> Support:
        rows, logged = self._shared.rows, self._logged
        return Support(
            rows=rows,
            effective_size=one.effective_size if logged else 0.0,
            largest_weight=float(one.moments.most) if logged else 0.0,
            mean_weight=one.moments.mean if logged else 0.0,
            overlap=one.overlap / rows,
            certain=self._full,
        )
