"""Errors travel whole: between threads of a pool, and between processes."""

import copy

import pytest

from bandit_service import errors

MADE = [
    errors.InvalidField("floor", "must be in [0, 1]"),
    errors.PolicyNotFound("chat"),
    errors.NoEligibleArm("chat", {"small": "the arm is retired"}),
    errors.StaleEtag("chat", "1-1", "1-2"),
    errors.NotCaughtUp("chat", 7, 3),
    errors.AheadOfJournal("chat", 7, 3),
    errors.NotUnderstood("chat", 7, "an unknown field"),
    errors.BufferFull(50),
    errors.BudgetExhausted("chat", ["few"], "small"),
    errors.Unpriced("chat", ["few"], ["bare"], ["both list prices"]),
    errors.HeadLocked(1),
    errors.BrokenJournal(1, 2),
]


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_a_copy_is_the_same_error(error: errors.BanditError) -> None:
    made = copy.copy(error)  # by the protocol that pickle uses

    assert type(made) is type(error)
    assert (str(made), made.facts, made.__dict__) == (str(error), error.facts, error.__dict__)
