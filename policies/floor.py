"""The exploration floor: a least chance for every eligible arm.

Off-policy estimates divide by the logged chance, so a chance of zero blinds them, and a
deterministic policy gives most arms just that.
"""

from policies.policy import Array, Mask


def with_floor(probabilities: Array, eligible: Mask | None, floor: float) -> Array:
    """`(1 - floor) * p + floor / |E|` on the eligible arms E, shape (n, K).

    `floor` in [0, 1] is the whole share that is spread evenly, not the share of one arm.
    Ineligible arms (mask (n, K), None: all are eligible) keep 0.

    >>> import numpy as np
    >>> with_floor(np.array([[1.0, 0.0, 0.0]]), np.array([[True, True, False]]), 0.1).round(3)
    array([[0.95, 0.05, 0.  ]])
    """
    if not 0 <= floor <= 1:
        raise ValueError(f"floor must be in [0, 1], got {floor}")
    mixed = probabilities * (1.0 - floor)
    if eligible is None:
        mixed += floor / probabilities.shape[-1]
    else:
        mixed += eligible * (floor / eligible.sum(axis=-1, keepdims=True))
    return mixed
