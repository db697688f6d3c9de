"""What a context is made of, under a version that every decision carries.

A context is a float64 vector of length d whose last feature is the constant 1.0. Two contexts
may be compared, and learned from together, only if their versions are equal.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NoReturn, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandit_service.errors import WrongContext
from bandit_service.features.embedding import FULL_DIMENSIONS, embed, wordllama_version
from bandit_service.features.readability import readability
from bandit_service.features.text_statistics import NAMES, text_statistics

Contexts = NDArray[np.float64]

# Bounds the time a text takes. Part of "text.v1", as are the formulas and the scale below.
READ_CHARACTERS = 8192

# Linear policies put one prior on all weights and trust it as far as ||x|| is about 1. The
# embedding has length 1; eight statistics in [0, 1] could reach sqrt(8). Times this they stay
# within length 1/2, so they sway the prior at most a quarter as much (in variance).
STATISTICS_SCALE = 0.5 / math.sqrt(len(NAMES))

# A larger number, squared and summed over a policy's life, would drown the others' digits.
LARGEST_MAGNITUDE = 1e6


class FeatureMap(Protocol):
    """Turns queries into contexts. Pure: equal input, equal bits, alone or in a batch."""

    @property
    def version(self) -> str:
        """Names the schema, such as "vector.v1:32+constant"."""
        ...

    @property
    def dim(self) -> int:
        """Length d of a context, the constant included."""
        ...

    def from_vectors(self, vectors: ArrayLike) -> Contexts:
        """Contexts (n, d) of n given vectors, shape (n, d - 1).

        Raises WrongContext if this schema takes text, if the shape is wrong, or if a number is not
        finite or larger than a million.
        """
        ...

    def from_texts(
        self, texts: Sequence[str], labels: Sequence[Sequence[str]] | None = None
    ) -> Contexts:
        """Contexts (n, d) of n texts; `labels` has those of each, or there are none. Labels that
        this schema does not know tell it nothing. Raises WrongContext if it takes vectors."""
        ...


@dataclass(frozen=True, slots=True)
class _VectorFeatures:
    """The caller's own numbers, unchanged, and the constant."""

    given_dim: int
    version: str = field(init=False)
    dim: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "version", f"vector.v1:{self.given_dim}+constant")
        object.__setattr__(self, "dim", self.given_dim + 1)

    def from_vectors(self, vectors: ArrayLike) -> Contexts:
        given = np.asarray(vectors, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != self.given_dim:
            raise WrongContext(
                "context",
                f"need vectors of {self.given_dim} numbers, shape (n, {self.given_dim}); "
                f"got shape {given.shape}",
            )
        # NaN survives max() and fails every comparison: one pass tests all three conditions.
        if not np.abs(given).max(initial=0.0) <= LARGEST_MAGNITUDE:
            _refuse_number(given)
        contexts = np.ones((len(given), self.dim))
        contexts[:, :-1] = given
        return contexts

    def from_texts(
        self, texts: Sequence[str], labels: Sequence[Sequence[str]] | None = None
    ) -> Contexts:
        raise WrongContext("context", f"need a vector of {self.given_dim} numbers, got text")


@dataclass(frozen=True, slots=True)
class _TextFeatures:
    """Embedding of unit length, the scaled statistics, readability if wanted, labels, the constant.

    Readability and labels are in [0, 1] as they are.
    """

    dimensions: int
    readability: bool = False
    labels: tuple[str, ...] = ()
    version: str = field(init=False)
    dim: int = field(init=False)

    def __post_init__(self) -> None:
        embedding = f"wordllama-{wordllama_version()}-{self.dimensions}"
        version = f"text.v1:{embedding}+statistics-{len(NAMES)}"
        if self.readability:
            version += "+readability"
        if self.labels:
            # By what they are called, in order: another list is another schema.
            named = blake2b("\n".join(self.labels).encode(), digest_size=4).hexdigest()
            version += f"+labels-{len(self.labels)}-{named}"
        object.__setattr__(self, "version", f"{version}+constant")
        own = len(NAMES) + self.readability + len(self.labels)
        object.__setattr__(self, "dim", self.dimensions + own + 1)

    def from_vectors(self, vectors: ArrayLike) -> Contexts:
        raise WrongContext("context", "need text, got a vector")

    def from_texts(
        self, texts: Sequence[str], labels: Sequence[Sequence[str]] | None = None
    ) -> Contexts:
        read = [_readable(text) for text in texts]
        contexts = np.ones((len(read), self.dim))
        contexts[:, : self.dimensions] = embed(read, self.dimensions)
        at = self.dimensions + len(NAMES)
        contexts[:, self.dimensions : at] = text_statistics(read) * STATISTICS_SCALE
        if self.readability:
            contexts[:, at] = readability(read)
            at += 1
        for label in self.labels:
            contexts[:, at] = 0.0 if labels is None else [float(label in own) for own in labels]
            at += 1
        return contexts


def vector_features(dim: int) -> FeatureMap:
    """Takes the caller's vectors of `dim` numbers; a context has one more, the constant.

    They work best at a length of about 1. Raises ValueError if dim < 1.

    >>> vector_features(2).from_vectors([[0.6, 0.8]])
    array([[0.6, 0.8, 1. ]])
    """
    if dim < 1:
        raise ValueError(f"need dim >= 1, got {dim}")
    return _VectorFeatures(dim)


def text_features(
    dimensions: int = 64, readability: bool = False, labels: tuple[str, ...] = ()
) -> FeatureMap:
    """Takes text: `dimensions` of embedding, eight statistics, the constant; before it how hard the
    text is to read, if wanted, and a feature for each of the labels that queries can have.

    Reads the first 8,192 characters; lone surrogates count as question marks. The first text
    loads the embedding's weights (about half a second): send one before serving. Raises
    ValueError unless dimensions is in 1..256; 64, 128 and 256 are what the embedding was
    trained for.

    >>> text_features(64).dim
    73
    """
    if not 1 <= dimensions <= FULL_DIMENSIONS:
        raise ValueError(f"need dimensions in 1..{FULL_DIMENSIONS}, got {dimensions}")
    return _TextFeatures(dimensions, readability, labels)


def _readable(text: str) -> str:
    """What is read of a text: its beginning, as valid Unicode."""
    return text[:READ_CHARACTERS].encode("utf-8", "replace").decode()


def _refuse_number(given: NDArray[np.float64]) -> NoReturn:
    """Says where the number is, not what: errors get logged, contexts do not."""
    row, column = np.argwhere(~(np.abs(given) <= LARGEST_MAGNITUDE))[0]
    raise WrongContext(
        "context",
        f"number {column} of vector {row} is not finite or is beyond +-{LARGEST_MAGNITUDE:,.0f}",
    )
