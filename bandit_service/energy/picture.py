"""Joules by arm and source, as a PNG. Needs matplotlib, from the extra `evaluation`."""

import io
import warnings
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.ticker import EngFormatter

from bandit_service.energy.summary import UNMEASURED, Line, Summary
from bandit_service.evaluation.pictures.naming import short_names
from bandit_service.evaluation.pictures.styling import (
    DOTS_PER_INCH,
    INK,
    LINE_COLOURS,
    MUTED,
    house_style,
    new_axes,
)
from bandit_service.model import EnergySource

# The better the source, the fuller the bar: an estimate should not look like a measurement.
HATCHES = {EnergySource.MEASURED: "", EnergySource.SAMPLED: "//", EnergySource.ESTIMATED: ".."}
COLOUR = LINE_COLOURS[0]


def joules_by_arm(summary: Summary) -> bytes:
    """A bar an arm, stacked by source, the unmeasured calls in words: a PNG file."""
    with house_style(), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; there is nothing to be done.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        bars = list(dict.fromkeys((line.policy, line.arm) for line in summary.lines))
        figure, axes = new_axes("Energy by arm and source", (7.4, 1.6 + 0.42 * len(bars)))
        ends = _bars(axes, bars, summary.lines)
        _remarks(axes, bars, ends, summary.lines)
        _scales(axes, bars)
        file = io.BytesIO()
        FigureCanvasAgg(figure).print_figure(
            file, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None}
        )
        return file.getvalue()


Bar = tuple[str, str]


def _bars(axes: Axes, bars: Sequence[Bar], lines: Sequence[Line]) -> list[float]:
    """Where each bar ends, in joules."""
    ends = [0.0] * len(bars)
    for source in EnergySource:
        found = {
            (line.policy, line.arm): line.energy_joules for line in lines if line.source == source
        }
        widths = [found.get(bar) or 0.0 for bar in bars]
        shown = [place for place, width in enumerate(widths) if width]
        if not shown:
            continue
        axes.barh(
            shown,
            [widths[place] for place in shown],
            left=[ends[place] for place in shown],
            height=0.62,
            label=source.value,
            color=COLOUR if source is EnergySource.MEASURED else "white",
            edgecolor=COLOUR,
            hatch=HATCHES[source],
        )
        ends = [end + width for end, width in zip(ends, widths, strict=True)]
    if any(ends):
        axes.legend(frameon=False, loc="lower right", ncols=3, bbox_to_anchor=(1.0, 1.0))
    return ends


def _remarks(axes: Axes, bars: Sequence[Bar], ends: Sequence[float], lines: Sequence[Line]) -> None:
    for place, (bar, end) in enumerate(zip(bars, ends, strict=True)):
        mine = [line for line in lines if (line.policy, line.arm) == bar]
        unknown = sum(line.calls for line in mine if line.source == UNMEASURED)
        calls = sum(line.calls for line in mine)
        text = f"{calls:,} calls"
        if unknown:
            text += ", none measured" if unknown == calls else f", {unknown:,} unmeasured"
        axes.annotate(
            text,
            (end, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            size=8.5,
            color=INK if end else MUTED,
        )


def _scales(axes: Axes, bars: Sequence[Bar]) -> None:
    several = len({policy for policy, _ in bars}) > 1
    short = short_names(arm for _, arm in bars)
    names = [f"{policy} · {short[arm]}" if several else short[arm] for policy, arm in bars]
    axes.set_yticks(range(len(bars)), names)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, max(axes.get_xlim()[1], 1.0) * 1.3)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("energy, as reported")
    axes.xaxis.set_major_formatter(EngFormatter(unit="J"))
