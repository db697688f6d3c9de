"""Who takes part: a policy that learns pairs, double Thompson sampling, and chance."""

from typing import Any, Protocol

import numpy as np

import policies
from policies.policy import Array


class Duellist(Protocol):
    """Chooses two arms, and hears how good the first was beside the second."""

    def choose(self, rng: np.random.Generator, x: Array, offered: Array) -> tuple[int, int]: ...

    def learn(self, first: int, second: int, x: Array, won: float, clock: float) -> None: ...


class Learner:
    """A policy of the catalogue, asked as the service asks it."""

    def __init__(self, policy: policies.Policy[Any], arms: int) -> None:
        assert isinstance(policy, policies.LearnsPairs)
        self._policy, self._state = policy, policy.start(arms)

    def choose(self, rng: np.random.Generator, x: Array, offered: Array) -> tuple[int, int]:
        eligible = None if offered.all() else offered[None].astype(bool)
        chances = self._policy.pair_probabilities(self._state, x[None], eligible=eligible)
        first, second = (int(rng.choice(len(side[0]), p=side[0])) for side in chances)
        return first, second

    def learn(self, first: int, second: int, x: Array, won: float, clock: float) -> None:
        self._policy.compare(self._state, (first, x), (second, x), won, clock=clock)


class Chance:
    """Both arms evenly."""

    def choose(self, rng: np.random.Generator, x: Array, offered: Array) -> tuple[int, int]:
        arms = np.flatnonzero(offered)
        return int(rng.choice(arms)), int(rng.choice(arms))

    def learn(self, first: int, second: int, x: Array, won: float, clock: float) -> None:
        pass


class DoubleThompson:
    """Context-free duels: the first arm by Copeland score of a sampled table of preferences, among
    those whose upper bounds allow it; the second by a second sample against the first.

    Source: Wu and Liu (2016), "Double Thompson Sampling for Dueling Bandits", NIPS,
    arXiv:1604.07101, Algorithm 1, with its alpha of 0.51. A tie is half a win of each.
    """

    ALPHA = 0.51

    def __init__(self, arms: int) -> None:
        self._wins = np.zeros((arms, arms))
        self._rounds = 1

    def choose(self, rng: np.random.Generator, x: Array, offered: Array) -> tuple[int, int]:
        wins, open_ = self._wins, offered.astype(bool)
        count = wins + wins.T
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(count > 0, wins / count, 0.5)
            reach = np.sqrt(self.ALPHA * np.log(self._rounds) / count)
        upper = np.where(count > 0, share + reach, 1.0)
        lower = np.where(count > 0, share - reach, 0.0)
        np.fill_diagonal(upper, 0.5)
        np.fill_diagonal(lower, 0.5)
        among = np.ix_(open_, open_)
        names = np.flatnonzero(open_)
        copeland = (upper[among] > 0.5).sum(axis=1)
        sampled = self._sampled(rng)[among]
        beaten = np.where(copeland == copeland.max(), (sampled > 0.5).sum(axis=1), -1)
        first = int(rng.choice(names[beaten == beaten.max()]))
        again = rng.beta(wins[:, first] + 1.0, wins[first] + 1.0)
        again[first] = 0.5
        again[(lower[:, first] > 0.5) | ~open_] = -1.0
        self._rounds += 1
        return first, int(rng.choice(np.flatnonzero(again == again.max())))

    def learn(self, first: int, second: int, x: Array, won: float, clock: float) -> None:
        self._wins[first, second] += won
        self._wins[second, first] += 1.0 - won

    def _sampled(self, rng: np.random.Generator) -> Array:
        upper = np.triu(rng.beta(self._wins + 1.0, self._wins.T + 1.0), 1)
        below: Array = np.tril(1.0 - upper.T, -1)
        return upper + below
