"""Forgetting by half-life: what age does to the weight of an observation.

Sums over data carry the clock they are expressed at. An observation made later ages them first;
one that arrives late, with an earlier clock, is itself aged. So the order of arrival does
not matter, and what a burst of late feedback adds is what it would have added in time.
"""

import math


def faded(age: float, half_life: float | None) -> float:
    """The weight left of 1 after `age` (same unit as the half-life; negative counts as 0)."""
    if half_life is None or age <= 0.0:
        return 1.0
    return float(2.0 ** (-age / half_life))


def tick(clock: float, half_life: float | None) -> float:
    """`clock` rounded up to a 64th of the half-life: when state read at `clock` is expressed.

    Every arm's inverse depends on the reading clock; in steps of a tick it is rebuilt once a
    tick, not once a read, and weights are off by at most 1.1 %, all by the same factor.
    """
    if half_life is None:
        return 0.0
    step = half_life / 64.0
    return math.ceil(clock / step) * step
