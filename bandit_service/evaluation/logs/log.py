"""Decisions and what came of them, column by column."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.logs.asides import one_after_the_other

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Slots = NDArray[np.intp]

# What is known of a call, and its unit is in its name. Quality is in [0, 1].
MEASURES = ("quality", "cost_usd", "latency_seconds", "energy_joules")


@dataclass(frozen=True, slots=True, eq=False)
class Log:
    """n decisions among K arms, in the order in which they were made. NaN is unknown, never zero.

    arms           (K,)
    contexts       (n, d)  as the policy saw them; d may be 0
    chosen         (n,)    the slot of the arm that was drawn
    propensities   (n,)    the chance it was drawn with, in (0, 1]; all NaN where unknown
    probabilities  (n, K)  the chance of every arm; None where only that of the chosen one is known
    eligible       (n, K)  the arms that could be chosen; all of them where the log does not tell
    outcomes       (n,) each, of every one of MEASURES
    times          (n,)    seconds since the epoch
    clusters       (n,)    int64, equal for decisions of one session; -1 for a decision on its own
    segments       (n,)    text, such as a task or a tenant; "" where there is none
    tokens         (n, 2)  input and output tokens that the caller expected
    seconds        (n,)    the slot of the other arm of a duel, -1 where one arm was drawn
    pairs          (n,)    the chance of that pair in that order, in (0, 1]
    preferences    (n,)    how good the first arm was beside the other, in [0, 1]
    revisions      (n,)    int64, of the policy, under which each was made; 0 where unknown
    asides         (n, K) each, by contestant: what the incumbent and challengers would have
                   drawn from; NaN in rows on which they did not decide
    """

    arms: tuple[str, ...]
    contexts: Array
    chosen: Slots
    propensities: Array
    probabilities: Array | None
    eligible: Mask
    outcomes: dict[str, Array]
    times: Array
    clusters: NDArray[np.int64]
    segments: NDArray[np.object_]
    tokens: Array
    seconds: Slots
    pairs: Array
    preferences: Array
    revisions: NDArray[np.int64]
    asides: dict[str, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def quality(self) -> Array:
        return self.outcomes["quality"]

    @property
    def nbytes(self) -> int:
        """About what it takes in memory."""
        rows = len(self)
        return int(rows * 8) * (int(self.contexts.shape[1]) + 2 * len(self.arms) + 16)

    def rows(self, which: Any) -> Self:
        """The same with these rows only: a slice, a mask or positions."""
        return type(self)(
            self.arms,
            self.contexts[which],
            self.chosen[which],
            self.propensities[which],
            None if self.probabilities is None else self.probabilities[which],
            self.eligible[which],
            {name: values[which] for name, values in self.outcomes.items()},
            self.times[which],
            self.clusters[which],
            self.segments[which],
            self.tokens[which],
            self.seconds[which],
            self.pairs[which],
            self.preferences[which],
            self.revisions[which],
            {name: chances[which] for name, chances in self.asides.items()},
        )

    def with_arms(self, arms: tuple[str, ...]) -> Self:
        """The same among more arms, which begin with its own. The others could not be chosen."""
        more = len(arms) - len(self.arms)
        if not more:
            return self
        if arms[: len(self.arms)] != self.arms:
            raise ValueError(f"{arms} do not begin with {self.arms}")
        known = self.probabilities is not None
        wider = ((0, 0), (0, more))
        return type(self)(
            arms,
            self.contexts,
            self.chosen,
            self.propensities,
            np.pad(self.probabilities, wider) if self.probabilities is not None else None,
            # Where the log tells only the chosen arm's chance, any arm may have been possible.
            np.pad(self.eligible, wider, constant_values=not known),
            self.outcomes,
            self.times,
            self.clusters,
            self.segments,
            self.tokens,
            self.seconds,
            self.pairs,
            self.preferences,
            self.revisions,
            {name: np.pad(chances, wider) for name, chances in self.asides.items()},
        )


def joined(parts: Sequence[Log]) -> Log:
    """One log after the other. They have equal arms and features."""
    first = parts[0]
    if len(parts) == 1:
        return first

    def one(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    return Log(
        first.arms,
        one("contexts"),
        one("chosen"),
        one("propensities"),
        None if first.probabilities is None else one("probabilities"),
        one("eligible"),
        {name: np.concatenate([part.outcomes[name] for part in parts]) for name in first.outcomes},
        one("times"),
        one("clusters"),
        one("segments"),
        one("tokens"),
        one("seconds"),
        one("pairs"),
        one("preferences"),
        one("revisions"),
        one_after_the_other([(len(part), part.asides) for part in parts], len(first.arms)),
    )
