"""Small worlds for the policies to learn from."""

from dataclasses import dataclass

import numpy as np

from policies.policy import Array

ARMS, DIM = 4, 3
# Canonical arrays that say how the data came, besides what it is: chains of draws go on from where
# they stood, so another order of the same data is another draw from the same posterior.
# A detector remembers the order of what it saw; what is believed does not depend on it.
MOVING = {"fgts_cdb": ("draws", "turn"), "alarmed_linucb": ("cusum",)}
DRAWN = ("fgts_cdb",)
# Chances of the best arm by far: 0.9, but for who still chooses at random by plan.
SURE = {"greenserv_epsilon": 0.75}


@dataclass(frozen=True)
class Seen:
    """One observation: what an update is called with."""

    arm: int
    context: Array
    quality: float
    weight: float
    clock: float


def some_observations(seed: int, count: int = 60) -> list[Seen]:
    """Observations of all arms, in order of their clocks, some weighted."""
    rng = np.random.default_rng(seed)
    contexts = rng.normal(size=(count, DIM))
    contexts[:, -1] = 1.0
    return [
        Seen(
            arm=int(rng.integers(ARMS)),
            context=contexts[i],
            quality=float(rng.random()),
            weight=float(rng.choice([1.0, 0.25, 3.0])),
            clock=float(i),
        )
        for i in range(count)
    ]
