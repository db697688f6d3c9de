"""A router that saw every arm's outcome: how far these features can carry, learned offline.

One ridge regression of quality on the context for each arm, cross-fitted: a query is routed by
regressions that have not seen it, so luck is not taken for skill. No online policy has it, for
it learns from the arms that were not chosen as well.

The penalty is the one with which the training queries, each predicted without itself, would have
been routed best. Least squared error would choose it too small: a good guess of every quality is
not a good guess of which is higher.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from bandit_service.evaluation.optimal import Mask
from bandit_service.evaluation.table import Array, OutcomeTable, Rows

FOLDS = 5
# Tried from strong to weak, in units of the mean eigenvalue of the centred contexts' products: from
# so much that an arm is predicted by its mean to next to nothing. The first of equals is taken.
PENALTIES = np.logspace(3, -3, 13)
# An arm without a prediction comes after all others that are offered.
_LAST = float(np.finfo(np.float64).min)
# Leverage above 1 less this: the row decided its own fit, and cannot be left out.
_ALONE = 1e-9


def route_offline(table: OutcomeTable, contexts: Array, seed: int = 0) -> Rows:
    """The slot that each query would be sent to, (n,); -1 where no arm is known.

    contexts (n, d), the constant included. Needs two queries with a known quality, so that each
    has another one to learn from; raises ValueError with fewer.
    """
    offered = table.offered
    usable = np.flatnonzero(offered.any(axis=1))
    if len(usable) < 2:
        raise ValueError(f"need two queries with a known quality, got {len(usable)}")
    shuffled = np.random.default_rng(seed).permutation(usable)
    chosen = np.full(len(table), -1, dtype=np.intp)
    for held_out in np.array_split(shuffled, min(FOLDS, len(shuffled))):
        training = np.setdiff1d(usable, held_out)
        predicted = predict(contexts[training], table.quality[training], contexts[held_out])
        chosen[held_out] = highest(predicted, offered[held_out])
    return chosen


def predict(contexts: Array, quality: Array, asked: Array) -> Array:
    """Each arm's expected quality on the contexts asked about, (m, K); NaN for an untaught arm.

    contexts (n, d), quality (n, K) with NaN where unknown, asked (m, d).
    """
    centred = contexts - contexts.mean(axis=0)
    unit = float(np.mean(np.sum(centred**2, axis=0))) or 1.0
    regressions = groups(contexts, quality)
    penalty = best_penalty(regressions, quality, PENALTIES * unit)
    predicted = np.full((len(asked), quality.shape[1]), np.nan)
    for group in regressions:
        predicted[:, group.arms] = group.ridge.predict(asked, penalty)
    return predicted


def highest(predicted: Array, offered: Mask) -> Rows:
    """The offered slot with the highest prediction in each row, (m,)."""
    known = np.where(np.isnan(predicted), _LAST, predicted)
    slots: Rows = np.argmax(np.where(offered, known, -np.inf), axis=1)
    return slots


@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """Ridge regressions of k targets on the same n rows. The mean is not penalised.

    middle (d,), means (k,)   of rows and targets
    targets      (n, k) centred
    rotated      (n, d) the centred rows, in the axes where their products are diagonal
    eigenvalues  (d,)   that diagonal
    axes         (d, d)
    """

    middle: Array
    means: Array
    targets: Array
    rotated: Array
    eigenvalues: Array
    axes: Array

    @classmethod
    def of(cls, rows: Array, targets: Array) -> Self:
        middle, means = rows.mean(axis=0), targets.mean(axis=0)
        centred = rows - middle
        eigenvalues, axes = np.linalg.eigh(centred.T @ centred)
        return cls(
            middle=middle,
            means=means,
            targets=targets - means,
            rotated=centred @ axes,
            eigenvalues=np.maximum(eigenvalues, 0.0),
            axes=axes,
        )

    def predict(self, asked: Array, penalty: float) -> Array:
        """(m, k) for contexts (m, d)."""
        found: Array = self.means + (asked - self.middle) @ self.weights(penalty)
        return found

    def left_out(self, penalty: float) -> Array:
        """What each row is predicted to be by the others, (n, k), without refitting.

        The fit is linear in the targets, y_hat = H y, so the error on a row that is left out is
        (y - y_hat) / (1 - H_ii); the mean adds 1/n to H. NaN for a row that has no others.
        """
        fitted = self.rotated @ self._rotated_weights(penalty)
        leverage = 1 / len(self.rotated) + self.rotated**2 @ (1 / (self.eigenvalues + penalty))
        room = np.where(1 - leverage > _ALONE, 1 - leverage, np.nan)
        found: Array = self.means + self.targets - (self.targets - fitted) / room[:, None]
        return found

    def weights(self, penalty: float) -> Array:
        """(d, k), of the rows less their middle."""
        found: Array = self.axes @ self._rotated_weights(penalty)
        return found

    def _rotated_weights(self, penalty: float) -> Array:
        moments: Array = self.rotated.T @ self.targets
        return moments / (self.eigenvalues + penalty)[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Arms that are known on the same queries: they share all the work but the right-hand side."""

    arms: Rows
    rows: Rows
    ridge: Ridge


def groups(contexts: Array, quality: Array) -> list[Group]:
    """The regressions of all arms; contexts (n, d), quality (n, K) with NaN where unknown."""
    known = np.ascontiguousarray(~np.isnan(quality).T)
    alike: dict[bytes, list[int]] = {}
    for arm, taught in enumerate(known):
        if taught.any():
            alike.setdefault(taught.tobytes(), []).append(arm)
    found = []
    for members in alike.values():
        arms, rows = np.array(members, dtype=np.intp), np.flatnonzero(known[members[0]])
        found.append(Group(arms, rows, Ridge.of(contexts[rows], quality[np.ix_(rows, arms)])))
    return found


def best_penalty(regressions: list[Group], quality: Array, penalties: Array) -> float:
    """The one that routes the rows best, each judged by the others. One for all arms: an arm that
    is shrunk less than its rivals would win by its noise.
    """
    offered = ~np.isnan(quality)
    earned = []
    for penalty in penalties:
        predicted = np.full(quality.shape, np.nan)
        for group in regressions:
            predicted[np.ix_(group.rows, group.arms)] = group.ridge.left_out(float(penalty))
        earned.append(quality[np.arange(len(quality)), highest(predicted, offered)].mean())
    return float(penalties[int(np.argmax(earned))])
