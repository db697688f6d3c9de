"""A learner that does everything wrong, but only when it is told to by what it is given."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bandit_service.model import Algorithm, Challenger
from policies.linear_thompson import LinearThompson

FLAKY = Challenger(name="flaky", algorithm=Algorithm(name="flaky"))
POISON = 0.4375  # a quality that it cannot learn
RAISES, NAN, TOO_MUCH, CLOSED, NEGATIVE, MISSHAPEN = 11.0, 12.0, 13.0, 14.0, 15.0, 16.0
ROW_BY_ROW = (NAN, TOO_MUCH, CLOSED, NEGATIVE)  # what concerns one query alone


@dataclass(frozen=True, kw_only=True)
class Flaky(LinearThompson):
    """The first number of a context says what goes wrong with it."""

    name: ClassVar[str] = "flaky"

    def probabilities(self, state: Any, contexts: Any, **how: Any) -> Any:
        found = np.array(super().probabilities(state, contexts, **how))
        for row, trouble in enumerate(contexts[:, 0].tolist()):
            if trouble == RAISES:
                raise ZeroDivisionError("what a pity")
            if trouble == NAN:
                found[row, 1] = np.nan
            elif trouble == TOO_MUCH:
                found[row] *= 1.5
            elif trouble == CLOSED:
                found[row] = np.eye(found.shape[1])[1]  # the tests close arm 1
            elif trouble == NEGATIVE:
                found[row] = [1.5, 0.0, -0.5]
            elif trouble == MISSHAPEN:
                return np.column_stack([found, np.zeros(len(found))])
        return found

    def update(self, state: Any, arm: int, context: Any, quality: float, **how: Any) -> None:
        super().update(state, arm, context, quality, **how)
        if quality == POISON:  # half way: the state has changed
            raise FloatingPointError("what a taste")


class Watch:
    """A clock that goes only while a `Dawdler` decides, or when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


WATCH = Watch()
DAWDLER = Challenger(name="dawdler", algorithm=Algorithm(name="dawdler"))


@dataclass(frozen=True, kw_only=True)
class Dawdler(LinearThompson):
    """Takes as many seconds of `WATCH` for a query as the first number of its context says."""

    name: ClassVar[str] = "dawdler"

    def probabilities(self, state: Any, contexts: Any, **how: Any) -> Any:
        WATCH.now += float(np.abs(contexts[:, 0]).sum())
        return super().probabilities(state, contexts, **how)
