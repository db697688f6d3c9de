"""Quality against what it costs, estimated: every candidate beside what was logged."""

from collections.abc import Iterator

from bandit_service.evaluation.offpolicy.results import Comparison, Interval
from bandit_service.evaluation.pictures.labels import PointLabel, label_points
from bandit_service.evaluation.pictures.naming import short_names
from bandit_service.evaluation.pictures.styling import INK, Drawing, line_style, new_axes

AS_LOGGED = "as logged"
RESOURCES = {
    "cost_usd": ("cost", "USD per 1,000 queries", 1000.0),
    "energy_joules": ("energy", "joules per query", 1.0),
}


def front(result: Comparison, measure: str) -> Iterator[Drawing]:
    """Quality against a resource, everybody with crosses of their intervals."""
    points = dict(_points(result, measure))
    if len(points) < 2:
        return
    name, unit, scale = RESOURCES[measure]
    figure, axes = new_axes(f"Quality and {name}")
    short = short_names(points)
    for at, (label, ((x, across), (y, up))) in enumerate(points.items()):
        colour = INK if label == AS_LOGGED else str(line_style(at - 1)["color"])
        axes.plot([scale * across.low, scale * across.high], [y, y], color=colour, linewidth=1.2)
        axes.plot([scale * x, scale * x], [up.low, up.high], color=colour, linewidth=1.2)
        axes.plot([scale * x], [y], "o", color=colour, markersize=6, zorder=4)
    axes.set_xlabel(f"{name} ({unit})")
    axes.set_ylabel("quality")
    places = {label: (scale * x, y) for label, ((x, _), (y, _)) in points.items()}
    label_points(
        axes,
        [PointLabel(x, y, short[label], bold=label == AS_LOGGED)
         for label, (x, y) in places.items()],
        [],
    )  # fmt: skip
    listed = "; ".join(f"{label}: quality {y:.3f}, {x:.4g}" for label, (x, y) in places.items())
    yield Drawing(
        f"front-{name}",
        f"Estimated quality and {name} of every policy; bars are {result.level:.0%} intervals.",
        f"Quality against {name} ({unit}). {listed}.",
        figure,
    )


_Value = tuple[float, Interval]


def _points(result: Comparison, measure: str) -> Iterator[tuple[str, tuple[_Value, _Value]]]:
    own = {each.measure: (each.value, each.intervals[0]) for each in result.incumbent}
    if measure in own and "quality" in own:
        yield AS_LOGGED, (own[measure], own["quality"])
    for each in result.candidates:
        leads = {one.measure: one.estimator for one in each.differences}
        values = {
            one.measure: (one.value, one.intervals[0])
            for one in each.estimates
            if leads.get(one.measure) == one.estimator
        }
        if measure in values and "quality" in values:
            yield each.label, (values[measure], values["quality"])
