"""Token weights by regression, on equations whose solution is known."""

import numpy as np
import pytest

from bandit_service.energy.weights import LEAST_WINDOWS, UNFITTED, TokenWeights


def taught(a: float, b: float, rest: float = 3.0, windows: int = 120, noise: float = 0.0):
    rng = np.random.default_rng(1)
    weights = TokenWeights()
    for _ in range(windows):
        read, written = rng.uniform(0, 2000), rng.uniform(0, 100)
        joules = rest + a * read + b * written + noise * rng.normal()
        weights.learn(joules, 1.0, {"m": (read, written)})
    return weights


def test_a_and_b_are_found() -> None:
    assert taught(0.01, 0.4).fitted["m"] == pytest.approx((0.01, 0.4), rel=1e-6)
    assert taught(0.01, 0.4, noise=1.0).fitted["m"] == pytest.approx((0.01, 0.4), rel=0.1)


def test_until_there_is_enough_only_output_tokens_count() -> None:
    few = taught(0.01, 0.4, windows=LEAST_WINDOWS - 1)

    assert few.of({"m"}) == {"m": UNFITTED}


def test_until_then_what_is_declared_tells_arms_apart() -> None:
    weights = TokenWeights({"small": 0.1, "large": 0.4})

    assert weights.of({"small", "large"}) == {"small": (0.0, 0.1), "large": (0.0, 0.4)}
    assert weights.of({"small", "other"}) == {"small": UNFITTED, "other": UNFITTED}


def test_no_weight_is_negative_and_input_is_never_dearer() -> None:
    a, b = taught(0.5, 0.4).fitted["m"]

    assert a == b == pytest.approx(0.4)
    assert taught(0.4, -0.1, rest=100.0).of({"m"}) == {"m": UNFITTED}


def test_arms_are_told_apart_and_compared_only_if_all_are_known() -> None:
    rng = np.random.default_rng(2)
    weights = TokenWeights()
    for _ in range(90):
        small, large = rng.uniform(0, 100, 2)
        joules = 0.1 * small + 0.9 * large
        weights.learn(joules, 1.0, {"small": (0.0, small), "large": (0.0, large)})

    assert weights.of({"small", "large"})["small"] == pytest.approx((0.0, 0.1), abs=1e-6)
    assert weights.of({"small", "large"})["large"] == pytest.approx((0.0, 0.9), abs=1e-6)
    assert weights.of({"small", "new"}) == {"small": UNFITTED, "new": UNFITTED}
