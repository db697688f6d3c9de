"""What feedback teaches a policy, whoever it is for: the incumbent or a challenger. Pure."""

from collections.abc import Iterable
from typing import Any

import numpy as np

import policies
from bandit_service.model import Comparison, Lesson
from policies.pair_rows import FIRST, NOT_KNOWN


def teach(policy: policies.Policy[Any], state: policies.State, lessons: Iterable[Lesson]) -> None:
    """Changes of qualities, in place."""
    for lesson in lessons:
        context = np.frombuffer(lesson.context)
        if lesson.old is None:
            assert lesson.new is not None
            policy.update(state, lesson.arm, context, lesson.new, clock=lesson.clock)
        else:
            policy.revise(state, lesson.arm, context, lesson.old, lesson.new, clock=lesson.clock)
        if lesson.chances and isinstance(policy, policies.LearnsChoices):
            policy.reinforce(
                state,
                lesson.arm,
                context,
                lesson.old,
                lesson.new,
                np.frombuffer(lesson.chances),
                clock=lesson.clock,
            )


def compare(policy: policies.Policy[Any], state: policies.State, pair: Comparison | None) -> None:
    """A preference, in place, where pairs are what the policy learns."""
    if pair is None or not pair.is_taught or not isinstance(policy, policies.LearnsPairs):
        return
    policy.compare(
        state,
        (pair.first_arm, np.frombuffer(pair.first_context)),
        (pair.second_arm, np.frombuffer(pair.second_context)),
        pair.first_preferred,
        old=pair.old,
        clock=pair.clock,
        shown=FIRST if pair.is_ordered else NOT_KNOWN,
    )
