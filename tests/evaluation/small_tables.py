"""Tables small enough to work out by hand."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from bandit_service.evaluation.table import OutcomeTable
from bandit_service.model import Arm


def a_table(quality: Sequence[Sequence[float]] | Any, **changes: Any) -> OutcomeTable:
    """These qualities (n, K), of arms a, b, c, ...; whatever is not given is unknown."""
    known = np.array(quality, dtype=np.float64)
    count, arms = known.shape
    given: dict[str, Any] = {
        name: np.full(known.shape, np.nan)
        for name in (
            "cost_usd",
            "latency_seconds",
            "energy_joules",
            "input_tokens",
            "output_tokens",
        )
    }
    given |= {
        "name": "made up",
        "query_ids": tuple(f"q{row}" for row in range(count)),
        "tasks": ("",) * count,
        "arms": tuple(Arm(name=name) for name in "abcdefgh"[:arms]),
        "quality": known,
    }
    return OutcomeTable(**(given | changes))


def a_random_table(count: int = 60, arms: int = 3, seed: int = 0, **changes: Any) -> OutcomeTable:
    """With vectors of three numbers, and with everything known that can be."""
    rng = np.random.default_rng(seed)
    shape = count, arms
    given: dict[str, Any] = {
        "cost_usd": rng.random(shape) * 0.01,
        "latency_seconds": rng.random(shape),
        "energy_joules": rng.random(shape) * 100.0,
        "input_tokens": rng.integers(1, 900, shape).astype(np.float64),
        "output_tokens": rng.integers(1, 900, shape).astype(np.float64),
        "contexts": rng.normal(size=(count, 3)),
    }
    return a_table(rng.random(shape), **(given | changes))


def same(left: OutcomeTable, right: OutcomeTable) -> None:
    """Asserts that every field is equal, bit for bit; NaN equals NaN."""
    for field in dataclasses.fields(left):
        mine, other = getattr(left, field.name), getattr(right, field.name)
        if isinstance(mine, np.ndarray):
            assert mine.dtype == other.dtype
            np.testing.assert_array_equal(mine, other, err_msg=field.name)
        else:
            assert mine == other, field.name
