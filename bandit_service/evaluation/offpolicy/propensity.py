"""Propensities for logs that have none: how likely each arm was, given what the context says.

A multinomial logistic regression of the arm on the context, taught with earlier rows only, so that
no row's propensity rests on its own draw. It is right only if nothing beyond the context moved the
choice, which no log can show; whatever rests on it is called estimated.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Array = NDArray[np.float64]
Slots = NDArray[np.intp]

RIDGE = 1.0  # for contexts of norm about 1; not on the constant
SHARE = 0.01  # of evenness mixed in, so that no weight is above 100 K
MOST_ROWS = 10_000  # of all earlier rows, a fair sample is kept
_STEPS = 100


class PropensityModel:
    """K arms, contexts (n, d); taught block by block."""

    def __init__(self, arms: int, dim: int, seed: int) -> None:
        self._arms, self._dim = arms, dim
        self._luck = np.random.default_rng([seed, 13])
        self._contexts, self._chosen = np.zeros((0, dim + 1)), np.zeros(0, dtype=np.intp)
        self._seen, self._is_fitted = 0, True
        self._weights = np.zeros((dim + 1, arms))

    def learn(self, contexts: Array, chosen: Slots) -> None:
        """Keeps a fair sample of all rows so far (reservoir sampling, Vitter 1985)."""
        rows = np.column_stack([contexts, np.ones(len(contexts))])
        room = min(MOST_ROWS - len(self._chosen), len(rows))
        self._contexts = np.concatenate((self._contexts, rows[:room]))
        self._chosen = np.concatenate((self._chosen, chosen[:room]))
        numbers = np.arange(self._seen + room + 1, self._seen + len(rows) + 1)
        places = (self._luck.random(len(numbers)) * numbers).astype(np.intp)
        kept = np.flatnonzero(places < MOST_ROWS)
        self._contexts[places[kept]] = rows[room:][kept]
        self._chosen[places[kept]] = chosen[room:][kept]
        self._seen, self._is_fitted = self._seen + len(rows), False

    def predict(self, contexts: Array) -> Array:
        """Chances (n, K), at least SHARE / K each; even before anything was learned."""
        if not self._is_fitted:
            self._fit()
        rows = np.column_stack([contexts, np.ones(len(contexts))])
        made: Array = (1.0 - SHARE) * _softmax(rows @ self._weights) + SHARE / self._arms
        return made

    def _fit(self) -> None:
        """From where the last fit ended."""
        shape = self._weights.shape
        drawn = np.zeros((len(self._chosen), self._arms))
        drawn[np.arange(len(drawn)), self._chosen] = 1.0
        ridge = np.full((self._dim + 1, 1), RIDGE)
        ridge[-1] = RIDGE / 1000.0  # keeps arms that were never drawn at a finite distance

        def loss(flat: Array) -> tuple[float, Array]:
            weights = flat.reshape(shape)
            chances = _softmax(self._contexts @ weights)
            told = np.log(np.maximum(chances[drawn > 0.0], 1e-300)).sum()
            slope = self._contexts.T @ (chances - drawn) + ridge * weights
            return float(0.5 * (ridge * weights**2).sum() - told), slope.ravel()

        found = minimize(
            loss, self._weights.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}
        )
        self._weights, self._is_fitted = found.x.reshape(shape), True


def _softmax(scores: Array) -> Array:
    made: Array = np.exp(scores - scores.max(axis=1, keepdims=True))
    made /= made.sum(axis=1, keepdims=True)
    return made


@dataclass(slots=True)
class LogLoss:
    """How well estimated propensities foresaw the draws: the mean of -log p of what was drawn."""

    rows: int = 0
    _total: float = 0.0
    _drawn: Array = field(default_factory=lambda: np.zeros(0))

    def add(self, chances: Array, chosen: Slots) -> None:
        if not len(self._drawn):
            self._drawn = np.zeros(chances.shape[1])
        self.rows += len(chosen)
        self._total -= float(np.log(chances[np.arange(len(chosen)), chosen]).sum())
        self._drawn += np.bincount(chosen, minlength=chances.shape[1])

    @property
    def mean(self) -> float:
        return self._total / self.rows

    @property
    def of_frequencies(self) -> float:
        """The least that anybody reaches who does not look at contexts: the draws' entropy."""
        shares = self._drawn[self._drawn > 0.0] / self.rows
        return float(-(shares @ np.log(shares)))
