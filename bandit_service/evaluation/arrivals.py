"""Who asks when in a simulation, and who says how it went: the seed's luck, the same for all."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bandit_service.errors import InvalidField
from bandit_service.evaluation.table import OutcomeTable, Rows

Order = Literal["shuffled", "file"]

_ORDER, _COINS = 1, 2  # what a seed's numbers are for


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """How queries come, and what is heard of them.

    order              the queries shuffled by the seed, or as they stand in the file
    feedback_fraction  share of queries whose score or verdict comes back, in [0, 1], by a coin.
                       Usage comes back always: a caller knows the bill without asking anybody
    feedback_delay     further queries that are decided before feedback comes, >= 0

    Raises InvalidField.
    """

    order: Order = "shuffled"
    feedback_fraction: float = 1.0
    feedback_delay: int = 0

    def __post_init__(self) -> None:
        if self.order not in ("shuffled", "file"):
            raise InvalidField("order", f"must be shuffled or file, not {self.order!r}")
        if not 0.0 <= self.feedback_fraction <= 1.0:
            raise InvalidField(
                "feedback_fraction", f"must be in [0, 1], not {self.feedback_fraction:g}"
            )
        if self.feedback_delay < 0:
            raise InvalidField("feedback_delay", f"must be >= 0, not {self.feedback_delay}")

    def rows(self, table: OutcomeTable, seed: int) -> Rows:
        """The row of the table served at each step, (T,). Nobody can serve a query of which no
        outcome is known."""
        rows = np.flatnonzero(table.offered.any(axis=1))
        if self.order == "shuffled":
            np.random.default_rng((_ORDER, seed)).shuffle(rows)
        return rows

    def scored(self, count: int, seed: int) -> NDArray[np.bool_]:
        """Whether the score of the query at each step comes back, (count,)."""
        coins = np.random.default_rng((_COINS, seed)).random(count)
        heard: NDArray[np.bool_] = coins < self.feedback_fraction
        return heard
