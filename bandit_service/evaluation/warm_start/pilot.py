"""PILOT's warm start: a projection of queries and an embedding of every arm, from preferences.

Source: Panda et al. (2025), "Adaptive LLM Routing under Budget Constraints", EMNLP Findings,
arXiv:2508.21141, section 3. Two phases: a linear map psi(x) = W x + b is learned with a triplet
loss on cosine distances (a query is near those whose preferred arm is the same); then, with it
frozen, one embedding an arm, with P(a beats b | x) a softmax over the two cosines.

Departs from it: margin, dimension and optimiser were not to be found, so both phases are minimised
by scipy's L-BFGS with exact gradients, over a fixed sample of triplets; negatives are queries that
the anchor's preferred arm lost; the map is held near the principal axes, for with noisy verdicts
the triplet loss alone is least where all queries fall into one point; the softmax has a
temperature, without which the chance of winning is bounded to [.12, .88].
"""

from enum import StrEnum

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from bandit_service.errors import BadTable
from bandit_service.evaluation.table import Array, Rows
from bandit_service.evaluation.warm_start.preferences import Verdicts
from bandit_service.model import ArmWarmStart, WarmStart

TRIPLETS = 2000
HELD = 0.005  # weight of the squared distance from the principal axes
LEAST = 1e-9  # length that a vector is divided by


class Strength(StrEnum):
    """What an arm's prior counts for: lambda_a in A = lambda_a I."""

    INVERSE_ACCURACY = "inverse_accuracy"  # 1 / its share of verdicts predicted right; the paper's
    CONSTANT = "constant"  # n_eff itself
    N_EFF = "n_eff"  # as everywhere: n_eff live requests override it


def from_preferences_as_pilot(
    verdicts: Verdicts,
    contexts: Array,
    *,
    n_eff: float,
    strength: Strength = Strength.N_EFF,
    dimensions: int = 32,
    margin: float = 0.2,
    temperature: float = 1.0,
    pool_quality: float = 0.5,
    is_cosine: bool = False,
    seed: int = 0,
) -> WarmStart:
    """A warm start for `pilot`; contexts (n, d) of the queries, with their constant.

    With `is_cosine` the weights are the embeddings, for the cosine score. Without, they are on the
    scale of qualities: the chance to beat the mean arm, whose quality is `pool_quality`, to first
    order 1/2 + psi' (theta_a - mean theta) / (4 temperature). Raises BadTable where no verdict
    decides.
    """
    decided = np.flatnonzero(verdicts.preferred != 0.5)
    if len(decided) < 2:
        raise BadTable("pairs", "needs two verdicts that prefer one of the two")
    rng = np.random.default_rng(seed)
    is_first = verdicts.preferred > 0.5
    winners = np.where(is_first, verdicts.first, verdicts.second)[decided]
    losers = np.where(is_first, verdicts.second, verdicts.first)[decided]
    asked = contexts[verdicts.rows[decided]]
    projection = project(asked, winners, losers, dimensions, margin, rng)
    psi = unit(contexts[verdicts.rows] @ projection.T)
    embeddings = embed(verdicts, psi, temperature)
    lambdas = _lambdas(verdicts, psi, embeddings, strength, n_eff)
    weights = embeddings if is_cosine else (embeddings - embeddings.mean(axis=0)) / temperature / 4
    level = None if is_cosine else pool_quality
    judged = np.abs(verdicts.sides()).sum(axis=0) > 0
    arms = {
        name: ArmWarmStart(
            weights=tuple(weights[arm].tolist()),
            level=level,
            ridge=None if lambdas is None else float(lambdas[arm]),
        )
        for arm, name in enumerate(verdicts.arms)
        if judged[arm]
    }
    return WarmStart(
        arms=arms, n_eff=n_eff, projection=tuple(tuple(row) for row in projection.tolist())
    )


def unit(vectors: Array) -> Array:
    """The same of length 1, row by row."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    made: Array = vectors / np.maximum(lengths, LEAST)
    return made


def project(
    contexts: Array, winners: Rows, losers: Rows, dimensions: int, margin: float,
    rng: np.random.Generator,
) -> Array:  # fmt: skip
    """Rows of [W, b], (m, d): queries that the same arm won come near each other.

    contexts (n, d), winners and losers (n,). Starts from the features' principal axes, and is left
    there where no arm has both won twice and lost.
    """
    features = contexts[:, :-1]
    axes = np.linalg.svd(features, full_matrices=False)[2][:dimensions]
    start = np.zeros((max(1, len(axes)), contexts.shape[1]))
    start[: len(axes), :-1] = axes
    triplets = _triplets(winners, losers, rng)
    if triplets is None:
        return start
    anchor, near, far = (contexts[rows] for rows in triplets)

    def loss(flat: Array) -> tuple[float, Array]:
        lost, gradient = triplet_loss(flat.reshape(start.shape), anchor, near, far, margin)
        moved = flat - start.ravel()
        return lost + 0.5 * HELD * float(moved @ moved), gradient + HELD * moved

    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 100})
    made: Array = found.x.reshape(start.shape)
    return made


def triplet_loss(
    projection: Array, anchor: Array, near: Array, far: Array, margin: float
) -> tuple[float, Array]:
    """Mean of max(0, margin - cos(anchor, near) + cos(anchor, far)), and its gradient, flat."""
    sides = [anchor @ projection.T, near @ projection.T, far @ projection.T]
    lengths = [np.maximum(np.linalg.norm(side, axis=1, keepdims=True), LEAST) for side in sides]
    u, v, w = (side / length for side, length in zip(sides, lengths, strict=True))
    good, bad = np.sum(u * v, axis=1), np.sum(u * w, axis=1)
    over = margin - good + bad
    active = (over > 0.0)[:, None] / len(anchor)
    # d cos(u, v) / d side of u is (v - cos u) / |side|
    by_anchor = active * ((w - bad[:, None] * u) - (v - good[:, None] * u)) / lengths[0]
    by_near = -active * (u - good[:, None] * v) / lengths[1]
    by_far = active * (u - bad[:, None] * w) / lengths[2]
    gradient = by_anchor.T @ anchor + by_near.T @ near + by_far.T @ far
    return float(np.maximum(over, 0.0).mean()), gradient.ravel()


def embed(verdicts: Verdicts, psi: Array, temperature: float) -> Array:
    """Embeddings of the arms, (K, m), of length 1, under which the verdicts are most likely."""
    sides, y = verdicts.sides(), verdicts.preferred
    shape = len(verdicts.arms), psi.shape[1]
    means = unit(sides.T @ ((2 * y - 1)[:, None] * psi) + 1e-3)

    def loss(flat: Array) -> tuple[float, Array]:
        return preference_loss(flat.reshape(shape), sides, psi, y, temperature)

    found = minimize(loss, means.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return unit(found.x.reshape(shape))


def preference_loss(
    theta: Array, sides: Array, psi: Array, y: Array, temperature: float
) -> tuple[float, Array]:
    """Cross-entropy of the verdicts under cosines of `theta` (K, m), and its gradient, flat."""
    lengths = np.maximum(np.linalg.norm(theta, axis=1, keepdims=True), LEAST)
    directions = theta / lengths
    cosines = psi @ directions.T
    margin = np.sum(sides * cosines, axis=1) / temperature
    lost = float(np.mean(np.logaddexp(0.0, margin) - y * margin))
    by_cosine = sides * ((expit(margin) - y) / (temperature * len(y)))[:, None]
    gradient = (
        by_cosine.T @ psi - np.sum(by_cosine * cosines, axis=0)[:, None] * directions
    ) / lengths
    return lost, gradient.ravel()


def _lambdas(
    verdicts: Verdicts, psi: Array, embeddings: Array, strength: Strength, n_eff: float
) -> Array | None:
    """The exact precision of each arm's weights, (K,); None where it follows from n_eff."""
    count = len(verdicts.arms)
    if strength is Strength.N_EFF:
        return None
    if strength is Strength.CONSTANT:
        return np.full(count, max(n_eff, 1e-3))
    sides = verdicts.sides()
    right = np.sum(sides * (psi @ embeddings.T), axis=1) * (verdicts.preferred - 0.5) > 0.0
    decided = (verdicts.preferred != 0.5)[:, None] & (sides != 0.0)
    share = (decided & right[:, None]).sum(axis=0) / np.maximum(decided.sum(axis=0), 1)
    lambdas: Array = 1.0 / np.clip(share, 0.05, 1.0)
    return lambdas


def _triplets(
    winners: Rows, losers: Rows, rng: np.random.Generator
) -> tuple[Rows, Rows, Rows] | None:
    """Anchors, others that the same arm won, and queries that this arm lost; None if there are
    none."""
    arms, counts = np.unique(winners, return_counts=True)
    both = np.intersect1d(arms[counts > 1], losers)
    anchors = np.flatnonzero(np.isin(winners, both))
    if not len(anchors):
        return None
    anchors = rng.choice(anchors, size=TRIPLETS)
    near, far = np.empty_like(anchors), np.empty_like(anchors)
    for place, anchor in enumerate(anchors):
        alike = np.flatnonzero(winners == winners[anchor])
        near[place] = rng.choice(alike[alike != anchor])
        far[place] = rng.choice(np.flatnonzero(losers == winners[anchor]))
    return anchors, near, far
