"""Findings in words, and what the journal says of a decision."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.audit.results import Finding
from bandit_service.model import Decision, FeedbackEvent

MOST_SHOWN = 16  # numbers of one row


def of(one: Decision, what: str, logged: NDArray[Any], found: NDArray[Any]) -> Finding:
    return Finding(one.id, one.position, what, shown(logged), shown(found))


def shown(numbers: NDArray[Any]) -> str:
    listed = [f"{float(number):.10g}" for number in numbers.ravel()[:MOST_SHOWN]]
    return "[" + ", ".join(listed) + (", ...]" if numbers.size > MOST_SHOWN else "]")


def lessons_misfit(event: FeedbackEvent, position: int, decision: Decision) -> Finding | None:
    """What the journal learned of a decision, where that is not what was logged of it."""
    if event.comparison is not None:
        return None  # of two decisions, maybe
    arms = {decision.arm, decision.second_arm}
    for lesson in event.lessons:
        where = f"as learned at position {position}"
        if lesson.context != decision.context:
            logged = np.frombuffer(decision.context)
            return Finding(decision.id, decision.position, "context", shown(logged), where)
        if lesson.arm not in arms:
            return Finding(decision.id, decision.position, "arm", str(decision.arm), where)
        if lesson.clock != decision.clock:
            return Finding(decision.id, decision.position, "clock", repr(decision.clock), where)
    return None
