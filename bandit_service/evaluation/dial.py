"""The dial from accuracy (0) to energy (10), for simulations."""

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec.structs import replace

from bandit_service.errors import InvalidField
from bandit_service.evaluation.contestants import Contestant
from bandit_service.evaluation.optimal import ArmMeans
from bandit_service.evaluation.table import OutcomeTable

MOST = 10.0
# In the middle of the dial, the energy of a usual call is worth this much quality.
WORTH = 0.1
_HIGHEST = 1e9  # that an objective takes: there, energy alone decides


def quality_per_joule(dial: float, usual_joules: float) -> float:
    """What a joule is worth in points of quality, at a dial in [0, 10]. Raises InvalidField.

    `usual_joules` is fixed beforehand, a mean over the arms: a reference that moved with the
    choices would move the dial's meaning too.

    >>> [round(quality_per_joule(dial, 50.0), 5) for dial in (0, 5, 9)]
    [0.0, 0.002, 0.018]
    """
    if not 0.0 <= dial <= MOST:
        raise InvalidField("dial", f"must be from 0 (accuracy) to 10 (energy), not {dial:g}")
    if dial == MOST:
        return _HIGHEST
    return min(_HIGHEST, WORTH * dial / (MOST - dial) / usual_joules)


def dialled(
    contestants: Iterable[Contestant], dials: Sequence[float], table: OutcomeTable
) -> tuple[Contestant, ...]:
    """Each of them at each dial, beside as it is; the same where there are no dials.

    Raises InvalidField for a dial out of range, or where no arm's energy is known.
    """
    made = list(contestants)
    if not dials:
        return tuple(made)
    if len(set(dials)) < len(dials):
        raise InvalidField("dial", "each only once")
    joules = ArmMeans.of(table).energy_joules
    known = joules[joules > 0.0]
    if not len(known):
        raise InvalidField("dial", f"no arm's energy is known in {table.name}")
    usual = float(np.mean(known))
    return tuple(turned for each in made for turned in (each, *_turned(each, dials, usual)))


def _turned(contestant: Contestant, dials: Sequence[float], usual: float) -> Iterable[Contestant]:
    for dial in dials:
        worth = quality_per_joule(dial, usual)
        objective = replace(contestant.config.objective, quality_per_joule=worth)
        yield Contestant(
            f"{contestant.label}, dial {dial:g}",
            f"{contestant.description}, dial {dial:g}: a joule worth {worth:.3g} of quality",
            replace(contestant.config, objective=objective),
        )
