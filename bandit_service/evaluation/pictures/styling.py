"""How every picture looks: colours, type, axes. Nothing outside `house_style` is changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

# Four roles, each with a value of its own, so that the report can swap them in the dark.
INK = "#222222"
MUTED = "#6b6b6b"
GRID = "#dedede"
PAPER = "#ffffff"

# Okabe and Ito (2008), "Color Universal Design": told apart with any common colour blindness.
# Its black is our ink. Its yellow is too pale for a line, and only fills areas.
LINE_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
AREA_COLOURS = (*LINE_COLOURS, "#f0e442")
OTHERS = "#b8b8b8"
DASHES = ("solid", (0, (5, 1.5)), (0, (1, 1)))  # once the colours are used up

WIDE = (7.4, 4.3)  # inches: the width of a page between its margins
DOTS_PER_INCH = 200
NORMAL_DEVIATES_95 = 1.96  # bands are 95 % intervals

_SETTINGS: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "font.size": 9.5,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "lines.solid_capstyle": "round",
    "svg.fonttype": "path",  # the same shapes whatever fonts the reader has
    "svg.hashsalt": "bandit-service",  # else ids are random
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 9,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Settings for drawing and saving, whatever the reader's own matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture, not yet a file. `caption` is read below it, `description` instead of it."""

    name: str
    caption: str
    description: str
    figure: Figure


def line_style(index: int) -> dict[str, object]:
    """Colour and dashes of the policy at this place in the result, the same in every picture."""
    dashes = DASHES[index // len(LINE_COLOURS) % len(DASHES)]
    return {"color": LINE_COLOURS[index % len(LINE_COLOURS)], "linestyle": dashes}


def new_axes(title: str, size: tuple[float, float] = WIDE) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    return figure, axes


def over_queries(axes: Axes, queries: int) -> None:
    """The x axis of everything that goes along the stream."""
    axes.set_xlim(0, queries)
    axes.set_xlabel("queries served")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))


def settle(figure: Figure) -> None:
    """Lays the figure out and keeps it so: from here on, positions on the paper are final."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    figure.set_layout_engine("none")
