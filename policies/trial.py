"""Chances that arms on trial have of their own: after a change, or when they are new."""

import numpy as np

from policies.policy import Array, Mask


def with_trial(probabilities: Array, eligible: Mask | None, on_trial: Mask, share: float) -> Array:
    """`(1 - share) * p + share / |T|` on the eligible arms on trial T; p where there are none.

    probabilities (n, K), eligible (n, K) or None for all, on_trial (K,), share in [0, 1].

    >>> with_trial(np.array([[1.0, 0.0, 0.0]]), None, np.array([False, True, True]), 0.2)
    array([[0.8, 0.1, 0.1]])
    """
    if not on_trial.any():
        return probabilities
    tried = np.broadcast_to(on_trial, probabilities.shape)
    if eligible is not None:
        tried = tried & eligible
    count = tried.sum(axis=1, keepdims=True)
    shares = np.where(count > 0, share, 0.0)
    mixed: Array = probabilities * (1.0 - shares) + tried * (shares / np.maximum(count, 1))
    return mixed
