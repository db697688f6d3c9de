"""How learners of utilities see an arm: phi(x, a), from the context x (d,) and the arm a."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from policies.policy import Array


@dataclass(frozen=True)
class ArmFeatures:
    """With `embeddings`, one vector (d,) an arm: phi = x * embedding, and all arms share their
    weights. Without: every arm has weights of its own, for the first `width` features, times
    `scale`, and the last one, the constant.
    """

    dim: int
    width: int
    embeddings: tuple[tuple[float, ...], ...] = ()
    scale: float = 1.0
    table: Array = field(init=False, repr=False, compare=False)  # (K, d), of the embeddings

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", np.array(self.embeddings).reshape(-1, self.dim))

    @property
    def own(self) -> int:
        """Features that an arm looks at, m."""
        return self.dim if self.embeddings else min(self.width + 1, self.dim)

    def size(self, arms: int) -> int:
        """Number of weights, p."""
        return self.own if self.embeddings else arms * self.own

    def of(self, contexts: Array, arms: NDArray[np.int64], count: int) -> Array:
        """phi of n sides of `count` arms, (n, p); zeros where the arm is below 0."""
        somebody = arms >= 0
        if self.embeddings:
            made: Array = contexts * self.table[arms] * somebody[:, None]
            return made
        phi = np.zeros((len(arms), count, self.own))
        phi[somebody, arms[somebody]] = self._seen(contexts)[somebody]
        return phi.reshape(len(arms), count * self.own)

    def utilities(self, contexts: Array, weights: Array, count: int) -> Array:
        """phi(x, a)' theta of n contexts, for M vectors of weights (M, p): (M, n, K)."""
        if self.embeddings:
            spread = weights[:, None, :] * self.table[:count]
        else:
            spread = weights.reshape(len(weights), count, self.own)
        made: Array = np.matmul(self._seen(contexts), spread.transpose(0, 2, 1))
        return made

    def _seen(self, contexts: Array) -> Array:
        if self.embeddings:
            return contexts
        features = contexts[:, : self.own - 1] * self.scale
        return np.concatenate((features, contexts[:, -1:]), axis=1)
