"""What learners on traits know: clusters that moved with observations, and a regression an arm.

A context is seen as its traits: one-hot labels, the cluster of its embedding, bins of how hard it
is to read, and the constant. Clusters move with observations, so what a query is seen as depends on
when. While fewer than `settling` observations are known they are all kept, by the clock of their
decisions, and whatever is believed is what they teach as the clusters see them now. With the
last of them the clusters stand still, the observations become sums, and learning costs what it
costs a linear policy. So nothing is ever learned under a meaning that a feature does not have any
more, and a value that is revised or withdrawn leaves no trace.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from policies import trait_rows
from policies.clusters import Clusters
from policies.linear_state import LinearState, Prior
from policies.parts import Parts
from policies.policy import Array, CopiedSums
from policies.trait_rows import TraitRows

CUTS = 0.2, 0.3  # between easy, middling and hard to read


@dataclass(frozen=True)
class TraitPrior:
    """How contexts are seen, and what their regressions start from.

    levels   bins of readability with a feature of their own: 3, or 2 where the hardest has none
    worth    of a quality in the reward that is learned: worth * quality + gifts[arm]
    regular  the gift of an arm beyond the end of `gifts`
    """

    parts: Parts
    dim: int
    clusters: int
    levels: int
    settling: int
    linear: Prior
    worth: float = 1.0
    gifts: tuple[float, ...] = ()
    regular: float = 0.0

    def reward(self, arm: int, quality: float) -> float:
        return self.worth * quality + self.gift(arm)

    def gift(self, arm: int) -> float:
        return self.gifts[arm] if arm < len(self.gifts) else self.regular


def trait_count(parts: Parts, clusters: int, levels: int) -> int:
    """How many traits there are, the constant included."""
    return parts.labels + clusters + (levels if parts.readability else 0) + 1


class TraitState:
    """The observations while they are kept, the clusters, and `linear`: what is learned of traits.

    Canonical are the observations and the clusters, and the sums once they have settled.
    """

    __slots__ = ("_asked", "_labels", "_seen", "clusters", "linear", "prior", "rows", "settled")

    def __init__(self, prior: TraitPrior, arms: int) -> None:
        self.prior = prior
        self.rows = TraitRows(prior.dim)
        self.clusters = Clusters.none(prior.clusters, prior.parts.embedded(prior.dim))
        self.linear = LinearState.empty(prior.linear, arms)
        self.settled = prior.settling == 0
        self._labels: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        self._asked, self._seen = b"", np.zeros((1, prior.linear.dim))

    @classmethod
    def restored(cls, prior: TraitPrior, canonical: Mapping[str, NDArray[Any]]) -> Self:
        """The state of these arrays. ValueError where a shape does not fit."""
        state = cls(prior, 0)
        state.linear = LinearState.restored(prior.linear, canonical)
        state.rows = TraitRows(prior.dim, canonical)
        begun = state.clusters
        arrays = {}
        wanted = {"centroids": begun.centroids.shape, "counts": begun.counts.shape, "settled": (1,)}
        for name, shape in wanted.items():
            arrays[name] = np.array(canonical[name], dtype=np.float64)
            if arrays[name].shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {arrays[name].shape}")
        state.clusters = Clusters(arrays["centroids"], arrays["counts"])
        state.settled = bool(arrays["settled"][0])
        state._learn_again()
        return state

    def canonical(self) -> Mapping[str, NDArray[Any]]:
        arrays = self.rows.arrays()
        linear = self.linear if self.settled else LinearState.empty(self.prior.linear, self.arms)
        arrays |= linear.canonical()
        arrays["centroids"], arrays["counts"] = self.clusters.centroids, self.clusters.counts
        arrays["settled"] = np.array([float(self.settled)])
        views = {name: array.view() for name, array in arrays.items()}
        for view in views.values():
            view.flags.writeable = False
        return views

    @property
    def arms(self) -> int:
        return self.linear.arms

    @property
    def observations(self) -> Array:
        return self.linear.observations

    def snapshot(self) -> CopiedSums:
        return CopiedSums.of(self)

    def copy(self) -> Self:
        return type(self).restored(self.prior, self.canonical())

    def adopt(self, prior: TraitPrior) -> None:
        """Go on under another prior of the same shape."""
        self.prior = prior
        self.linear.adopt(prior.linear)
        self._learn_again()

    def add_arm(self) -> None:
        self.linear.add_arm()

    def drop_arm(self, arm: int) -> None:
        self.linear.drop_arm(arm)
        if not self.settled:
            self.rows.keep(self.rows.arms != arm)
            self._cluster_again()

    def traits(self, contexts: Array) -> Array:
        """(n, trait_count). With n = 1 they are kept for who asks again: a decision asks twice."""
        asked = contexts.tobytes() if len(contexts) == 1 else b""
        if asked and asked == self._asked:
            return self._seen
        if not np.isfinite(contexts).all():
            raise ValueError("context must be finite")
        prior, parts = self.prior, self.prior.parts
        made = np.zeros((len(contexts), prior.linear.dim))
        every, at = np.arange(len(contexts)), parts.labels
        if at:
            made[:, :at] = parts.label_columns(contexts)
        if prior.clusters:
            made[every, at + self.clusters.labels(parts.embeddings(contexts))] = 1.0
            at += prior.clusters
        if parts.readability:
            level = np.searchsorted(CUTS, parts.readabilities(contexts), side="right")
            has_one = level < prior.levels
            made[every[has_one], at + level[has_one]] = 1.0
        made[:, -1] = 1.0
        if asked:
            self._asked, self._seen = asked, made
        return made

    def learn(self, arm: int, x: Array, quality: float, weight: float, clock: float) -> None:
        trait_rows.check(x, quality, weight, clock)
        if self.settled:
            seen = self.traits(x[None])[0]
            self.linear.learn(arm, seen, self.prior.reward(arm, quality), weight, clock)
            return
        at = self.rows.add(arm, x, quality, weight, clock)
        if at < len(self.rows) - 1:
            self._cluster_again(arm)
        else:
            self.clusters.take(self.prior.parts.embeddings(x[None])[0])
            if arm not in self._label_again():
                seen = self.traits(x[None])[0]
                self.linear.learn(arm, seen, self.prior.reward(arm, quality), weight, clock)
        if len(self.rows) >= self.prior.settling:
            self._settle()

    def revise(
        self, arm: int, x: Array, old: float, new: float | None, weight: float, clock: float
    ) -> None:
        trait_rows.check(x, old + (new or 0.0), weight, clock)
        if self.settled:
            after = None if new is None else self.prior.reward(arm, new)
            seen, before = self.traits(x[None])[0], self.prior.reward(arm, old)
            self.linear.revise(arm, seen, before, after, weight, clock)
            return
        row = self.rows.find(arm, x, old, weight, clock)
        if new is None:
            self.rows.keep(np.arange(len(self.rows)) != row)
            self._cluster_again(arm)
        else:
            self.rows.qualities[row] = new
            self._teach(arm)

    # -- while observations are kept ------------------------------------------------------

    def _cluster_again(self, arm: int | None = None) -> None:
        """The clusters of the rows in their order. What `arm` knows is taught anew in any case."""
        vectors = self.prior.parts.embeddings(self.rows.contexts)
        self.clusters = Clusters.none(self.prior.clusters, vectors.shape[1])
        for vector in vectors:
            self.clusters.take(vector)
        self._labels = np.full(len(vectors), -1)  # their places have changed: look at all of them
        if arm not in self._label_again() and arm is not None:
            self._teach(arm)

    def _label_again(self) -> set[int]:
        """Teaches anew the arms that know of a row whose cluster is another one now."""
        self._asked = b""  # the clusters have moved
        labels = self.clusters.labels(self.prior.parts.embeddings(self.rows.contexts))
        known = len(self._labels)
        moved = set(self.rows.arms[:known][labels[:known] != self._labels].tolist())
        self._labels = labels
        for arm in moved:
            self._teach(arm)
        return moved

    def _learn_again(self) -> None:
        """All of it, from the rows."""
        self._asked = b""
        if not self.settled:
            self._labels = self.clusters.labels(self.prior.parts.embeddings(self.rows.contexts))
            for arm in range(self.arms):
                self._teach(arm)

    def _teach(self, arm: int) -> None:
        """What the rows say of one arm, from the beginning."""
        rows, prior = self.rows, self.prior
        self.linear.drop_arm(arm)
        own = np.flatnonzero(rows.arms == arm)
        for x, row in zip(self.traits(rows.contexts[own]), own.tolist(), strict=True):
            reward = prior.reward(arm, float(rows.qualities[row]))
            self.linear.learn(arm, x, reward, float(rows.weights[row]), float(rows.row_clocks[row]))

    def _settle(self) -> None:
        """The rows become sums, and the clusters stand still."""
        for arm in range(self.arms):
            self._teach(arm)
        self.rows = TraitRows(self.prior.dim)
        self._labels = self._labels[:0]
        self.settled = True
