"""Arrays of a made-up log, and our estimates of them by the names that the pipeline's go by."""

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.offpolicy import estimators
from bandit_service.evaluation.offpolicy.evidence import Evidence

Array = NDArray[np.float64]
Arrays = dict[str, NDArray[np.generic]]

ROWS, ARMS = 5000, 5
PARAMETERS = 1.5, 2.0, 1.5, 0.05  # clip, threshold, shrinkage, strength

DIFFERENCES = {
    "tuning": "its bound on the bias has mean(w^2) and max(w) of the weights as they were, and no "
    "outcomes; ours has the terms that are missed, (w' - w) y or (w' - w)(y - q), "
    "so that a shrinkage that changes nothing costs nothing",
    "mrdr": "equal weights of rows, but its model is fitted on random folds, ours on earlier "
    "blocks",
    "bootstrap": "it draws rows multinomially, 100 times; ours counts each row, or each session as "
    "a whole, Poisson(1) times, 1,000 times, equally in any blocks",
    "balanced IPW": "its weights come from a classifier and are normalised by themselves; ours "
    "are for loggers whose probabilities are known, as its estimators for several loggers",
}


def arrays(seed: int) -> Arrays:
    """n rows among K arms, in the pipeline's shapes: (n,), and (n, K, 1) for chances."""
    rng = np.random.default_rng(seed)
    contexts = rng.normal(size=(ROWS, 4))
    logger = 0.2 / ARMS + 0.8 * _softmax(contexts @ rng.normal(size=(4, ARMS)))
    other = _softmax(contexts @ rng.normal(size=(4, ARMS)))
    target = _softmax(2.0 * contexts @ rng.normal(size=(4, ARMS)))
    means = 1.0 / (1.0 + np.exp(-(contexts @ rng.normal(size=(4, ARMS)))))
    rows = np.arange(ROWS)
    action = (rng.random(ROWS)[:, None] > np.cumsum(logger, axis=1)).sum(axis=1)
    even = rng.integers(0, ARMS, ROWS)
    one = np.zeros((ROWS, ARMS, 1))
    one[rows, means.argmax(axis=1)] = 1.0
    return {
        "action": action,
        "reward": (rng.random(ROWS) < means[rows, action]).astype(np.float64),
        "pscore": logger[rows, action],
        "pscore_avg": 0.5 * (logger + other)[rows, action],
        "pscore_other": other[rows, action],
        "action_dist": target[:, :, None],
        "q_hat": np.clip(means + 0.1 * rng.normal(size=means.shape), 0.0, 1.0)[:, :, None],
        "even_action": even,
        "even_reward": (rng.random(ROWS) < means[rows, even]).astype(np.float64),
        "even_action_dist": one,
        "parameters": np.array(PARAMETERS),
    }


def _softmax(scores: Array) -> Array:
    made: Array = np.exp(scores - scores.max(axis=1, keepdims=True))
    made /= made.sum(axis=1, keepdims=True)
    return made


def estimates(given: Arrays) -> dict[str, float]:
    clip, threshold, shrinkage, strength = PARAMETERS
    rows, action = np.arange(ROWS), given["action"]
    chances, model = given["action_dist"][:, :, 0], given["q_hat"][:, :, 0]
    chosen = chances[rows, action]

    def seen(weights: Array) -> Evidence:
        return Evidence(
            weights,
            given["reward"],
            model[rows, action],
            (chances * model).sum(axis=1),
            np.ones(ROWS, dtype=np.bool_),
        )

    evidence = seen(chosen / given["pscore"])
    loggers = np.column_stack([given["pscore"], given["pscore_other"]])
    balanced = seen(estimators.balanced_weights(chosen, loggers, np.array([0.5, 0.5])))
    even = given["even_action_dist"][rows, given["even_action"], 0] * ARMS
    lowered = np.minimum(evidence.weights, clip)
    found = {
        "ips": estimators.ips(evidence),
        "clipped_ips": estimators.clipped_ips(evidence, clip),
        "snips": estimators.snips(evidence),
        "sub_gaussian": estimators.sub_gaussian(evidence, strength),
        "dm": estimators.dm(evidence),
        "dr": estimators.dr(evidence),
        "sndr": estimators.sndr(evidence),
        "switch_dr": estimators.switch_dr(evidence, threshold),
        "dr_os": estimators.dr_os(evidence, shrinkage),
        "balanced ips": estimators.ips(balanced),
        "balanced dr": estimators.dr(balanced),
        # From a uniform log, all that a fixed policy accepts is where it agrees.
        "replay": estimators.snips(Evidence.plain(even, given["even_reward"])),
    }
    bias = abs(float(((lowered - evidence.weights) * evidence.outcomes).mean()))
    return {name: terms.value for name, terms in found.items()} | {
        "estimated bias of clipped_ips": bias
    }
