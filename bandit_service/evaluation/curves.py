"""A policy as its stream goes on, and as its dial is turned."""

from collections.abc import Mapping

import numpy as np

from bandit_service.evaluation.amounts import taken
from bandit_service.evaluation.hull import upper_hull
from bandit_service.evaluation.intervals import known_over_seeds, standard_error
from bandit_service.evaluation.measuring import Yardstick
from bandit_service.evaluation.optimal import ArmMeans
from bandit_service.evaluation.results import Curve, Point
from bandit_service.evaluation.streams import Streams
from bandit_service.evaluation.table import Array

MOST_POINTS = 60


def learning_curve(yardstick: Yardstick, streams: Streams) -> Curve:
    """At most 60 points, evenly spread, the last after the whole stream."""
    table, steps = yardstick.table, streams.steps
    points = min(MOST_POINTS, steps)
    ends = np.arange(1, points + 1) * steps // points
    quality = np.cumsum(streams.average(table.quality), axis=1)[:, ends - 1] / ends
    regret = np.cumsum(streams.average(yardstick.regret), axis=1)[:, ends - 1]
    starts = np.concatenate([[0], ends[:-1]])
    shares = [
        _shares(streams, int(start), int(end), len(table.arms))
        for start, end in zip(starts, ends, strict=True)
    ]
    return Curve(
        queries=tuple(ends.tolist()),
        quality=tuple(quality.mean(axis=0).tolist()),
        quality_error=_errors(quality),
        regret=tuple(regret.mean(axis=0).tolist()),
        regret_error=_errors(regret),
        shares=tuple(tuple(share.tolist()) for share in shares),
    )


def _shares(streams: Streams, start: int, end: int, arms: int) -> Array:
    """Of each slot among the calls of the steps from `start` to before `end`, (K,)."""
    sides = [streams.arms] if streams.second is None else [streams.arms, streams.second]
    called = np.concatenate([side[:, start:end].ravel() for side in sides])
    shares: Array = np.bincount(called, minlength=arms) / len(called)
    return shares


def _errors(values: Array) -> tuple[float, ...]:
    """Standard error over seeds of each column of (S, m); 0 for a single seed."""
    return tuple(standard_error(column) or 0.0 for column in values.T)


def dial_points(yardstick: Yardstick, swept: Mapping[float, Streams]) -> tuple[Point, ...]:
    """Whole streams, mean over seeds, one point a dial in the order given."""
    return tuple(_dial_point(yardstick, dial, streams) for dial, streams in swept.items())


def _dial_point(yardstick: Yardstick, dial: float, streams: Streams) -> Point:
    table = yardstick.table
    cost = known_over_seeds(taken(table, streams, "cost_usd"))
    energy = known_over_seeds(taken(table, streams, "energy_joules"))
    return Point(
        quality=float(streams.average(table.quality).mean()),
        cost_usd=None if cost is None else cost.mean,
        energy_joules=None if energy is None else energy.mean,
        quality_per_usd=dial,
    )


def area(points: tuple[Point, ...], means: ArmMeans) -> float | None:
    """Mean height of the points' upper hull, in quality over cost, from the cheapest single arm's
    mean cost to the dearest's (of those whose cost is known). None without points, or unless the
    cost of every one of them is known: without the dials that play an arm of unknown cost, the
    rest would be judged as if they were the whole sweep.

    Right of the dearest point it stays flat. Below the cheapest point nothing was reached with
    this policy, so its curve begins at the cheapest single arm, which anyone can play.
    """
    cheapest = means.cheapest()
    reached = [(point.cost_usd, point.quality) for point in points if point.cost_usd is not None]
    if cheapest is None or not reached or len(reached) < len(points):
        return None
    low, high = float(means.cost_usd[cheapest]), float(np.nanmax(means.cost_usd))
    if min(cost for cost, _ in reached) > low:
        reached.append((low, float(means.quality[cheapest])))
    amounts, qualities = np.array(reached).T
    return upper_hull(amounts, qualities).mean_quality(low, high)
