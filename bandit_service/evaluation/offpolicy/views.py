"""What was gathered, block by block: the rows of a block as one candidate sees them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.offpolicy.evidence import Evidence
from bandit_service.evaluation.offpolicy.gathering import Gathered, Shared

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(slots=True)
class View:
    """n rows, of which the first is row `start` of all.

    known    (n,) by measure: whether its outcome is
    weights  (n,) ones for the policy that logged
    """

    start: int
    block: int
    clusters: NDArray[np.int64]
    segments: NDArray[np.int32]
    outcomes: dict[str, Array]
    known: dict[str, Mask]
    weights: Array
    _modelled: dict[str, Array]
    _taught: dict[str, Mask]
    _expected: dict[str, Array]
    _robust: tuple[Array, ...]

    def evidence(self, measure: str) -> Evidence:
        """Of the rows where the outcome is known."""
        return self._of(measure, self._modelled[measure], self._expected[measure])

    def robust(self) -> Evidence:
        """Of quality, by the MRDR model."""
        modelled, expected = self._robust
        return self._of("quality", modelled, expected)

    def _of(self, measure: str, modelled: Array, expected: Array) -> Evidence:
        taught = self._taught[measure]
        found = Evidence(self.weights, self.outcomes[measure], modelled, expected, taught)
        known = self.known[measure]
        return found if known.all() else found.rows(known)


def views(shared: Shared, one: Gathered | None) -> Iterator[View]:
    """Every block once; without a candidate, as the policy that logged sees itself."""
    measures = shared.measures()
    columns: dict[Any, Iterator[NDArray[Any]]] = {
        "clusters": shared.clusters.parts(),
        "segments": shared.segments.parts(),
    }
    for name in measures:
        columns["outcome", name] = shared.outcomes[name].parts()
        columns["modelled", name] = shared.modelled[name].parts()
        columns["taught", name] = shared.taught[name].parts()
        if one is not None:
            columns["expected", name] = one.expected[name].parts()
    if one is not None:
        columns["weights"] = one.weights.parts()
        columns |= {("robust", at): each.parts() for at, each in enumerate(one.robust or ())}
    start = 0
    for block, parts in enumerate(zip(*columns.values(), strict=True)):
        found = dict(zip(columns, parts, strict=True))
        clusters = found["clusters"]
        outcomes = {name: found["outcome", name] for name in measures}
        own = {name: found["modelled", name] for name in measures}
        yield View(
            start,
            block,
            clusters,
            found["segments"],
            outcomes,
            {name: ~np.isnan(values) for name, values in outcomes.items()},
            np.ones(len(clusters)) if one is None else found["weights"],
            own,
            {name: found["taught", name] for name in measures},
            own if one is None else {name: found["expected", name] for name in measures},
            tuple(found[key] for key in found if key[0] == "robust"),
        )
        start += len(clusters)
