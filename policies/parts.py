"""What the features of a context are, for policies that look at them by kind."""

from dataclasses import dataclass

import numpy as np

from policies.policy import Array


@dataclass(frozen=True, slots=True)
class Parts:
    """A context is, in this order: an embedding, anything else, readability, labels, the constant.

    embedding    its number of features; None: all that the others leave
    readability  whether there is one: how hard the text is to read, in [0, 1]
    labels       how many there are, each 1 where the query has it
    """

    embedding: int | None = None
    readability: bool = False
    labels: int = 0

    def check(self, dim: int) -> None:
        """ValueError where they do not fit into d features."""
        least = (self.embedding or 0) + self.readability + self.labels + 1
        if dim < least:
            raise ValueError(f"dim must be at least {least} with these features, got {dim}")

    def embedded(self, dim: int) -> int:
        """How many features the embedding has."""
        rest = dim - 1 - self.labels - self.readability
        return rest if self.embedding is None else self.embedding

    def embeddings(self, contexts: Array) -> Array:
        """(n, m)"""
        return contexts[:, : self.embedded(contexts.shape[1])]

    def label_columns(self, contexts: Array) -> Array:
        """(n, labels)"""
        dim = contexts.shape[1]
        return contexts[:, dim - 1 - self.labels : dim - 1]

    def readabilities(self, contexts: Array) -> Array:
        """(n,); zeros where there is none."""
        if not self.readability:
            return np.zeros(len(contexts))
        return contexts[:, contexts.shape[1] - 2 - self.labels]


EVERYTHING = Parts()
