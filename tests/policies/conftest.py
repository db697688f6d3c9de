"""What the tests of several policies are given."""

import numpy as np
import pytest

from policies.policy import Array
from tests.policies.worlds import DIM


@pytest.fixture
def contexts() -> Array:
    """Seven contexts, shape (7, DIM)."""
    made = np.random.default_rng(5).normal(size=(7, DIM))
    made[:, -1] = 1.0
    return made
