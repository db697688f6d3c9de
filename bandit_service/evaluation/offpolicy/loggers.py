"""Logs of several policies: weights over the mixture of those that logged (Agarwal et al. 2017).

Where one logger draws an arm often that another seldom draws, weights over each row's own
propensity are uneven without need. With p_l(a|x) the chance that logger l gives, and s_l its share
of the judged rows, the mixture sum_l s_l p_l(a|x) stands in for the propensity.

Fair if queries were alike whoever logged them, and if no logger learned meanwhile: then a row may
as well have been drawn from the mixture.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bandit_service.errors import InvalidField
from bandit_service.evaluation.logs.log import Log
from bandit_service.evaluation.logs.traffic import Traffic
from bandit_service.evaluation.offpolicy.estimators import balanced_weights
from bandit_service.evaluation.offpolicy.targets import Target

Array = NDArray[np.float64]

FIELD = "--logger"
_EQUAL = 1e-6  # between chances that were logged and those that a logger gives


class Loggers:
    """Who drew the decisions of each revision, among the judged rows of a log.

    counts    judged rows by revision

    Raises InvalidField where a revision has no logger, or a logger no revision, or learns.
    """

    def __init__(
        self, by_revision: Mapping[int, Target], traffic: Traffic, training: int, rows: int
    ) -> None:
        if not traffic.knows_propensities:
            raise InvalidField(FIELD, "the log has no propensities to be balanced")
        for revision, target in by_revision.items():
            if target.learns:
                raise InvalidField(
                    FIELD,
                    f"{target.label!r} of revision {revision} learns, so its chances moved with "
                    "what it met; only policies that stay as they are can be balanced",
                )
        self.counts = _judged(traffic, training, rows)
        odd = sorted(self.counts.keys() ^ by_revision.keys())
        if odd:
            there = ", ".join(map(str, sorted(self.counts)))
            problem = "no logger" if odd[0] in self.counts else "no judged decision"
            raise InvalidField(
                FIELD, f"revision {odd[0]} has {problem}; judged are those of revisions {there}"
            )
        self._by_revision = dict(sorted(by_revision.items()))
        judged = sum(self.counts.values())
        self._shares = np.array([self.counts[each] / judged for each in self._by_revision])

    def balanced(self, block: Log) -> Log:
        """The same rows as if they had been drawn from the mixture of all loggers.

        Raises InvalidField where a logger does not give the chances that were logged of it.
        """
        # (L, n, K)
        chances = np.stack([each.probabilities(block) for each in self._by_revision.values()])
        rows = np.arange(len(block))
        for place, revision in enumerate(self._by_revision):
            self._check(block, revision, chances[place, rows, block.chosen])
        # One over the balanced weight of a target that is sure to choose the drawn arm.
        drawn = chances[:, rows, block.chosen].T
        propensities = 1.0 / balanced_weights(np.ones(len(block)), drawn, self._shares)
        mixed: Array = np.einsum("l,lnk->nk", self._shares, chances)
        known = block.probabilities is not None
        return replace(block, propensities=propensities, probabilities=mixed if known else None)

    def _check(self, block: Log, revision: int, given: Array) -> None:
        mine = block.revisions == revision
        wrong = np.flatnonzero(mine & (np.abs(given - block.propensities) > _EQUAL))
        if len(wrong):
            first = wrong[0]
            raise InvalidField(
                FIELD,
                f"{self._by_revision[revision].label!r} did not draw {len(wrong):,} of "
                f"{int(mine.sum()):,} decisions of revision {revision} that were looked at: it "
                f"gives the arm of the first one the chance {given[first]:.6g}, and "
                f"{block.propensities[first]:.6g} was logged",
            )

    def told(self) -> dict[str, int]:
        """Judged rows of each logger, by revision and name."""
        return {
            f"{revision}={target.label}": self.counts[revision]
            for revision, target in self._by_revision.items()
        }

    def note(self) -> str:
        shares = ", ".join(
            f"{share:.0%} revision {name}"
            for share, name in zip(self._shares, self.told(), strict=True)
        )
        return (
            f"weights are over the mixture of those that logged ({shares}): fair if queries were "
            "alike whoever logged them, if feedback came as often, and if none of them learned "
            "meanwhile. Intervals are the bootstrap's alone"
        )


def _judged(traffic: Traffic, training: int, rows: int) -> Counter[int]:
    found: Counter[int] = Counter()
    seen = 0
    for block in traffic.blocks(rows):
        cut = min(max(training - seen, 0), len(block))
        found.update(block.revisions[cut:].tolist())
        seen += len(block)
    return found
