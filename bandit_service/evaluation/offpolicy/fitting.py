"""Logged contexts as policies take them: with the constant last, whether it was logged or not."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def fitting(contexts: Array, dim: int) -> Array:
    """Contexts (n, dim) with the constant last, added where they come without it."""
    if contexts.shape[1] == dim:
        return contexts
    made = np.ones((len(contexts), dim))
    made[:, : contexts.shape[1]] = contexts
    if contexts.shape[1] == 0:
        made[:, 0] = 0.0  # a feature that is always 0 teaches nothing
    return made


def with_constant(contexts: Array) -> bool:
    """Whether contexts (n, d) end with the constant 1."""
    return contexts.shape[1] > 1 and bool((contexts[:, -1] == 1.0).all())
