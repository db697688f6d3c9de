"""What contextual TI-UCB learns: the line through what the context leaves of each arm's rewards.

    A = Lam0 + sum x x',   theta = A^-1 sum r x                ridge regression an arm, x with its 1
    X_k = r_k - x_k' theta without the constant's part         what the line and the detector see

Rows keep their features, so that the residuals are always those under the theta of now, whatever
came late or was revised; points that have left keep the sums which that takes. Theta is solved for
from the sums alone: an alarm may not depend on who has read what in between. An alarm restarts the
line and leaves the regression.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dtrsv
from scipy.linalg.lapack import dtrtrs

from policies.cholesky import factor_of
from policies.linear_sums import LinearSums
from policies.policy import Array
from policies.rising_state import RisingState, RisingTerms

INTERCEPT_RIDGE = 1e-3  # the line has the level: the regression only has to leave it alone


@dataclass(frozen=True)
class ResidualTerms(RisingTerms):
    """`RisingTerms`, and the ridge of the regressions on d features, the constant 1 last."""

    dim: int
    ridge: float
    half_life: None = None

    @property
    def features(self) -> int:
        return self.dim - 1

    def precision(self) -> Array:
        """Diagonal of Lam0, (d,)."""
        return np.append(np.full(self.dim - 1, self.ridge), INTERCEPT_RIDGE)


class ResidualState(RisingState):
    """A `RisingState` with `regressions`, the sums of the arms' regressions."""

    __slots__ = ("_answer", "_asked", "_factors", "_precision", "_thetas", "regressions")

    terms: ResidualTerms
    _answer: tuple[Array, Array]
    _asked: bytes
    _factors: list[Array | None]
    _thetas: Array

    def __init__(self, terms: ResidualTerms, arms: int) -> None:
        super().__init__(terms, arms)
        self.regressions = LinearSums.empty(terms, arms)
        self._precision = terms.precision()
        self._forget_caches()

    @classmethod
    def restored(cls, terms: Any, canonical: Mapping[str, NDArray[Any]]) -> Self:
        state = super().restored(terms, canonical)
        names = ("sums", "clocks", "observations")
        own = {name: canonical[f"context_{name}"] for name in names}
        state.regressions = LinearSums.restored(terms, own)
        return state

    def canonical(self) -> Mapping[str, NDArray[Any]]:
        own = self.regressions.canonical()
        return {**super().canonical(), **{f"context_{name}": own[name] for name in own}}

    def add_arm(self) -> None:
        super().add_arm()
        self.regressions.add_arm()
        self._forget_caches()

    def drop_arm(self, arm: int) -> None:
        super().drop_arm(arm)
        self.regressions.drop_arm(arm)
        self._forget(arm)

    def learn_of(self, arm: int, x: Array, reward: float, weight: float, clock: float) -> None:
        """One reward more of a context x, (d,)."""
        self.regressions._absorb(arm, x, reward, weight, clock)
        self._forget(arm)
        self.learn(arm, reward, weight, clock, x[:-1])

    def revise_of(
        self, arm: int, x: Array, old: float, new: float | None, weight: float, clock: float
    ) -> None:
        """Another reward in place of one that was learned so, or None to withdraw it."""
        self.regressions._amend(arm, x, old, new, weight, clock)
        self._forget(arm)
        self._lines[arm] = None
        self.revise(arm, old, new, weight, clock, x[:-1])

    def explained(self, contexts: Array) -> tuple[Array, Array]:
        """What the features of each context add, and its variance in variances of a reward, both
        (n, K)."""
        # A decision asks twice, for its chances and for what is logged of its beliefs.
        asked = contexts.tobytes() if len(contexts) == 1 else b""
        if asked and asked == self._asked:
            return self._answer
        features = contexts.copy()
        features[:, -1] = 0.0
        spreads = np.empty((len(contexts), self.arms))
        for arm in range(self.arms):
            factor = self._factor(arm)
            if asked:
                root = dtrsv(factor, features[0], lower=1)
                spreads[0, arm] = root.dot(root)
            else:
                roots, _ = dtrtrs(factor, features.T, lower=1)
                spreads[:, arm] = np.einsum("dn,dn->n", roots, roots)
        self._asked, self._answer = asked, (features @ self._thetas.T, spreads)
        return self._answer

    def _forget(self, arm: int) -> None:
        self._factors[arm], self._asked = None, b""

    def _forget_caches(self) -> None:
        self._asked = b""  # the context that `_answer` is of
        self._answer = np.empty((0, 0)), np.empty((0, 0))
        self._factors = [None] * self.arms
        self._thetas = np.zeros((self.arms, self.terms.dim))  # those of arms that have a factor

    def _factor(self, arm: int) -> Array:
        """The factor of A, with theta beside it."""
        factor = self._factors[arm]
        if factor is None:
            sums = self.regressions.sums[arm]
            matrix = sums[:-2, :-2].copy()
            matrix.reshape(-1)[:: len(matrix) + 1] += self._precision
            factor = self._factors[arm] = factor_of(matrix, self._precision)
            root = dtrsv(factor, sums[-2, :-2], lower=1)
            self._thetas[arm] = dtrsv(factor, root, lower=1, trans=1)
        return factor

    def _theta(self, arm: int) -> Array:
        """Weights of the features, (d - 1,)."""
        self._factor(arm)
        return self._thetas[arm, :-1]

    def _read(self, arm: int, kept: Array) -> Array:
        residuals: Array = kept[:, 1] - kept[:, 3:] @ self._theta(arm)
        return residuals

    def _past(self, arm: int) -> tuple[float, float, float]:
        departed, theta, m = self.departed[arm], self._theta(arm), self.terms.features
        left, total, moment = departed[:3].tolist()
        if left:
            total -= float(departed[3 : 3 + m] @ theta)
            moment -= float(departed[3 + m :] @ theta)
        return left, total, moment

    def _departing(self, arm: int, place: float) -> Array:
        """The point itself, not its residual, which is another under each theta."""
        rows = self.kept[arm, : self.terms.block]
        total = float(rows[:, 2].sum())
        shares = rows[:, 2] / (total if total > 0.0 else 1.0) if len(rows) > 1 else np.ones(1)
        reward, features = shares @ rows[:, 1], shares @ rows[:, 3:]
        first = np.array([1.0, reward, place * reward])
        return np.concatenate((first, features, place * features))
