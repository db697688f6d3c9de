"""The best arm of each row, where ties are split evenly.

Cached and rebuilt state differ in the last bits; without a tolerance a tie would fall to
one arm before a restart and to another after it.
"""

import numpy as np

from policies.policy import Array, Mask

TIE = 1e-9  # relative to the best score, where that is above 1
FEW = 16  # arms up to which plain Python is faster than numpy for a single row


def judged(scores: Array, eligible: Mask | None, offsets: Array | None) -> Array:
    """Scores with offsets added and ineligible arms at -inf, shape (n, K)."""
    if offsets is not None:
        scores = scores + offsets
    if eligible is not None:
        if not eligible.any(axis=1).all():
            raise ValueError("every row needs an eligible arm")
        scores = np.where(eligible, scores, -np.inf)
    if not scores.shape[1]:
        raise ValueError("a state without arms has no best one")
    return scores


def best_split(scores: Array) -> Array:
    """1 for the best arm of each row, shape (n, K); equal shares where several are best."""
    if len(scores) == 1 and scores.shape[1] <= FEW:
        return best_of_few(scores[0].tolist())
    if len(scores) == 1:
        row = scores[0]
        at = int(row.argmax())
        top = float(row[at])
        if np.count_nonzero(row >= top - TIE * max(1.0, abs(top))) == 1:
            chances = np.zeros(scores.shape)
            chances[0, at] = 1.0
            return chances
    best = is_best(scores)
    shares: Array = best / best.sum(axis=1, keepdims=True)
    return shares


def best_of_few(scores: list[float]) -> Array:
    """`best_split` of one row, shape (1, K): for a handful of arms faster than numpy's calls."""
    chances = np.zeros((1, len(scores)))
    top = max(scores)
    least = top - TIE * max(1.0, abs(top))
    tied = [arm for arm, score in enumerate(scores) if score >= least]
    share = 1.0 / len(tied)
    for arm in tied:
        chances[0, arm] = share
    return chances


def is_best(scores: Array) -> Mask:
    """Which arms score within the tolerance of their row's best, shape (n, K)."""
    top = scores.max(axis=1, keepdims=True)
    tied: Mask = scores >= top - TIE * np.maximum(1.0, np.abs(top))
    return tied
