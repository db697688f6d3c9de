"""Columns of packed numbers, read all at once: no float of them becomes an object of Python."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.logs.log import Array

Lengths = NDArray[np.intp]


def matrix(blobs: Sequence[bytes], kind: Any = np.float64) -> tuple[NDArray[Any], Lengths]:
    """(n, widest), filled up with NaN (or 255 for bytes), and the length of each row (n,)."""
    flat = np.frombuffer(b"".join(blobs), dtype=kind)
    size = np.dtype(kind).itemsize
    lengths = np.fromiter(map(len, blobs), dtype=np.intp, count=len(blobs)) // size
    return filled(flat, lengths, np.nan if kind is np.float64 else 255), lengths


def filled(flat: NDArray[Any], lengths: Lengths, rest: float) -> NDArray[Any]:
    """Rows of these lengths (n,) out of one array, (n, widest)."""
    widest = int(lengths.max(initial=0))
    if (lengths == widest).all():
        return flat.reshape(len(lengths), widest)
    made = np.full((len(lengths), widest), rest, dtype=flat.dtype)
    made[np.arange(widest) < lengths[:, None]] = flat
    return made


def column(values: Sequence[Any]) -> Array:
    """(n,) float64, NaN for None."""
    return np.array(values, dtype=np.float64)


def flags(values: Sequence[Any]) -> NDArray[np.bool_]:
    """(n,) of bools, or of SQLite's 0 and 1."""
    return np.array(values, dtype=np.bool_)


def offsets(lengths: Lengths) -> NDArray[np.int32]:
    """Where each list begins, and where the last one ends: (n + 1,)."""
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
