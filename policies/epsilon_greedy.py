"""Epsilon-greedy on one ridge regression per arm.

Source: Sutton and Barto (2018), "Reinforcement Learning: An Introduction", section 2.2 (the idea is
older); linear and contextual as in Langford and Zhang (2007), "The Epoch-Greedy Algorithm for
Contextual Multi-armed Bandits" (NeurIPS 20).

Departs from them: epsilon stays constant; best arms within a relative 1e-9 share the rest.
"""

from dataclasses import dataclass
from typing import ClassVar

from policies.best import best_split, judged
from policies.floor import with_floor
from policies.linear import LinearPolicy
from policies.linear_state import LinearState
from policies.policy import Array, Mask
from policies.settings import setting


@dataclass(frozen=True, kw_only=True)
class EpsilonGreedy(LinearPolicy):
    """Plays the arm of the highest mean, but with chance `epsilon` any eligible one.

    epsilon  chance to choose evenly among all eligible arms, in [0, 1]

    and the settings of `LinearPolicy`. ValueError for a setting out of range.

    >>> import numpy as np
    >>> policy = EpsilonGreedy(dim=1, epsilon=0.2)
    >>> state = policy.start(arms=2)
    >>> policy.update(state, 0, np.ones(1), 0.3)
    >>> policy.probabilities(state, np.ones((1, 1)))
    array([[0.1, 0.9]])
    """

    name: ClassVar[str] = "epsilon_greedy"

    epsilon: float = setting(0.05, least=0, most=1)

    def probabilities(
        self,
        state: LinearState,
        contexts: Array,
        *,
        eligible: Mask | None = None,
        offsets: Array | None = None,
        clock: float = 0.0,
    ) -> Array:
        means, _ = self.read(state, contexts, clock)
        return with_floor(best_split(judged(means, eligible, offsets)), eligible, self.epsilon)
