"""Reads the bundled sample. `tools/make_sample.py` writes it."""

from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

FILE_NAME = "paretobandit_sample.npz"


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """n queries, each answered by all K arms: an oracle's view that no live log has.

    embeddings      (n, 64)  of unit length, as `text_features(64)` begins a context
    quality         (n, K)   one judge's score of the answer, in [0, 1]
    cost_usd        (n, K)   what the call cost, > 0
    input_tokens    (n, K)   NaN where unknown
    output_tokens   (n, K)   NaN where unknown
    tasks           (n,)     the benchmark a query is from, such as "gsm8k" or "bbh/snarks"
    arms            (K,)     model names, cheapest first
    input_usd_per_million_tokens   (K,)  list price
    output_usd_per_million_tokens  (K,)  list price

    The queries stand in random order. No query's text is here. The source gives the cost of a
    call but not its tokens, and a cost with two prices does not tell the two counts apart: all
    token counts of this sample are unknown.
    """

    embeddings: NDArray[np.float64]
    quality: NDArray[np.float64]
    cost_usd: NDArray[np.float64]
    input_tokens: NDArray[np.float64]
    output_tokens: NDArray[np.float64]
    tasks: NDArray[np.str_]
    arms: tuple[str, ...]
    input_usd_per_million_tokens: NDArray[np.float64]
    output_usd_per_million_tokens: NDArray[np.float64]


def load_sample() -> Sample:
    """The sample, read anew at each call (a few milliseconds); the caller may change its arrays.

    >>> load_sample().quality.shape
    (1000, 3)
    """
    file = resources.files("bandit_service.sample") / FILE_NAME
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
        quality = stored["quality"]
        return Sample(
            embeddings=stored["embeddings"].astype(np.float64),
            quality=quality,
            cost_usd=stored["cost_usd"],
            input_tokens=np.full(quality.shape, np.nan),
            output_tokens=np.full(quality.shape, np.nan),
            tasks=stored["tasks"],
            arms=tuple(map(str, stored["arms"])),
            input_usd_per_million_tokens=stored["input_usd_per_million_tokens"],
            output_usd_per_million_tokens=stored["output_usd_per_million_tokens"],
        )
