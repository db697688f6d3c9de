"""What FGTS.CDB learns: judged pairs, and draws from the two posteriors that they make.

    U_j(theta) = ridge |theta|^2 / 2
                 + sum_i w_i { eta [v_i ln(1 + e^-u_i) + (1 - v_i) ln(1 + e^u_i)]
                               - mu [max_a phi(x_i, a)' theta - phi(x_i, a_i^k)' theta] }
    u_i = z_i' theta + s_i beta

with z_i = phi of the first side less phi of the second, v_i how good the first was, and k the
sampler other than j: its arm, not the own one, is what the feel-good term measures against. beta is
what being shown first is worth, s_i is 1 or -1 for the side that was, 0 where nobody knows; without
`position` there is neither.

Each sampler keeps M draws. With every row some of them move: a few steps of Langevin dynamics,
preconditioned by H = ridge I + S + (eta / 4) sum w z z', whose curvature is nowhere exceeded, so
the step never has to shrink. Rows beyond the window leave for the summary S, s: the second-order
expansion of their log likelihood around the mean draw of that moment.

The draws are part of the state and move on its rows alone. They are rounded to a grid far
below their spread, so that they are the same bits whatever kernels the linear algebra ran on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import expit

from policies.arm_features import ArmFeatures
from policies.pair_rows import NOBODY, NOT_KNOWN, PairRows
from policies.policy import Array, CopiedSums, Side
from policies.rounding import rounded

GRID = 2.0**-14  # of the draws; their spread is that of a posterior
FINE_GRID = 2.0**-24  # of the factors that build the summary
STEP = 0.5  # of the dynamics; below 1 it is stable, since H exceeds the curvature
LEAVING = 8  # a window lets its rows go this many at a time, as a share: 1 / LEAVING


@dataclass(frozen=True)
class DuelPrior:
    """What the draws start from, and how they move; see `FGTSCDB` for the settings."""

    features: ArmFeatures
    half_life: float | None
    ridge: float
    eta: float
    mu: float
    draws: int
    steps: int
    moved: int
    window: int
    position: bool = False

    def size(self, arms: int) -> int:
        """Number of weights, p: beta is the first of them, if there is one."""
        return self.features.size(arms) + self.position


class DuelState:
    """The rows, their summary, and the draws.

    rows          see PairRows
    precision     (p, p)     of the summary
    linear        (p,)       its precision times its mean
    draws         (2, M, p)  of the two samplers
    turn          (1,)       how often draws have moved
    observations  (K,)       weight seen, never aged
    """

    __slots__ = ("draws", "linear", "observations", "precision", "prior", "rows", "turn")

    def __init__(self, prior: DuelPrior, arms: int) -> None:
        size = prior.size(arms)
        self.prior = prior
        self.rows = PairRows(prior.features.dim, ordered=prior.position)
        self.precision, self.linear = np.zeros((size, size)), np.zeros(size)
        self.observations, self.turn = np.zeros(arms), np.zeros(1)
        self.draws = self._prior_draws(size)

    @classmethod
    def restored(cls, prior: DuelPrior, canonical: Mapping[str, NDArray[Any]]) -> Self:
        """The state of these arrays. ValueError where a shape does not fit."""
        observations = np.array(canonical["observations"], dtype=np.float64)
        if observations.ndim != 1:
            raise ValueError(f"observations must have shape (K,), got {observations.shape}")
        state = cls(prior, len(observations))
        state.observations = observations
        state.rows = PairRows(prior.features.dim, canonical, prior.position)
        for name in ("precision", "linear", "draws", "turn"):
            made = np.array(canonical[name], dtype=np.float64)
            wanted = getattr(state, name).shape
            if made.shape != wanted:
                raise ValueError(f"{name} must have shape {wanted}, got {made.shape}")
            setattr(state, name, made)
        return state

    @property
    def arms(self) -> int:
        return len(self.observations)

    def canonical(self) -> Mapping[str, NDArray[Any]]:
        arrays = self.rows.arrays()
        for name in ("precision", "linear", "draws", "turn", "observations"):
            arrays[name] = getattr(self, name)
        views = {name: array.view() for name, array in arrays.items()}
        for view in views.values():
            view.flags.writeable = False
        return views

    def snapshot(self) -> CopiedSums:
        return CopiedSums.of(self)

    def copy(self) -> Self:
        return type(self).restored(self.prior, self.canonical())

    def add_arm(self) -> None:
        self.observations = np.append(self.observations, 0.0)
        grown = self.prior.size(self.arms) - len(self.linear)
        self.linear = np.append(self.linear, np.zeros(grown))
        self.precision = np.pad(self.precision, ((0, grown), (0, grown)))
        fresh = self._prior_draws(len(self.linear))[:, :, len(self.linear) - grown :]
        self.draws = np.concatenate((self.draws, fresh), axis=2)

    def drop_arm(self, arm: int) -> None:
        """Forgets every row that speaks of the arm, and what is learned of it alone."""
        rows = self.rows
        touched = (rows.arms == arm).any(axis=1)
        for (first, second), weight in zip(rows.arms[touched], rows.weights[touched], strict=True):
            for side in (first, second):
                if side != NOBODY:
                    self.observations[side] -= weight
        self.observations[arm] = 0.0
        rows.keep(~touched)
        features = self.prior.features
        if not features.embeddings:
            begin = self.prior.position + arm * features.own
            part = slice(begin, begin + features.own)
            self.linear[part] = self.precision[part] = self.precision[:, part] = 0.0
            self.draws[:, :, part] = self._prior_draws(len(self.linear))[:, :, part]

    def utilities(self, contexts: Array, draws: Array) -> Array:
        """Of the arms for n contexts under M draws (M, p), wherever they are shown: (M, n, K)."""
        weights = draws[:, self.prior.position :]
        return self.prior.features.utilities(contexts, weights, self.arms)

    def learn(
        self,
        first: Side,
        second: Side | None,
        value: float,
        weight: float,
        clock: float,
        shown: float = NOT_KNOWN,
    ) -> None:
        """One row more; some of the draws move."""
        self.rows.add(first, second, value, weight, clock, self._kept(shown))
        self.observations[first[0]] += weight
        if second is not None:
            self.observations[second[0]] += weight
        if len(self.rows) > self.prior.window:
            self._let_go(max(1, self.prior.window // LEAVING))
        self._move()

    def revise(
        self,
        first: Side,
        second: Side | None,
        old: float,
        new: float | None,
        weight: float,
        clock: float,
        shown: float = NOT_KNOWN,
    ) -> None:
        """Another value for a row, or None to withdraw it. What has left for the summary stays."""
        if second is None and self.observations[first[0]] < weight * (1.0 - 1e-9):
            raise ValueError(f"arm {first[0]} has seen less weight than is to be revised")
        shown = self._kept(shown)
        row = self.rows.find(first, second, old, weight, clock, shown)
        if row is None and second is not None:  # told from the other side
            row = self.rows.find(second, first, 1.0 - old, weight, clock, -shown)
            new = None if new is None else 1.0 - new
        if row is None:
            return
        if new is None:
            self.rows.keep(np.arange(len(self.rows)) != row)
            self.observations[first[0]] -= weight
            if second is not None:
                self.observations[second[0]] -= weight
        else:
            self.rows.values[row] = new
        self._move()

    def _kept(self, shown: float) -> float:
        return shown if self.prior.position else NOT_KNOWN

    # -- the draws ------------------------------------------------------------------------

    def _prior_draws(self, size: int) -> Array:
        shape = (2, self.prior.draws, size)
        return rounded(self._noise(shape) / np.sqrt(self.prior.ridge), GRID)

    def _noise(self, shape: tuple[int, ...]) -> Array:
        """Standard normals that depend on nothing but how often the draws have moved."""
        source = np.random.Generator(np.random.Philox(key=int(self.turn[0])))
        return source.standard_normal(shape)

    def _move(self) -> None:
        """The next `moved` draws of each sampler take `steps` steps."""
        prior, rows, count = self.prior, self.rows, self.prior.draws
        chosen = (int(self.turn[0]) * prior.moved + np.arange(prior.moved)) % count
        z, weights = self._differences(), self._aged()
        lower = np.linalg.cholesky(self._curvature(z, weights))
        noise = self._noise((prior.steps, 2, prior.moved, len(self.linear)))
        for sampler in (0, 1):
            theta = self.draws[sampler, chosen]
            lead = self._feel_good(theta, 1 - sampler, weights)
            for step in range(prior.steps):
                push = prior.eta * weights * (expit(theta @ z.T) - rows.values)
                slope = prior.ridge * theta + theta @ self.precision - self.linear
                slope += push @ z - prior.mu * lead
                # With H = L L': H^-1 slope = L'^-1 (L^-1 slope), and L'^-1 noise ~ N(0, H^-1).
                moved = -STEP * _solved(lower, slope.T)
                moved += np.sqrt(2.0 * STEP) * noise[step, sampler].T
                theta = theta + _solved(lower, moved, transposed=True).T
            self.draws[sampler, chosen] = rounded(theta, GRID)
        self.turn += 1.0

    def _feel_good(self, theta: Array, other: int, weights: Array) -> Array:
        """Slope of the feel-good term, (M, p): phi of what theta finds best less phi of what the
        other sampler chose, summed over the duels. Held fixed while theta takes its steps."""
        rows, features = self.rows, self.prior.features
        duels = np.flatnonzero(rows.arms[:, 1] != NOBODY)
        if self.prior.mu == 0.0 or not len(duels):
            return np.zeros_like(theta)
        contexts, weighed = rows.sides[duels, other], weights[duels]
        taken = weighed @ features.of(contexts, rows.arms[duels, other], self.arms)
        best = self.utilities(contexts, theta).argmax(axis=2)
        lead = [weighed @ features.of(contexts, arms, self.arms) - taken for arms in best]
        return np.pad(lead, ((0, 0), (int(self.prior.position), 0)))

    def _differences(self) -> Array:
        """z of every row, (n, p)."""
        rows, features = self.rows, self.prior.features
        first, second = (
            features.of(rows.sides[:, side], rows.arms[:, side], self.arms) for side in (0, 1)
        )
        made: Array = first - second
        return np.column_stack((rows.shown, made)) if self.prior.position else made

    def _aged(self) -> Array:
        """Weights of the rows as seen at the newest one's clock."""
        rows, half_life = self.rows, self.prior.half_life
        if half_life is None or not len(rows):
            return rows.weights
        aged: Array = rows.weights * np.exp2((rows.clocks - rows.clocks[-1]) / half_life)
        return aged

    def _curvature(self, z: Array, weights: Array) -> Array:
        curvature = 0.25 * self.prior.eta * (z.T * weights) @ z + self.precision
        every = np.arange(len(curvature))
        curvature[every, every] += self.prior.ridge
        made: Array = curvature
        return made

    def _let_go(self, count: int) -> None:
        """The oldest rows leave for the summary. Added up in an order that any machine keeps."""
        z, weights = self._differences()[:count], self._aged()[:count] * self.prior.eta
        centre = rounded(self.draws.mean(axis=(0, 1)), GRID)
        wins = rounded(expit(z @ centre), FINE_GRID)
        bends = rounded(weights * wins * (1.0 - wins), FINE_GRID)
        pulls = rounded(
            weights * (self.rows.values[:count] - wins) + bends * (z @ centre), FINE_GRID
        )
        for row, bend, pull in zip(z, bends, pulls, strict=True):
            self.precision += np.multiply.outer(row, row) * bend
            self.linear += row * pull
        self.rows.keep(slice(count, None))


def _solved(lower: NDArray[np.floating[Any]], values: Array, transposed: bool = False) -> Array:
    """L^-1 values, or L'^-1 values. A factor of a positive matrix needs no checks."""
    made: Array = solve_triangular(
        lower, values, lower=True, trans="T" if transposed else "N", check_finite=False
    )
    return made
