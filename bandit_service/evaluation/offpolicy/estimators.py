"""Off-policy estimators: from evidence to terms, whose means make the estimate.

Notation, for row i of n: w weight, y outcome, q the model's expectation of the logged arm, v its
expectation under the target (see `Evidence`). Every function takes O(n) and returns `Terms`.

Which one: `dr` as a rule. `snips` where there is no model worth the name. `dr_os`, `switch_dr` and
`clipped_ips` trade variance for bias once weights are large; their bias is towards the model, or
towards 0. `dm` is only as good as its model and its interval does not know that.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.offpolicy.evidence import Evidence

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """An estimate as means over rows: mean(base) + mean(part) / mean(share).

    base   (n,); None stands for zeros
    part   (n,)
    share  (n,) with a positive mean; None stands for ones
    """

    base: Array | None
    part: Array
    share: Array | None = None

    @property
    def value(self) -> float:
        share = 1.0 if self.share is None else float(self.share.mean())
        base = 0.0 if self.base is None else float(self.base.mean())
        return base + float(self.part.mean()) / share

    @property
    def rows(self) -> Array:
        """What each row says, (n,), of an estimate that is their mean."""
        if self.share is not None:
            raise ValueError("a ratio has no value for each row")
        return self.part if self.base is None else self.base + self.part

    @property
    def influence(self) -> Array:
        """How much each row pulls, (n,), with mean 0: their variance over n is the estimate's.

        Exact for means, the first-order expansion (delta method) for ratios.
        """
        if self.share is None:
            terms = self.rows
            pulled: Array = terms - terms.mean()
            return pulled
        mean = float(self.share.mean())
        ratio = float(self.part.mean()) / mean
        pulled = (self.part - ratio * self.share) / mean
        return pulled if self.base is None else self.base - self.base.mean() + pulled

    @property
    def standard_error(self) -> float:
        """For rows that are independent of each other."""
        pulled = self.influence
        return float(np.sqrt(pulled @ pulled / max(1, len(pulled) - 1) / len(pulled)))


def dm(evidence: Evidence) -> Terms:
    """Direct method, v_i, over the rows whose model had learned something.

    No weights, so little variance; biased wherever the model is wrong, however large n is.
    """
    taught = evidence.taught.astype(np.float64)
    return Terms(None, evidence.expected * taught, taught)


def ips(evidence: Evidence) -> Terms:
    """Inverse propensity scoring, w y (Horvitz and Thompson 1952).

    Unbiased if every arm that the target may choose could be drawn. Adding a constant to y
    changes its error: with y far from 0 and uneven weights, `snips` is better.
    """
    return _mean(evidence.weights * evidence.outcomes)


def clipped_ips(evidence: Evidence, clip: float) -> Terms:
    """min(w, clip) y (Ionides 2008). Too low by what the clip takes away, for y >= 0."""
    return _mean(np.minimum(evidence.weights, clip) * evidence.outcomes)


def snips(evidence: Evidence) -> Terms:
    """Self-normalised: sum w y / sum w (Swaminathan and Joachims 2015).

    Stays within the range of y and does not mind constants; its bias vanishes like 1/n.
    """
    weights = evidence.weights
    return Terms(None, weights * evidence.outcomes, weights)


def dr(evidence: Evidence) -> Terms:
    """Doubly robust, v + w (y - q) (Dudik, Langford and Li 2011).

    Unbiased with any model that did not see the row, and the better the model, the less variance.
    """
    return Terms(evidence.expected, evidence.weights * evidence.residuals)


def sndr(evidence: Evidence) -> Terms:
    """Self-normalised doubly robust: mean(v) + sum w (y - q) / sum w."""
    return Terms(evidence.expected, evidence.weights * evidence.residuals, evidence.weights)


def switch_dr(evidence: Evidence, threshold: float) -> Terms:
    """v + w 1{w <= threshold} (y - q) (Wang, Agarwal and Dudik 2017).

    Where weights are above the threshold it trusts the model alone.
    """
    kept = np.where(evidence.weights <= threshold, evidence.weights, 0.0)
    return Terms(evidence.expected, kept * evidence.residuals)


def dr_os(evidence: Evidence, shrinkage: float) -> Terms:
    """Optimistic shrinkage: v + s w / (w^2 + s) (y - q) (Su et al. 2020).

    s = 0 is `dm`, s = infinity is `dr`; in between large weights count less.
    """
    return Terms(evidence.expected, shrunk(evidence.weights, shrinkage) * evidence.residuals)


def shrunk(weights: Array, shrinkage: float) -> Array:
    """s w / (w^2 + s), (n,): at most sqrt(s) / 2."""
    if shrinkage == np.inf:
        return weights
    if shrinkage == 0.0:
        return np.zeros(len(weights))
    lowered: Array = shrinkage * weights / (weights * weights + shrinkage)
    return lowered


def sub_gaussian(evidence: Evidence, strength: float) -> Terms:
    """w / (1 - l + l w) y, l in [0, 1) (Metelli, Russo and Restelli 2021).

    l = 0 is `ips`. Weights stay below 1 / l, which makes the tails of its error light.
    """
    return _mean(subdued(evidence.weights, strength) * evidence.outcomes)


def subdued(weights: Array, strength: float) -> Array:
    lowered: Array = weights / (1.0 - strength + strength * weights)
    return lowered


def balanced_weights(target: Array, loggers: Array, shares: Array) -> Array:
    """w = pi(a|x) / sum_l share_l p_l(a|x) (Agarwal et al. 2017), (n,).

    target   (n,)    the target's chance of the logged arm
    loggers  (n, L)  that of each of L *frozen* policies that logged, on every row
    shares   (L,)    of the rows that each of them logged; they sum to 1

    Less variance than each row's own propensity. Not for a logger that learned row by row:
    its chances depend on the rows themselves.
    """
    if loggers.shape != (len(target), len(shares)):
        raise ValueError(f"need loggers ({len(target)}, {len(shares)}), got {loggers.shape}")
    if not np.isclose(shares.sum(), 1.0):
        raise ValueError(f"shares sum to {shares.sum():g}, expected 1")
    mixed = loggers @ shares
    if not (mixed > 0.0).all():
        raise ValueError("a logged arm has no chance under any logger")
    weights: Array = target / mixed
    return weights


def _mean(terms: Array) -> Terms:
    return Terms(None, terms)


# The ones without a parameter; `tuning` has those with one.
PLAIN: dict[str, Callable[[Evidence], Terms]] = {
    "dm": dm, "ips": ips, "snips": snips, "dr": dr, "sndr": sndr,
}  # fmt: skip
