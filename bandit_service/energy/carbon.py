"""Grams of carbon dioxide, from the intensity of a grid that somebody names."""

import math

from bandit_service.errors import InvalidField

JOULES_PER_KWH = 3_600_000.0


def grams_co2e(joules: float, grams_per_kwh: float) -> float:
    """Raises InvalidField for an intensity that is none.

    >>> grams_co2e(7_200_000, 400)
    800.0
    """
    if not (math.isfinite(grams_per_kwh) and grams_per_kwh >= 0):
        raise InvalidField("grams_per_kwh", f"must be a finite number >= 0, not {grams_per_kwh}")
    return joules / JOULES_PER_KWH * grams_per_kwh
