"""A warm start from verdicts on pairs: a Bradley-Terry model whose strengths may lean on the query.

Source: Bradley and Terry (1952), "Rank Analysis of Incomplete Block Designs", Biometrika 39, with
strengths that are linear in the context: P(a beats b | x) = sigmoid(x' (theta_a - theta_b)). With
no context but the constant it is the plain model, and its strengths are Elo ratings times ln(10) /
400. Fitted by scipy's L-BFGS with the exact gradient.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit

from bandit_service.errors import BadTable
from bandit_service.evaluation.table import Array, Pair, Rows
from bandit_service.evaluation.warm_start.outcomes import spread_of
from bandit_service.model import ArmWarmStart, WarmStart

SCORES = {"a": 1.0, "b": 0.0, "tie": 0.5}


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """n verdicts on pairs of K arms.

    arms           names, (K,)
    first, second  (n,)   slots of the two
    rows           (n,)   of the query that both answered
    preferred      (n,)   1 where the first was better, 0 the second, 0.5 neither
    """

    arms: tuple[str, ...]
    first: Rows
    second: Rows
    rows: Rows
    preferred: Array

    def sides(self) -> Array:
        """1 at the first and -1 at the second, (n, K); 0 where both are the same."""
        sides = np.zeros((len(self.rows), len(self.arms)))
        every = np.arange(len(self.rows))
        sides[every, self.first] += 1.0
        sides[every, self.second] -= 1.0
        return sides


def verdicts_of(
    pairs: Sequence[Pair], query_ids: Sequence[str], arms: Sequence[str], source: str
) -> Verdicts:
    """Verdicts as slots and rows. Raises BadTable for a query or an arm that nobody knows."""
    if not pairs:
        raise BadTable(source, "there is no verdict")
    slots = {name: slot for slot, name in enumerate(arms)}
    places = {query: row for row, query in enumerate(query_ids)}
    for pair in pairs:
        if pair.query_id not in places:
            raise BadTable(
                source, f"a verdict is about query {pair.query_id!r}, which is not there"
            )
        for name in (pair.model_a, pair.model_b):
            if name not in slots:
                raise BadTable(source, f"a verdict names {name!r}; the arms are {', '.join(arms)}")
    return Verdicts(
        arms=tuple(arms),
        first=np.array([slots[pair.model_a] for pair in pairs], dtype=np.intp),
        second=np.array([slots[pair.model_b] for pair in pairs], dtype=np.intp),
        rows=np.array([places[pair.query_id] for pair in pairs], dtype=np.intp),
        preferred=np.array([SCORES[pair.winner] for pair in pairs]),
    )


def strengths(verdicts: Verdicts, contexts: Array, ridge: float) -> Array:
    """theta (K, d) of the most likely model, each centred over the arms.

    `ridge` > 0 is the precision of every weight: without it an arm that never lost is infinitely
    strong.
    """
    sides, x, y = verdicts.sides(), contexts[verdicts.rows], verdicts.preferred
    shape = len(verdicts.arms), contexts.shape[1]

    def loss(flat: Array) -> tuple[float, Array]:
        theta = flat.reshape(shape)
        margin = np.einsum("nk,kd,nd->n", sides, theta, x, optimize=True)
        lost = float(np.sum(np.logaddexp(0.0, margin) - y * margin))
        gradient = sides.T @ ((expit(margin) - y)[:, None] * x) + ridge * theta
        return lost + 0.5 * ridge * float(flat @ flat), gradient.ravel()

    found = minimize(loss, np.zeros(shape[0] * shape[1]), jac=True, method="L-BFGS-B",
                     options={"maxiter": 2000, "ftol": 1e-14, "gtol": 1e-8})  # fmt: skip
    theta: Array = found.x.reshape(shape)
    theta -= theta.mean(axis=0)
    return theta


def from_preferences(
    verdicts: Verdicts,
    contexts: Array,
    *,
    n_eff: float,
    pool_quality: float = 0.5,
    graded: dict[str, float] | None = None,
    ridge: float = 1.0,
) -> WarmStart:
    """What the verdicts say of each arm, as weights and a level; contexts (n, d) of the queries.

    Verdicts order the arms, they do not grade them. An arm's level is `pool_quality` moved by how
    much more often than half it beats an arm as strong as the mean; the weights are the slope of
    that. With `graded`, the mean quality of at least two arms by name, levels follow from it
    instead: the isotonic regression of quality on the rate of winning. Arms without a verdict get
    no prior.
    """
    theta = strengths(verdicts, contexts, ridge)
    rates = expit(theta[:, -1])
    levels = pool_quality + rates - 0.5
    if graded:
        levels = _graded(rates, verdicts.arms, graded)
    slopes = (rates * (1.0 - rates))[:, None] * theta[:, :-1]
    judged = np.abs(verdicts.sides()).sum(axis=0)
    arms = {
        name: ArmWarmStart(
            weights=tuple(slopes[arm].tolist()),
            level=float(levels[arm]),
            n_eff=float(judged[arm]) if judged[arm] < n_eff else None,
        )
        for arm, name in enumerate(verdicts.arms)
        if judged[arm]
    }
    return WarmStart(arms=arms, n_eff=n_eff, spread=spread_of(contexts))


def _graded(rates: Array, arms: Sequence[str], graded: dict[str, float]) -> Array:
    """Qualities at these rates of winning, (K,), from the arms whose quality is known."""
    known = np.array([name in graded for name in arms])
    if known.sum() < 2:
        raise BadTable("graded", "needs the quality of two arms that there are verdicts on")
    order = np.argsort(rates[known], kind="stable")
    at = rates[known][order]
    quality = np.array([graded[name] for name in arms if name in graded])[order]
    levels: Array = np.interp(rates, at, isotonic_regression(quality).x)
    return levels
