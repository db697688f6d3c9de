"""Whether arms come as often as their probabilities say.

If arm a is drawn with chance p_t(a), then 1{a_t = a} / p_t(a) is 1 on average, whatever came
before, with a variance of 1 / p_t(a) - 1. The mean over n decisions is held to 1 within four
standard errors. A rare arm that came twice by luck can be further off, because that sum is far from
normal; so it also has to be less likely than four standard errors are under Freedman's inequality,
which holds for every sum of steps that are 0 on average given the past (Freedman 1975).

It finds what no decision shows by itself: such as ids that were thrown away until one
gave the arm that somebody wanted.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.audit.results import ArmDraws
from bandit_service.model import Decision

STANDARD_ERRORS = 4.0
# Of being so far off on either side, for a normal variable.
CHANCE = math.erfc(STANDARD_ERRORS / math.sqrt(2.0))

LEFT_OUT = ("recovered", "observed", "sticky", "forced")

Array = NDArray[np.float64]


class Draws:
    """Sums over decisions, per slot; `arms` are the names of all slots."""

    def __init__(self, arms: Sequence[str]) -> None:
        self._arms = arms
        self.left_out: Counter[str] = Counter()
        self.seen = 0
        # decisions with a chance, times drawn, expected, sum of 1/p where drawn, variance, most 1/p
        self._sums = np.zeros((5, len(arms)))
        self._most = np.ones(len(arms))

    def add(self, decisions: Sequence[Decision]) -> None:
        """Of a duel, the first arm counts: it was drawn from these probabilities."""
        self.seen += len(decisions)
        groups: dict[int, list[Decision]] = {}
        for one in decisions:
            flag = next((name for name in LEFT_OUT if getattr(one, name)), None)
            if flag is None:
                groups.setdefault(len(one.probabilities), []).append(one)
            else:
                self.left_out[flag] += 1
        for alike in groups.values():
            self._add(alike)

    def _add(self, decisions: Sequence[Decision]) -> None:
        rows = np.arange(len(decisions))
        chances = np.frombuffer(b"".join(one.probabilities for one in decisions))
        chances = chances.reshape(len(decisions), -1)
        arms = np.array([one.arm for one in decisions])
        # What is no probability is found decision by decision.
        possible = (chances > 0.0) & (chances <= 1.0)
        inverse = np.divide(1.0, chances, out=np.ones_like(chances), where=possible)
        drawn = np.zeros_like(possible)
        drawn[rows, arms] = True
        drawn &= possible
        width = chances.shape[1]
        self._sums[:, :width] += np.array(
            [
                possible.sum(axis=0),
                drawn.sum(axis=0),
                np.where(possible, chances, 0.0).sum(axis=0),
                (inverse * drawn).sum(axis=0),
                np.where(possible, inverse - 1.0, 0.0).sum(axis=0),
            ]
        )
        np.maximum(self._most[:width], inverse.max(axis=0), out=self._most[:width])

    def verdicts(self) -> tuple[ArmDraws, ...]:
        """Of every arm that ever had a chance."""
        every = zip(self._arms, self._sums.T.tolist(), self._most.tolist(), strict=True)
        return tuple(_verdict(arm, sums, most) for arm, sums, most in every if sums[0])


def _verdict(arm: str, sums: Sequence[float], most: float) -> ArmDraws:
    count, drawn, expected, total, variance = sums
    excess = total - count
    error = math.sqrt(variance)
    holds: bool | None = abs(excess) <= STANDARD_ERRORS * error
    if not holds:
        # Upwards a step is at most 1/p - 1, downwards 1.
        step = max(most - 1.0, 0.0) if excess > 0.0 else 1.0
        spread = variance + step * abs(excess) / 3.0
        likely = 2.0 * math.exp(-(excess**2) / (2.0 * spread)) if spread else 0.0
        holds = False if likely < CHANCE else None
    return ArmDraws(
        arm=arm,
        decisions=int(count),
        drawn=int(drawn),
        expected=expected,
        mean=total / count,
        standard_error=error / count if error else None,
        holds=holds,
    )
