"""A set of outcomes, its contexts worked out once, and streams of its rows."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from msgspec.structs import replace as configured_with

from bandit_service.evaluation import loading
from bandit_service.evaluation.arrivals import Arrivals
from bandit_service.evaluation.contestants import Contestant, entry, named
from bandit_service.evaluation.contexts import Contexts, contexts_of
from bandit_service.evaluation.runs import Run
from bandit_service.evaluation.simulation import Simulation
from bandit_service.evaluation.table import OutcomeTable, Rows
from bandit_service.model import WarmStart
from policies.policy import Array

IN_ORDER = Arrivals(order="file")


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    table: OutcomeTable
    contexts: Contexts

    @classmethod
    def of(cls, folder: Path) -> "Ground":
        """Of the queries that every arm has answered."""
        table = loading.load(folder)
        table = table.rows(np.flatnonzero(table.offered.all(axis=1)))
        return cls(table, contexts_of(table))

    def of_rows(self, rows: Rows) -> "Ground":
        matrix = self.contexts.matrix[rows]
        return Ground(self.table.rows(rows), replace(self.contexts, matrix=matrix))

    def run(self, contestant: Contestant, seed: int) -> Run:
        """The rows as they stand; the seed is the draws' alone."""
        taking_part = entry(contestant, self.table, self.contexts)
        return Simulation(self.table, taking_part).run(IN_ORDER, seed)


def started(name: str, warm: WarmStart | None) -> Contestant:
    """The policy of that name with a warm start; None: from nothing."""
    contestant = named(name)
    return replace(contestant, config=configured_with(contestant.config, warm_start=warm))


def regrets(table: OutcomeTable, run: Run) -> Array:
    """Against the best answer to each query, (T,)."""
    got: Array = table.quality[run.order].max(axis=1) - table.quality[run.order, run.arms]
    return got
