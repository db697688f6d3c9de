"""Labels beside what they name, kept apart from each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from bandit_service.evaluation.pictures.styling import INK, MUTED, PAPER, settle

Array = NDArray[np.float64]

LINE_HEIGHT = 1.3  # of the type size
LEADER_FROM = 14  # points: nearer labels need no line to what they name
REACH = 0.035  # of the axes' width, from the end of a line to its label


@dataclass(frozen=True, slots=True)
class EndLabel:
    """The name of a line, or of a layer, that leaves the axes on the right at height `y`."""

    y: float
    text: str
    colour: str
    muted: bool = False


def label_ends(axes: Axes, labels: Sequence[EndLabel], size: float = 9) -> None:
    """Writes the labels to the right of the axes, as near to their height as fits."""
    figure = axes.figure
    texts = [
        axes.text(
            1 + REACH + 0.008,
            0.5,
            label.text,
            transform=axes.transAxes,
            size=size,
            va="center",
            color=MUTED if label.muted else INK,
        )
        for label in labels
    ]
    settle(figure.figure)  # the layout makes room for the longest
    to_axes = axes.transAxes.inverted()
    wanted = [
        to_axes.transform(axes.transData.transform((axes.get_xlim()[1], label.y)))[1]
        for label in labels
    ]
    line = size * LINE_HEIGHT / 72 * figure.figure.dpi
    gap = line / axes.get_window_extent().height
    for label, text, start, end in zip(
        labels, texts, wanted, spread(np.array(wanted), gap, 0.0, 1.0), strict=True
    ):
        text.set_y(end)
        axes.plot(
            [1.003, 1 + REACH],
            [start, end],
            transform=axes.transAxes,
            color=label.colour,
            linewidth=0.9 if label.muted else 1.6,
            clip_on=False,
        )


def spread(wanted: Array, gap: float, low: float, high: float) -> Array:
    """Places as near as can be to `wanted` (least squares) that are `gap` apart, in their order.

    They stay within low..high if there is room for all, else they start at `low`.
    """
    if wanted.size == 0:
        return wanted
    order = np.argsort(wanted, kind="stable")
    steps = gap * np.arange(wanted.size)
    shifted = isotonic_regression(wanted[order] - steps).x
    places = np.empty_like(wanted)
    places[order] = np.clip(shifted, low, max(low, high - steps[-1])) + steps
    return places


@dataclass(frozen=True, slots=True)
class PointLabel:
    """The name of a point at (x, y) in data units; without text, only something to keep clear."""

    x: float
    y: float
    text: str
    bold: bool = False


def label_points(axes: Axes, labels: Sequence[PointLabel], lines: Sequence[Array]) -> None:
    """Writes each label where it hides least, the first ones with the first choice.

    lines   each (m, 2), drawn lines in data units, to be kept clear where possible
    """
    figure = axes.figure.figure
    settle(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    point = figure.dpi / 72
    frame = axes.get_window_extent()
    taken = [_around(axes, label.x, label.y, 4 * point) for label in labels]
    drawn = _on_paper(axes, lines)
    for label in labels:
        if not label.text:
            continue
        text = _text(axes, label)
        size = np.array(text.get_window_extent(renderer).padded(1.5 * point).size)
        anchor = _on_paper_at(axes, label.x, label.y)
        boxes = [_box(anchor, size, place, point) for place in _PLACES]
        costs = [
            _hidden(box, taken, drawn, frame) + _distance(place) / 200
            for box, place in zip(boxes, _PLACES, strict=True)
        ]
        best = int(np.argmin(costs))
        _move(text, _PLACES[best])
        taken.append(boxes[best])
        if _distance(_PLACES[best]) > LEADER_FROM:
            _leader(axes, label, _PLACES[best])


# Offsets in typographic points with the text's alignment, the nearest first.
_PLACES = [
    (dx * reach, dy * reach, "left" if dx > 0 else "right" if dx < 0 else "center")
    for reach, (dx, dy) in product(
        (8.0, 17.0, 27.0, 39.0),
        (
            (1, 0),
            (-1, 0),
            (0.75, 0.9),
            (0.75, -0.9),
            (-0.75, 0.9),
            (-0.75, -0.9),
            (0, 1.3),
            (0, -1.3),
        ),
    )
]
_Place = tuple[float, float, str]


def _box(anchor: Array, size: Array, place: _Place, point: float) -> Bbox:
    """Where a text of that size would stand, in pixels."""
    dx, dy, side = place
    left = {"left": 0.0, "center": 0.5, "right": 1.0}[side]
    corner = anchor + np.array([dx, dy]) * point - size * np.array([left, 0.5])
    return Bbox([corner, corner + size])


def _distance(place: _Place) -> float:
    return float(np.hypot(place[0], place[1]))


def _text(axes: Axes, label: PointLabel) -> Text:
    return axes.annotate(
        label.text,
        (label.x, label.y),
        xytext=(0, 0),
        textcoords="offset points",
        size=9 if label.bold else 8.5,
        weight="bold" if label.bold else "normal",
        va="center",
        zorder=6,
        bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
    )


def _move(text: Text, place: _Place) -> None:
    text.set_position(place[:2])
    text.set_horizontalalignment(place[2])  # type: ignore[arg-type]


def _leader(axes: Axes, label: PointLabel, place: _Place) -> None:
    axes.annotate(
        "",
        (label.x, label.y),
        xytext=(place[0] * 0.9, place[1] * 0.9),
        textcoords="offset points",
        arrowprops={
            "arrowstyle": "-",
            "color": MUTED,
            "linewidth": 0.6,
            "shrinkB": 4,
            "shrinkA": 0,
        },
        zorder=4,
    )


def _around(axes: Axes, x: float, y: float, radius: float) -> Bbox:
    centre = _on_paper_at(axes, x, y)
    return Bbox([centre - radius, centre + radius])


def _on_paper_at(axes: Axes, x: float, y: float) -> Array:
    """(2,) pixels."""
    place: Array = axes.transData.transform(np.array([[x, y]]))[0]
    return place


def _on_paper(axes: Axes, lines: Sequence[Array]) -> Array:
    """Points along the lines, close together, in pixels: (p, 2)."""
    points = [np.empty((0, 2))]
    for line in lines:
        corners = axes.transData.transform(line)
        for start, end in pairwise(corners):
            steps = max(2, int(np.hypot(*(end - start)) / 4))
            points.append(start + np.linspace(0, 1, steps)[:, None] * (end - start))
    return np.concatenate(points)


def _hidden(box: Bbox, taken: Sequence[Bbox], drawn: Array, frame: Bbox) -> float:
    """How much is hidden by a label there: shares of its own area, and hits of lines."""
    area = box.width * box.height
    overlap = sum(_shared(box, other) for other in taken) / area
    outside = 1 - _shared(box, frame) / area
    inside = (drawn > box.min).all(axis=1) & (drawn < box.max).all(axis=1)
    return 10 * overlap + 40 * outside + 0.02 * float(inside.sum())


def _shared(one: Bbox, other: Bbox) -> float:
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return float(max(0.0, width) * max(0.0, height))
