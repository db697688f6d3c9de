"""The dial from accuracy to energy, swept on recorded outcomes, against static mixtures of arms."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.arrivals import Arrivals
from bandit_service.evaluation.contestants import DEFAULT, entered, named
from bandit_service.evaluation.dial import dialled
from bandit_service.evaluation.hull import static_hull, upper_hull
from bandit_service.evaluation.optimal import ArmMeans
from bandit_service.evaluation.simulation import Simulation
from bandit_service.evaluation.table import OutcomeTable

Array = NDArray[np.float64]

COLUMNS = (
    "quality",
    "cost_usd",
    "latency_seconds",
    "energy_joules",
    "input_tokens",
    "output_tokens",
)
DIALS = tuple(float(dial) for dial in range(11))


class Front(NamedTuple):
    """D dials, S seeds, whole streams.

    dials      (D,)
    joules     (D, S) a query
    qualities  (D, S)
    """

    dials: Sequence[float]
    joules: Array
    qualities: Array


def known_of(table: OutcomeTable) -> OutcomeTable:
    """The table with the arms of known energy only."""
    known = np.flatnonzero(~np.isnan(table.energy_joules).all(axis=0))
    return replace(
        table,
        arms=tuple(table.arms[slot] for slot in known),
        **{name: getattr(table, name)[:, known] for name in COLUMNS},
    )


def swept(table: OutcomeTable, dials: Sequence[float], seeds: int) -> Front:
    """The default learner at each dial, from a cold start."""
    # The first of them is the learner as it is.
    turned = entered(dialled([named(DEFAULT)], dials, table)[1:], table)
    found = np.empty((2, len(turned), seeds))
    for place, entry in enumerate(turned):
        simulation = Simulation(table, entry)
        for seed in range(seeds):
            run = simulation.run(Arrivals(), seed)
            served = run.order, run.arms
            found[:, place, seed] = (
                np.nanmean(table.energy_joules[served]),
                table.quality[served].mean(),
            )
    return Front(dials, found[0], found[1])


def hypervolume(amounts: Array, qualities: Array, most: float, least: float) -> float:
    """The area that points (m,) dominate: of all that takes more than one of them, up to `most`,
    and is worse, down to `least`. Points beyond either add nothing.

    >>> hypervolume(np.array([1.0, 2.0]), np.array([0.5, 0.8]), most=4.0, least=0.4)
    0.9
    """
    best, area, order = least, 0.0, np.argsort(amounts)
    for place, at in enumerate(order):
        following = amounts[order[place + 1]] if place + 1 < len(order) else most
        best = max(best, float(qualities[at]))
        width = min(float(following), most) - float(amounts[at])
        area += max(width, 0.0) * (best - least)
    return round(area, 12)


def mixed_hypervolume(amounts: Array, qualities: Array, most: float, least: float) -> float:
    """The same where points can be mixed: under their upper hull."""
    hull = upper_hull(amounts, qualities)
    low = float(hull.amounts[0])
    height = hull.mean_quality(low, most) if low < most else None
    return 0.0 if height is None else (most - low) * (height - least)


def report(table: OutcomeTable, seeds: int, dials: Sequence[float] = DIALS) -> str:
    """A row a dial, then the areas, as shares of what lies between the arms that take least and
    most, and between the quality of the first and 1."""
    table = known_of(table)
    means = ArmMeans.of(table)
    hull, front = static_hull(means, "energy_joules"), swept(table, dials, seeds)
    lines = ["dial  joules a query  quality  error   hull at these joules"]
    for dial, joules, qualities in zip(*front, strict=True):
        error = qualities.std(ddof=1) / seeds**0.5 if seeds > 1 else 0.0
        best = hull.quality_at(float(joules.mean()))
        lines.append(
            f"{dial:<5g} {joules.mean():<15.2f} {qualities.mean():.4f}   {error:.4f}  "
            + ("-" if best is None else f"{best:.4f}")
        )
    cheapest = int(np.argmin(means.energy_joules))
    most, least = float(means.energy_joules.max()), float(means.quality[cheapest])
    whole = (most - float(means.energy_joules[cheapest])) * (1.0 - least)
    arms = means.energy_joules, means.quality
    bounds = most, least
    areas = {
        "single arms": [hypervolume(*arms, *bounds)],
        "static mixtures of arms": [mixed_hypervolume(*arms, *bounds)],
        "dials": [hypervolume(*one, *bounds) for one in _by_seed(front)],
        "mixtures of dials": [mixed_hypervolume(*one, *bounds) for one in _by_seed(front)],
    }
    lines.append("hypervolume, of all that is between the arms' joules and above the least quality")
    for name, found in areas.items():
        shares = np.array(found) / whole
        error = shares.std(ddof=1) / len(shares) ** 0.5 if len(shares) > 1 else 0.0
        lines.append(f"  {name:<24} {shares.mean():.4f}" + (f" +- {error:.4f}" if error else ""))
    return "\n".join(lines)


def _by_seed(front: Front) -> list[tuple[Array, Array]]:
    return list(zip(front.joules.T, front.qualities.T, strict=True))
