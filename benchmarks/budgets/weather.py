"""Streams on which things go wrong half way, and feedback that is scarce or late."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation import loading
from bandit_service.evaluation.allowances import Allowance
from bandit_service.evaluation.arrivals import Arrivals
from bandit_service.evaluation.contestants import DEFAULT, Entry, entered, named
from bandit_service.evaluation.simulation import Simulation
from bandit_service.evaluation.table import OutcomeTable

Array = NDArray[np.float64]
PLAIN = Arrivals()


@dataclass(frozen=True, slots=True)
class Weather:
    """A case: what is heard, and what becomes of a table's later rows.

    arm      slot that changes, by the order of mean cost; None: nothing changes
    costs    factor on its costs from half of the stream on. Nobody is told
    quality  taken off its quality from there on
    """

    name: str
    arrivals: Arrivals = PLAIN
    arm: int | None = None
    costs: float = 1.0
    quality: float = 0.0

    def applied(self, table: OutcomeTable, seed: int) -> OutcomeTable:
        """The table as the stream of this seed finds it."""
        if self.arm is None:
            return table
        rows = self.arrivals.rows(table, seed)
        later = rows[len(rows) // 2 :]
        slot = int(np.argsort(np.nanmean(table.cost_usd, axis=0))[self.arm])
        cost, quality = table.cost_usd.copy(), table.quality.copy()
        cost[later, slot] *= self.costs
        quality[later, slot] = np.maximum(quality[later, slot] - self.quality, 0.0)
        return replace(table, cost_usd=cost, quality=quality)


CASES = (
    Weather("plain"),
    Weather("5 % feedback", Arrivals(feedback_fraction=0.05)),
    Weather("all reported 1,000 late", Arrivals(feedback_delay=1000)),
    Weather("dearest arm at a tenth from half on", arm=-1, costs=0.1),
    Weather("second arm three times as dear", arm=1, costs=3.0),
    Weather("second arm worse by .2, silently", arm=1, quality=0.2),
)

Quarters = tuple[float, float, float, float]


def quarters(values: Array, of: Callable[[Array], float] = np.nanmean) -> Quarters:
    """Of each quarter of a stream, (T,)."""
    first, second, third, fourth = (float(of(part)) for part in np.array_split(values, 4))
    return first, second, third, fourth


def under_weather(task: tuple[str, Weather, float, int]) -> tuple[Quarters, Quarters]:
    """Quality and cost of each quarter of one stream."""
    folder, case, budget, seed = task
    table, entry = _loaded(folder)
    changed = case.applied(table, seed)
    run = Simulation(changed, entry).run(case.arrivals, seed, None, Allowance(budget))
    served = run.order, run.arms
    return quarters(changed.quality[served]), quarters(changed.cost_usd[served])


@cache
def _loaded(folder: str) -> tuple[OutcomeTable, Entry]:
    table = loading.load(Path(folder))
    (entry,) = entered([named(DEFAULT)], table)
    return table, entry
