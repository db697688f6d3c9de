"""Quality against what it costs, in dollars or joules: arms, mixtures, policies, hindsight."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from bandit_service.evaluation.pictures.labels import PointLabel, label_points
from bandit_service.evaluation.pictures.naming import one_line, short_names
from bandit_service.evaluation.pictures.styling import (
    INK,
    MUTED,
    NORMAL_DEVIATES_95,
    PAPER,
    Drawing,
    line_style,
    new_axes,
)
from bandit_service.evaluation.results import Mean, Measures, Point, Reference, Result

Array = NDArray[np.float64]

SIZE = (7.4, 4.9)
LOG_FROM = 20  # times the least: from there on a linear axis would press the cheap arms together
STEPS = 40  # from one point of a curve to the next
_HINDSIGHT = {"oracle": "oracle", "offline_router": "offline router"}
LABELLED_ARMS = 14  # of more, only the corners of the hull are named


@dataclass(frozen=True, slots=True)
class Resource:
    """What the x axis counts. `scale` brings it to numbers that are easy to read."""

    name: str
    field: str
    unit: str
    scale: float
    hull: tuple[Point, ...]

    def of(self, record: Measures | Point | Reference) -> float | None:
        """Of one query, scaled; None is unknown."""
        value = getattr(record, self.field)
        mean = value.mean if isinstance(value, Mean) else value
        return None if mean is None else float(mean) * self.scale

    def error(self, measures: Measures) -> float:
        value = getattr(measures, self.field)
        return (value.standard_error or 0.0) * self.scale if isinstance(value, Mean) else 0.0


def quality_cost(result: Result) -> Iterator[Drawing]:
    yield from _front(
        result,
        Resource("cost", "cost_usd", "cost (USD per 1,000 queries)", 1000.0, result.hull),
    )


def quality_energy(result: Result) -> Iterator[Drawing]:
    yield from _front(
        result,
        Resource("energy", "energy_joules", "energy (joules per query)", 1.0, result.energy_hull),
    )


def _front(result: Result, resource: Resource) -> Iterator[Drawing]:
    if not any(resource.of(policy.whole) is not None for policy in result.policies):
        return
    figure, axes = new_axes(f"Quality against {resource.name} · {one_line(result.data)}", SIZE)
    hull_line = _hull(axes, resource)
    dial_lines, bars, policies = _policies(axes, result, resource)
    labels = policies + _hindsight(axes, result, resource) + _arms(axes, result, resource)
    _scale_x(axes, [label.x for label in labels] + [x for line in dial_lines for x in line[:, 0]])
    axes.margins(x=0.07, y=0.08)
    axes.set_xlabel(resource.unit)
    axes.set_ylabel("mean quality")
    label_points(axes, labels, [*hull_line, *dial_lines, *bars])
    yield Drawing(
        f"quality-{resource.name}",
        "Up and to the left is better. Grey circles: single arms. Plain line: the static hull, "
        "the best mixtures of arms that do not look at the query. Diamonds: in hindsight. "
        "Coloured: policies as configured, with 95 % intervals, and their dials where swept."
        + _absent(result, resource),
        f"Quality against {resource.name}, {resource.unit}. "
        + "; ".join(f"{p.text}: quality {p.y:.3f} at {p.x:.3g}" for p in labels if p.text)
        + ".",
        figure,
    )


def _absent(result: Result, resource: Resource) -> str:
    """Who has no place in the picture; empty where everybody has one."""
    shown = [each for each in result.references if each.kind in _HINDSIGHT or each.kind == "arm"]
    names = [p.policy for p in result.policies if resource.of(p.whole) is None]
    names += [each.name for each in shown if resource.of(each) is None]
    if not names:
        return ""
    return f" Not drawn, because too little is known of their {resource.name}: {', '.join(names)}."


def _hull(axes: Axes, resource: Resource) -> list[Array]:
    if len(resource.hull) < 2:
        return []
    line = _mixtures(resource, resource.hull)
    axes.plot(line[:, 0], line[:, 1], color=INK, linewidth=1.2, zorder=2)
    return [line]


def _mixtures(resource: Resource, points: Sequence[Point]) -> Array:
    """The way through m points, (STEPS (m - 1) + 1, 2); every STEPS-th row is one of them.

    Between two points lie their mixtures: straight in cost, which a logarithmic axis bends.
    """
    ends = np.array([(resource.of(point), point.quality) for point in points])
    place = np.linspace(0, len(ends) - 1, STEPS * (len(ends) - 1) + 1)
    return np.column_stack([np.interp(place, np.arange(len(ends)), ends[:, at]) for at in (0, 1)])


def _policies(
    axes: Axes, result: Result, resource: Resource
) -> tuple[list[Array], list[Array], list[PointLabel]]:
    """The policies along their dials, and as configured, with their error bars."""
    names = short_names(policy.policy for policy in result.policies)
    dial_lines: list[Array] = []
    bars: list[Array] = []
    labels = []
    for index, policy in enumerate(result.policies):
        style = line_style(index)
        colour = str(style["color"])
        dials = [point for point in policy.dials if resource.of(point) is not None]
        if dials:
            line = _mixtures(resource, dials)
            axes.plot(
                line[:, 0],
                line[:, 1],
                linewidth=1.3,
                marker="o",
                markersize=3,
                markevery=STEPS,
                zorder=3,
                **style,  # type: ignore[arg-type]
            )
            dial_lines.append(line)
        cost = resource.of(policy.whole)
        if cost is None:
            continue
        quality = policy.whole.quality
        wide = NORMAL_DEVIATES_95 * resource.error(policy.whole)
        high = NORMAL_DEVIATES_95 * (quality.standard_error or 0.0)
        bars += _bars(cost, quality.mean, wide, high)
        axes.errorbar(
            cost,
            quality.mean,
            xerr=wide,
            yerr=high,
            marker="o",
            markersize=8,
            markeredgecolor=PAPER,
            markeredgewidth=1,
            color=colour,
            elinewidth=1.3,
            zorder=5,
        )
        labels.append(PointLabel(cost, quality.mean, names[policy.policy], bold=True))
    return dial_lines, bars, labels


def _bars(x: float, y: float, wide: float, high: float) -> list[Array]:
    """The two lines of an error bar; costs stay above 0, for axes that are logarithmic."""
    left = max(x - wide, 0.1 * x)
    return [np.array([[left, y], [x + wide, y]]), np.array([[x, y - high], [x, y + high]])]


def _hindsight(axes: Axes, result: Result, resource: Resource) -> list[PointLabel]:
    labels = []
    for kind, name in _HINDSIGHT.items():
        for reference in result.references:
            cost = resource.of(reference)
            if reference.kind == kind and cost is not None:
                axes.plot(
                    cost,
                    reference.quality,
                    marker="D",
                    markersize=6,
                    color=INK,
                    markerfacecolor=PAPER,
                    markeredgewidth=1.3,
                    zorder=4,
                )
                labels.append(PointLabel(cost, reference.quality, name))
    return labels


def _arms(axes: Axes, result: Result, resource: Resource) -> list[PointLabel]:
    """Single arms; of many, only those at the hull's corners are named."""
    short = short_names(result.arms)
    arms = [
        (reference, cost)
        for reference in result.references
        if reference.kind == "arm" and (cost := resource.of(reference)) is not None
    ]
    corners = {name for point in resource.hull for name in point.mixture}
    labels = []
    for reference, cost in arms:
        axes.plot(
            cost,
            reference.quality,
            marker="o",
            markersize=5 if len(arms) <= LABELLED_ARMS else 3.5,
            color=MUTED,
            zorder=3.5,
        )
        named = len(arms) <= LABELLED_ARMS or reference.name in corners
        text = short.get(reference.name, reference.name) if named else ""
        labels.append(PointLabel(cost, reference.quality, text))
    return labels


def _scale_x(axes: Axes, values: Sequence[float]) -> None:
    if min(values) > 0 and max(values) > LOG_FROM * min(values):
        axes.set_xscale("log")
        decades = np.log10(max(values) / min(values))
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 4 else (1.0,)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
