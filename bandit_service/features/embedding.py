"""Sentence embeddings by WordLlama: an average of static token vectors, so microseconds on a CPU.

Source: D. L. Miller, WordLlama (MIT licence), weights `l2_supercat`, 256 dimensions, which come
inside its wheel. They are trained as a Matryoshka embedding (Kusupati et al. 2022, "Matryoshka
Representation Learning", NeurIPS), at 64, 128 and 256 dimensions among others: the first
components alone are an embedding too.

Departure: WordLlama's own `embed` pads every text of a batch to the longest, so one long text
among 64 can cost gigabytes, and sums all 256 dimensions in single precision. Here each text is
summed by itself, over the dimensions asked for, in double precision: the same vector to about
1e-6, and bit for bit the same alone or in a batch.
"""

import logging
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FULL_DIMENSIONS = 256


@dataclass(frozen=True, slots=True, eq=False)
class _Weights:
    """What turns text into vectors.

    tokenizer  text -> token ids; neither pads nor cuts
    vectors    (tokens, dimensions), one row per token id
    """

    tokenizer: "Tokenizer"
    vectors: NDArray[np.float32]


_loaded: dict[int, _Weights] = {}
_loading = threading.Lock()


def embed(texts: Sequence[str], dimensions: int) -> NDArray[np.float64]:
    """Embeddings of unit length, shape (n, dimensions); all zeros for a text without a token.

    The texts must be free of lone surrogates; `dimensions` is in 1..256. The first call loads
    the weights (about half a second, kept for the life of the process). Threads may call this
    together.
    """
    weights = _loaded.get(dimensions) or _load(dimensions)
    sums = np.zeros((len(texts), dimensions))
    encodings = weights.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    for row, encoding in zip(sums, encodings, strict=True):
        weights.vectors.take(encoding.ids, axis=0).sum(axis=0, dtype=np.float64, out=row)
        # Row by row: as fast as a whole matrix at once, and a row's bits know no neighbours.
        if length := math.sqrt(row.dot(row)):
            row /= length
    return sums


def wordllama_version() -> str:
    """Major and minor version of the installed WordLlama, such as "0.4": it names the weights."""
    return ".".join(metadata.version("wordllama").split(".")[:2])


def _load(dimensions: int) -> _Weights:
    with _loading:
        if dimensions not in _loaded:
            with _root_logger_untouched():
                import wordllama  # type: ignore[import-untyped]

            # Its files lie in its own folder, where a plain load() does not look before it
            # goes to the network.
            model = wordllama.WordLlama.load(
                cache_dir=Path(wordllama.__file__).parent,
                dim=FULL_DIMENSIONS,
                disable_download=True,
            )
            model.tokenizer.no_padding()
            vectors = np.array(model.embedding[:, :dimensions], dtype=np.float32, order="C")
            _loaded[dimensions] = _Weights(model.tokenizer, vectors)
        return _loaded[dimensions]


@contextmanager
def _root_logger_untouched() -> Iterator[None]:
    """Undoes what WordLlama's import does to the process: it calls `logging.basicConfig`."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        yield
    finally:
        root.setLevel(level)
        for handler in set(root.handlers).difference(handlers):
            root.removeHandler(handler)
