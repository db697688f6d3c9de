"""A state answers the same question again without work, and never after it has changed."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from policies.linear_state import LinearState, Prior

PRIOR = Prior(dim=4, half_life=None, intercept=True, ridge=2.0, intercept_ridge=1.0, prior_mean=0.5)
X = np.array([[0.3, -0.2, 0.7, 1.0]])
Z = np.array([0.9, 0.1, -0.4, 1.0])


def taught(prior: Prior = PRIOR) -> LinearState:
    state = LinearState.empty(prior, 3)
    for step in range(6):
        state.learn(step % 3, np.roll(Z, step), 0.1 * step, 1.0, float(step))
    return state


def learn_often(state: LinearState, times: int) -> None:
    for _ in range(times):
        state.learn(0, Z, 0.9, 1.0, 7.0)


CHANGES: dict[str, Callable[[LinearState], object]] = {
    "learn": lambda state: state.learn(0, Z, 0.9, 1.0, 7.0),
    "learn again and again": lambda state: learn_often(state, 1_100),
    "revise": lambda state: state.revise(1, np.roll(Z, 1), 0.1, 0.8, 1.0, 1.0),
    "withdraw": lambda state: state.revise(1, np.roll(Z, 1), 0.1, None, 1.0, 1.0),
    "drop": lambda state: state.drop_arm(2),
    "add": lambda state: state.add_arm(),
    "adopt": lambda state: state.adopt(replace(PRIOR, ridge=5.0)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_after_a_change_the_answer_is_a_fresh_one(change):
    state = taught()
    means, spreads = state.read(X, 8.0)
    before = means.copy(), spreads.copy()

    change(state)
    answer = state.read(X, 8.0)
    for found, wanted in zip(answer, state.copy().read(X, 8.0), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9)
    assert not np.array_equal(answer[0], before[0])


def test_what_fades_is_read_at_its_clock():
    fading = replace(PRIOR, half_life=10.0)
    state = taught(fading)
    state.read(X, 8.0)

    wanted = taught(fading).read(X, 30.0)
    for found, fresh in zip(state.read(X, 30.0), wanted, strict=True):
        np.testing.assert_allclose(found, fresh, rtol=1e-12)


def test_a_buffer_with_other_numbers_is_another_question():
    state, buffer = taught(), X.copy()
    state.read(buffer, 8.0)
    buffer[:] = Z

    for found, wanted in zip(state.read(buffer, 8.0), taught().read(Z[None], 8.0), strict=True):
        np.testing.assert_array_equal(found, wanted)
