"""Mean and spread of numbers that come in parts and are not kept."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(slots=True)
class Moments:
    """Of all that was added. `squares` is the sum of squared distances from the mean, merged as
    Chan, Golub and LeVeque (1979) do, which loses no digits to a large mean."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    least: float = np.inf
    most: float = -np.inf

    def add(self, values: Array) -> Self:
        """values (n,)"""
        more = len(values)
        if not more:
            return self
        mean = float(values.mean())
        apart, count = mean - self.mean, self.count + more
        self.squares += float(((values - mean) ** 2).sum()) + apart**2 * self.count * more / count
        self.mean += apart * more / count
        self.count = count
        self.least, self.most = min(self.least, values.min()), max(self.most, values.max())
        return self

    @property
    def sum(self) -> float:
        return self.mean * self.count

    @property
    def variance(self) -> float:
        """With n - 1 below."""
        return self.squares / max(1, self.count - 1)

    @property
    def standard_error(self) -> float:
        """Of the mean, for values that are independent of each other."""
        return float(np.sqrt(self.variance / max(1, self.count)))

    @property
    def sum_of_squares(self) -> float:
        return self.squares + self.count * self.mean**2
