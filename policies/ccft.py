"""Embeddings of arms from labelled categories, for learners of utilities on x * embedding.

Source: Chiang et al. (2025), "LLM Routing with Dueling Feedback", arXiv:2510.00841: category-
calibrated fine-tuning, with its four ways to weigh categories. The names of the ways are the
paper's; their formulas could not be read and are reconstructed.

Departs from it: the encoder stays as it is, and a linear projection W is fine-tuned in its place,
so that queries lie nearer to the mean of their own category, which is taken without the query
itself, than to those of the others. Since x' W'W c is how alike a query and a category are after
the projection, a category's vector W'W c lets contexts stay as they are. The categories are
centred, and the constant carries how good an arm is over all of them.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from policies.policy import Array

Way = Literal["perf", "perf_cost", "excel_perf_cost", "excel_mask"]
WAYS: tuple[Way, ...] = get_args(Way)

TEMPERATURE = 0.1  # of likenesses of unit vectors, and of an arm's weights over categories


@dataclass(frozen=True, slots=True)
class Labelled:
    """n queries whose category is known, and how arms do on C categories.

    contexts    (n, d) the constant last
    categories  (n,)   from 0 to C - 1; each is there twice at least
    quality     (C, K) mean quality of each arm
    cost        (C, K) mean cost, in any unit; None if it is not known
    """

    contexts: Array
    categories: NDArray[np.intp]
    quality: Array
    cost: Array | None = None

    def __post_init__(self) -> None:
        count = len(self.quality)
        if count < 2:
            raise ValueError(f"need at least two categories, got {count}")
        if np.bincount(self.categories, minlength=count).min() < 2:
            raise ValueError("need at least two queries of every category")


def embeddings(
    labelled: Labelled,
    way: Way = "excel_mask",
    *,
    cost_weight: float = 0.5,
    top: int = 3,
    strength: float = 0.1,
    projected: bool = True,
) -> Array:
    """One vector (d,) an arm, (K, d). Raises ValueError.

    way          perf: a softmax over categories of the arm's quality; perf_cost: of quality less
                 cost; excel_perf_cost: the same, over the categories where the arm is among the
                 `top`; excel_mask: these categories, all alike
    cost_weight  quality that the dearest arm's cost is worth, >= 0
    strength     how strongly the projection is held to doing nothing, > 0
    projected    False: the encoder as it is
    """
    scores = _scores(labelled, way, cost_weight)
    x, count = labelled.contexts[:, :-1], len(scores)
    means = np.stack([x[labelled.categories == one].mean(axis=0) for one in range(count)])
    vectors = means - means.mean(axis=0)
    if projected:
        w = projection(labelled, strength)
        vectors = vectors @ w.T @ w
    made = _weights(scores, way, top).T @ _unit(vectors)
    # x has length 1: with this length, x * embedding has about 1, too.
    made = _unit(made) * np.sqrt(x.shape[1])
    level = scores.mean(axis=0)
    spread = level.std()
    level = (level - level.mean()) / (spread if spread > 0.0 else 1.0)
    return np.column_stack((made, level))


def projection(labelled: Labelled, strength: float = 0.1) -> Array:
    """W, (d - 1, d - 1): fewest queries nearer to another category's mean, in cross-entropy, plus
    strength / 2 |W - I|^2. By L-BFGS, from I."""
    x = labelled.contexts[:, :-1]
    size = x.shape[1]

    def objective(flat: Array) -> tuple[float, Array]:
        value, slope = contrast(flat.reshape(size, size), x, labelled.categories)
        away = flat - np.eye(size).ravel()
        return value + 0.5 * strength * float(away @ away), slope.ravel() + strength * away

    found = minimize(
        objective, np.eye(size).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 100}
    )
    w: Array = found.x.reshape(size, size)
    return w


def contrast(w: Array, x: Array, categories: NDArray[np.intp]) -> tuple[float, Array]:
    """Mean cross-entropy of the own category, (n queries, C means), and its slope in W.

    The likeness of a query and a category is x' W'W m / TEMPERATURE, with m the mean of the
    category's queries; of the own category, of the other queries of it.
    """
    every, count = np.arange(len(x)), int(categories.max()) + 1
    sizes = np.bincount(categories, minlength=count)
    sums = np.zeros((count, x.shape[1]))
    np.add.at(sums, categories, x)
    means = sums / sizes[:, None]
    others = (sums[categories] - x) / (sizes[categories] - 1)[:, None]
    z = x @ w.T
    alike = z @ (means @ w.T).T
    alike[every, categories] = (z * (others @ w.T)).sum(axis=1)
    logs = log_softmax(alike / TEMPERATURE, axis=1)
    push = np.exp(logs)
    push[every, categories] -= 1.0
    push /= TEMPERATURE * len(x)
    own = push[every, categories]
    push[every, categories] = 0.0
    outer = x.T @ push @ means + (x * own[:, None]).T @ others
    return -float(logs[every, categories].mean()), w @ (outer + outer.T)


def _scores(labelled: Labelled, way: Way, cost_weight: float) -> Array:
    """(C, K)"""
    if way not in WAYS:
        raise ValueError(f"way must be one of {', '.join(WAYS)}, got {way!r}")
    if way == "perf" or cost_weight == 0.0:
        return labelled.quality
    if labelled.cost is None:
        raise ValueError(f"{way} needs what arms cost; choose perf, or a cost_weight of 0")
    dearest = float(labelled.cost.mean(axis=0).max()) or 1.0
    return labelled.quality - cost_weight * labelled.cost / dearest


def _weights(scores: Array, way: Way, top: int) -> Array:
    """Of the categories in each arm's vector, (C, K); zeros for an arm that excels nowhere."""
    if way in ("perf", "perf_cost"):
        made: Array = softmax(scores / TEMPERATURE, axis=0)
        return made
    if not 1 <= top <= scores.shape[1]:
        raise ValueError(f"top must be from 1 to {scores.shape[1]} arms, got {top}")
    least = np.sort(scores, axis=1)[:, -top]
    among = scores >= least[:, None]
    weights = among.astype(np.float64)
    if way == "excel_perf_cost":
        weights *= np.exp((scores - scores.max(axis=0)) / TEMPERATURE)
    total = weights.sum(axis=0)
    return weights / np.where(total > 0.0, total, 1.0)


def _unit(vectors: Array) -> Array:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    made: Array = vectors / np.where(lengths > 0.0, lengths, 1.0)
    return made
