"""The policies in question: what each of them would do on every logged query."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bandit_service.errors import InvalidField
from bandit_service.evaluation.contestants import Contestant, named
from bandit_service.evaluation.logs.log import Log
from bandit_service.evaluation.offpolicy.learner import Learner, check_served, listed

Array = NDArray[np.float64]

ARM, CHALLENGER = "arm:", "challenger:"


class Target(Protocol):
    """A policy that is asked what it would do.

    learns   whether what it does depends on what it was taught
    """

    label: str
    description: str
    learns: bool

    def fresh(self) -> "Target":
        """The same before it was taught anything."""
        ...

    def teach(self, block: Log) -> None:
        """Learns from logged decisions, in order."""
        ...

    def probabilities(self, block: Log) -> Array:
        """Its chance of every arm of the log, (n, K), as far as it has been taught. Raises BadInput
        where it could not have served a query."""
        ...


class OneArm:
    """Always the same arm."""

    learns = False

    def __init__(self, arm: str, arms: Sequence[str]) -> None:
        if arm not in arms:
            raise InvalidField(f"policy {ARM + arm!r}", f"there is no arm {arm!r}; {listed(arms)}")
        self.label, self.description = ARM + arm, f"always {arm}"
        self._slot = list(arms).index(arm)

    def fresh(self) -> Target:
        return self

    def teach(self, block: Log) -> None:
        """There is nothing to learn."""

    def probabilities(self, block: Log) -> Array:
        check_served(self.label, block.eligible[:, [self._slot]], len(block))
        chances = np.zeros((len(block), len(block.arms)))
        chances[:, self._slot] = 1.0
        return chances


class Logged:
    """The incumbent, or a challenger, by the chances that were logged of it: nothing is computed
    again, and what it had learned by then is in them."""

    learns = False

    def __init__(self, name: str) -> None:
        self.label = CHALLENGER + name
        self.description = f"{name}, as it decided beside the others when the log was written"
        self._name = name

    def fresh(self) -> Target:
        return self

    def teach(self, block: Log) -> None:
        """It has learned by itself."""

    def probabilities(self, block: Log) -> Array:
        known = block.asides.get(self._name)
        missing = len(block) if known is None else int(np.isnan(known).any(axis=1).sum())
        if known is None or missing:
            raise InvalidField(
                f"policy {self.label!r}",
                f"of {missing} decisions its probabilities were not logged, those of "
                f"{' and '.join(block.asides) or 'nobody'} were; leave out those of before it "
                "came, with --since, or before it last failed",
            )
        return known


def target(who: str | Contestant, arms: Sequence[str], dim: int, seed: int = 0) -> Target:
    """By name: `arm:NAME`, `challenger:NAME`, or a policy as `contestants.named` has them.

    Raises InvalidField, which says what is known.
    """
    if isinstance(who, str):
        if who.startswith(ARM):
            return OneArm(who.removeprefix(ARM), arms)
        if who.startswith(CHALLENGER):
            return Logged(who.removeprefix(CHALLENGER))
        who = named(who)
    return Learner(who, arms, dim, seed)
