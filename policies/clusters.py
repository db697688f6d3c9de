"""Online k-means by cosine: centroids that move with each vector, in the order they come.

Source: the clustering of GreenServ (Ziller et al. 2026): the first k distinct vectors are the first
centroids, a vector joins the centroid of the largest cosine, which then moves by (x - mu) / N.
Until there are k distinct ones, all belong to the first cluster.
"""

from typing import Self

import numpy as np
from numpy.typing import NDArray

from policies.policy import Array

LEAST = 1e-12  # length below which a vector has no direction


class Clusters:
    """centroids (k, m), counts (k,) of the vectors that each has taken in."""

    __slots__ = ("_units", "centroids", "counts")

    def __init__(self, centroids: Array, counts: Array) -> None:
        self.centroids, self.counts = centroids, counts
        self._units = _of_length_one(centroids)

    @classmethod
    def none(cls, count: int, dim: int) -> Self:
        return cls(np.zeros((count, dim)), np.zeros(count))

    @property
    def begun(self) -> int:
        """How many clusters have a centroid."""
        return int(np.count_nonzero(self.counts))

    def take(self, x: Array) -> None:
        """One vector more, (m,)."""
        if not len(self.counts):
            return
        begun = self.begun
        if begun < len(self.counts):
            if not any(np.array_equal(x, known) for known in self.centroids[:begun]):
                self.centroids[begun] = x
                self.counts[begun] = 1.0
                self._units[begun] = _of_length_one(x[None])[0]
            return
        chosen = int(self.labels(x[None])[0])
        self.counts[chosen] += 1.0
        self.centroids[chosen] += (x - self.centroids[chosen]) / self.counts[chosen]
        self._units[chosen] = _of_length_one(self.centroids[chosen : chosen + 1])[0]

    def labels(self, vectors: Array) -> NDArray[np.intp]:
        """The cluster of each, (n,)."""
        if not len(self.counts) or self.begun < len(self.counts):
            return np.zeros(len(vectors), dtype=np.intp)
        chosen: NDArray[np.intp] = (vectors @ self._units.T).argmax(axis=1)
        return chosen


def _of_length_one(vectors: Array) -> Array:
    lengths = np.sqrt(np.einsum("km,km->k", vectors, vectors))[:, None]
    made: Array = vectors / np.maximum(lengths, LEAST)
    return made
