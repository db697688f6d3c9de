"""What estimators need to know of each logged row: four numbers, whatever the contexts were."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bandit_service.errors import NoOverlap

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """n rows of one outcome y, under one target policy pi. The log drew arm a with chance p.

    weights    (n,)  w = pi(a|x) / p, >= 0
    outcomes   (n,)  y, none of them NaN
    modelled   (n,)  q(x, a), what a model that never saw this row or a later one expected of it
    expected   (n,)  sum over arms of pi(b|x) q(x, b)
    taught     (n,)  whether that model had learned anything yet
    """

    weights: Array
    outcomes: Array
    modelled: Array
    expected: Array
    taught: Mask

    @classmethod
    def plain(cls, weights: Array, outcomes: Array) -> Self:
        """Without a model: q is 0 everywhere."""
        nothing = np.zeros(len(weights))
        return cls(weights, outcomes, nothing, nothing, np.zeros(len(weights), dtype=np.bool_))

    def __len__(self) -> int:
        return len(self.outcomes)

    @property
    def residuals(self) -> Array:
        """What the model missed, y - q(x, a), (n,)."""
        return self.outcomes - self.modelled

    @property
    def effective_size(self) -> float:
        """(sum w)^2 / sum w^2: as many rows of the target's own log say as much (Kish 1965)."""
        total = float(self.weights @ self.weights)
        return float(self.weights.sum()) ** 2 / total if total else 0.0

    @property
    def largest_weight(self) -> float:
        return float(self.weights.max(initial=0.0))

    def rows(self, which: Mask) -> Self:
        return type(self)(
            self.weights[which],
            self.outcomes[which],
            self.modelled[which],
            self.expected[which],
            self.taught[which],
        )


def check_overlap(who: str, rows: int, largest_weight: float) -> None:
    """Raises NoOverlap where none of these rows shows what the target would do."""
    if not rows:
        raise NoOverlap(who, "no logged decision has this outcome")
    if not largest_weight > 0.0:
        raise NoOverlap(
            who,
            f"never chooses an arm that was drawn in any of {rows:,} logged decisions; "
            "the log cannot tell what it would have earned",
        )
