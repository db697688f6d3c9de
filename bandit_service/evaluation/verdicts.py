"""Verdicts on two answers to one query, for duels in simulations.

Where verdicts on just these two were recorded, one of them is heard, each as likely. Elsewhere
they follow Bradley and Terry: the first is better with the chance 1 / (1 + exp(-SHARPNESS * gap)),
gap being its quality less the other's. A table that is made of verdicts has no other to tell.
"""

from collections.abc import Sequence
from math import exp
from typing import Self

import numpy as np

from bandit_service.evaluation.table import OutcomeTable
from bandit_service.model import Comparison, Decision, Effect, FeedbackEvent, Source

SHARPNESS = 10.0  # .1 more quality wins 73 % of the duels
_LUCK = 3  # what a seed's numbers are for

_OF_FIRST = {"a": 1.0, "b": 0.0, "tie": 0.5}


class Verdicts:
    """Who is better of two slots, by the row of the table."""

    def __init__(
        self,
        quality: list[list[float]],
        recorded: dict[tuple[int, int, int], list[float]],
        is_judged: bool,
    ) -> None:
        self._quality, self._recorded, self._is_judged = quality, recorded, is_judged

    @classmethod
    def of(cls, table: OutcomeTable, columns: Sequence[int]) -> Self:
        """`columns` has the table's column of each slot."""
        rows = {query: row for row, query in enumerate(table.query_ids)}
        names = [table.arm_names[column] for column in columns]
        slots = {name: slot for slot, name in enumerate(names)}
        recorded: dict[tuple[int, int, int], list[float]] = {}
        for pair in table.pairs:
            first, second = slots.get(pair.model_a), slots.get(pair.model_b)
            if first is None or second is None:
                continue
            value = _OF_FIRST[pair.winner]
            if first > second:
                first, second, value = second, first, 1.0 - value
            recorded.setdefault((rows[pair.query_id], first, second), []).append(value)
        return cls(table.quality[:, columns].tolist(), recorded, table.is_judged)

    def preferred(self, row: int, first: int, second: int, luck: float) -> float | None:
        """How good the first slot is called beside the second: 1, 0, or .5 for a tie; None if
        nobody said. `luck` in [0, 1) decides, and the order of the two does not.
        """
        if first > second:
            turned = self.preferred(row, second, first, luck)
            return None if turned is None else 1.0 - turned
        told = self._recorded.get((row, first, second))
        if told is not None:
            return told[int(luck * len(told))]
        if self._is_judged:
            return None
        gap = self._quality[row][first] - self._quality[row][second]
        return float(luck < 1.0 / (1.0 + exp(-SHARPNESS * gap)))


def verdict_luck(count: int, seed: int) -> list[float]:
    """What decides the verdict at each step, in [0, 1): the same for all policies."""
    luck: list[float] = np.random.default_rng((_LUCK, seed)).random(count).tolist()
    return luck


def verdict_event(
    decision: Decision, preferred: float, source: Source, now: float
) -> FeedbackEvent:
    """What the journal keeps of a verdict on the two arms of a duel."""
    assert decision.second_arm is not None
    pair = Comparison(
        first_arm=decision.arm,
        first_context=decision.context,
        second_arm=decision.second_arm,
        second_context=decision.context,
        second_decision_id=decision.id,
        clock=decision.clock,
        first_preferred=preferred,
        is_taught=True,
        is_ordered=True,
    )
    return FeedbackEvent(
        f"{decision.id}-verdict", decision.id, source, now, Effect.LEARNED, (), pair
    )
