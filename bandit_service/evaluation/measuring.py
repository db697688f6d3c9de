"""One policy over one part of its streams: what it earned, took and missed."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from bandit_service.evaluation.amounts import taken
from bandit_service.evaluation.intervals import known_over_seeds, over_seeds
from bandit_service.evaluation.optimal import (
    Mask,
    known_mean,
    nearly_known,
    optimal_arms,
    worth,
)
from bandit_service.evaluation.results import Mean, Measures
from bandit_service.evaluation.streams import Streams
from bandit_service.evaluation.table import Array, OutcomeTable, Rows


@dataclass(frozen=True, slots=True, eq=False)
class Yardstick:
    """What any choice is measured with, worked out once for a table. n queries, K arms.

    best, rival        slots: the best single arm, and the arm compared with
    regret             (n, K) worth of the query's best arm less the arm's
    regret_to_best     (n, K) worth of the best single arm less the arm's
    best_quality       (n,)   of the best single arm
    optimal            (n, K) where an arm is optimal
    first_optimal      (n,)   the first of those slots

    Where the best single arm is not known on a query, the mean of the arms offered there stands in.
    """

    table: OutcomeTable
    best: int
    rival: int
    regret: Array
    regret_to_best: Array
    best_quality: Array
    optimal: Mask
    first_optimal: Rows

    @classmethod
    def of(cls, table: OutcomeTable, best: int, rival: int) -> Self:
        value = worth(table)
        highest = np.max(np.where(np.isnan(value), -np.inf, value), axis=1, keepdims=True)
        optimal = optimal_arms(value, table.cost_usd)
        return cls(
            table=table,
            best=best,
            rival=rival,
            regret=highest - value,
            regret_to_best=_of_arm(value, best)[:, None] - value,
            best_quality=_of_arm(table.quality, best),
            optimal=optimal,
            first_optimal=np.argmax(optimal, axis=1),
        )

    def measures(self, streams: Streams) -> Measures:
        table = self.table
        quality = streams.average(table.quality)
        compared = np.sign(quality - table.quality[streams.rows, self.rival])
        return Measures(
            queries=streams.steps,
            quality=over_seeds(quality.mean(axis=1)),
            cost_usd=known_over_seeds(taken(table, streams, "cost_usd")),
            latency_seconds=known_over_seeds(taken(table, streams, "latency_seconds")),
            energy_joules=known_over_seeds(taken(table, streams, "energy_joules")),
            regret=over_seeds(streams.average(self.regret).sum(axis=1)),
            regret_to_best=over_seeds(streams.average(self.regret_to_best).sum(axis=1)),
            routing_accuracy=over_seeds(streams.average(self.optimal).mean(axis=1)),
            quality_of_best=over_seeds(self._quality_of_best(streams)),
            cost_of_best=known_over_seeds(self._cost_of_best(streams)),
            wins=_share(compared, 1),
            ties=_share(compared, 0),
            losses=_share(compared, -1),
        )

    def confusion(self, streams: Streams) -> Array:
        """Share of queries by (optimal arm, arm it was sent to), (K, K).

        A query sent to an optimal arm counts as that arm's own, whichever others tie with it: the
        diagonal sums to the routing accuracy.
        """
        count = len(self.table.arms)
        rows, arms = streams.calls()
        wanted = np.where(self.optimal[rows, arms], arms, self.first_optimal[rows])
        counts = np.bincount((wanted * count + arms).ravel(), minlength=count * count)
        shares: Array = counts.reshape(count, count) / arms.size
        return shares

    def arm_shares(self, streams: Streams) -> list[Mean]:
        """Of each slot, over seeds."""
        _, arms = streams.calls()
        return [over_seeds((arms == slot).mean(axis=1)) for slot in range(len(self.table.arms))]

    def _quality_of_best(self, streams: Streams) -> Array:
        """Share of the best single arm's quality on the same queries, (S,)."""
        earned = streams.average(self.table.quality).mean(axis=1)
        of_best = self.best_quality[streams.rows].mean(axis=1)
        # Where the best arm earned nothing, nothing was there to be had a share of.
        share: Array = np.divide(earned, of_best, out=np.ones_like(earned), where=of_best > 0)
        return share

    def _cost_of_best(self, streams: Streams) -> Array:
        """Share of the best single arm's cost on the same queries, (S,); NaN is unknown."""
        spent = taken(self.table, streams, "cost_usd")
        of_best = known_mean(self._known_cost_of_best()[streams.rows], axis=1)
        unknown = np.full_like(spent, np.nan)
        share: Array = np.divide(spent, of_best, out=unknown, where=of_best > 0)
        return share

    def _known_cost_of_best(self) -> Array:
        """(n,), NaN where the arm is not offered; everywhere where it is not nearly known."""
        table = self.table
        known = table.offered[:, self.best] & nearly_known(table.cost_usd, table.offered)[self.best]
        return np.where(known, table.cost_usd[:, self.best], np.nan)


def _of_arm(values: Array, slot: int) -> Array:
    """One arm's column, (n,), with the row's mean where it is unknown. NaN where all are."""
    own = values[:, slot]
    return np.where(np.isnan(own), known_mean(values, axis=1), own)


def _share(compared: Array, outcome: int) -> Mean:
    """Share of one sign among the steps that could be compared, (S, T) with NaN elsewhere.

    All three shares are 0 where not one step could be.
    """
    known = np.maximum((~np.isnan(compared)).sum(axis=1), 1)
    return over_seeds((compared == outcome).sum(axis=1) / known)
