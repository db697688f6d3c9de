"""Numbers on a grid: the same bits, whatever kernels the linear algebra before it ran on."""

import numpy as np

from policies.policy import Array


def rounded(values: Array, grid: float) -> Array:
    """The nearest multiples of `grid`.

    >>> rounded(np.array([0.3, 0.4]), 0.25)
    array([0.25, 0.5 ])
    """
    made: Array = np.rint(values / grid) * grid
    return made
