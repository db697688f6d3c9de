"""The service's dial from accuracy (0) to energy (10), turned in a simulation."""

import statistics
from collections.abc import Iterable, Sequence

import numpy as np
from msgspec.structs import replace

from bandit_service.errors import InvalidField
from bandit_service.evaluation.contestants import Contestant
from bandit_service.evaluation.optimal import known_mean
from bandit_service.evaluation.table import OutcomeTable
from bandit_service.model import Objective
from bandit_service.weighing import LARGEST_DIAL, points_of


def dialled(
    contestants: Iterable[Contestant], dials: Sequence[float], table: OutcomeTable
) -> tuple[Contestant, ...]:
    """Each of them at each dial, beside as it is; the same where there are no dials.

    At a dial nothing but quality and energy counts, whatever a contestant weighs otherwise. The
    scale is a call of the set's median arm by energy (weighing.py): it is fixed beforehand, so
    what a dial means does not move with what is chosen.

    Raises InvalidField for a dial out of range, or where no arm's energy is known.
    """
    made = list(contestants)
    if not dials:
        return tuple(made)
    for dial in dials:
        if not 0.0 <= dial <= LARGEST_DIAL:
            raise InvalidField(
                "dial", f"must be from 0 (accuracy) to {LARGEST_DIAL:g} (energy), not {dial:g}"
            )
    if len(set(dials)) < len(dials):
        raise InvalidField("dial", "each only once")
    joules = known_mean(np.where(table.offered, table.energy_joules, np.nan))
    known = joules[joules > 0.0].tolist()
    if not known:
        raise InvalidField("dial", f"no arm's energy is known in {table.name}")
    usual = statistics.median_low(known)
    return tuple(turned for each in made for turned in (each, *_turned(each, dials, usual)))


def _turned(contestant: Contestant, dials: Sequence[float], usual: float) -> Iterable[Contestant]:
    for dial in dials:
        worth = points_of(dial)
        objective = Objective(accuracy_energy_dial=dial, reference_joules=usual)
        yield Contestant(
            f"{contestant.label}, dial {dial:g}",
            f"{contestant.description}, dial {dial:g}: {usual:.3g} J worth {worth:.3g} of quality",
            replace(contestant.config, objective=objective),
        )
