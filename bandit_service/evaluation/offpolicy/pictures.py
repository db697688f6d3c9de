"""The pictures of a replay's report."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, PercentFormatter

from bandit_service.evaluation.offpolicy.fronts import AS_LOGGED, RESOURCES, front
from bandit_service.evaluation.offpolicy.results import Candidate, Comparison
from bandit_service.evaluation.pictures.labels import EndLabel, label_ends
from bandit_service.evaluation.pictures.naming import file_names, one_line, short_names
from bandit_service.evaluation.pictures.rendering import Rendered, drawn
from bandit_service.evaluation.pictures.styling import (
    INK,
    LINE_COLOURS,
    MUTED,
    Drawing,
    house_style,
    line_style,
    new_axes,
    over_queries,
)

_ROW = 0.28  # inches


def rendered(result: Comparison) -> list[Rendered]:
    """All that there is data for, as SVG, in the order of the report."""
    with house_style():
        return drawn(_drawings(result), "svg")


def _drawings(result: Comparison) -> Iterator[Drawing]:
    names = file_names(each.label for each in result.candidates)
    for measure in RESOURCES:
        yield from front(result, measure)
    yield from _overlap(result)
    for at, each in enumerate(result.candidates):
        yield from _weights(each, names[each.label], at)
        yield from _estimators(result, each, names[each.label], at)
        yield from _path(each, names[each.label], at)
    yield from _calibration(result)


def _overlap(result: Comparison) -> Iterator[Drawing]:
    """How often each arm was drawn, and how often each candidate would choose it."""
    height = 1.2 + _ROW * len(result.arms) * (1 + len(result.candidates)) * 0.7
    figure, axes = new_axes("Overlap by arm", (7.4, min(12.0, max(3.0, height))))
    short = short_names(result.arms)
    bars = [(AS_LOGGED, INK, [arm.logged for arm in result.candidates[0].arms])]
    for at, each in enumerate(result.candidates):
        shares = [arm.candidate for arm in each.arms]
        bars.append((each.label, str(line_style(at)["color"]), shares))
    thick = 0.8 / len(bars)
    for at, (label, colour, shares) in enumerate(bars):
        places = np.arange(len(shares)) + (at - (len(bars) - 1) / 2) * thick
        axes.barh(places, shares, height=thick * 0.9, color=colour, label=one_line(label))
    axes.set_yticks(np.arange(len(result.arms)), [short[arm] for arm in result.arms])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of decisions")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.grid(visible=False, axis="y")
    axes.legend(frameon=False, fontsize=8.5)
    listed = "; ".join(
        f"{label}: " + ", ".join(f"{share:.1%}" for share in shares) for label, _, shares in bars
    )
    yield Drawing(
        "overlap",
        "A policy can be judged where it chooses what was drawn. A long coloured bar beside a "
        "short dark one is a choice that few decisions speak for.",
        f"Shares of the arms {', '.join(result.arms)}. {listed}.",
        figure,
    )


def _weights(each: Candidate, name: str, at: int) -> Iterator[Drawing]:
    weights = each.weights
    if weights is None or not weights.counts:
        return
    figure, axes = new_axes(f"Weights · {one_line(each.label)}", (7.4, 3.0))
    places = np.arange(len(weights.counts))
    axes.bar(places + 0.5, weights.counts, width=0.92, color=str(line_style(at)["color"]))
    axes.set_xticks(np.arange(len(weights.edges)), [f"{edge:g}" for edge in weights.edges])
    axes.set_xlabel("weight of a decision, by factors of two")
    axes.set_ylabel("decisions")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    axes.grid(visible=False, axis="x")
    yield Drawing(
        f"weights-{name}",
        f"{weights.zeros:,} further decisions have weight 0: {each.label} would never have made "
        "them. The further to the right, the more a single decision speaks for.",
        f"Histogram of weights of {each.label}: "
        + ", ".join(
            f"{count:,} from {low:g}"
            for low, count in zip(weights.edges[:-1], weights.counts, strict=True)
        )
        + f"; {weights.zeros:,} of 0; the largest {each.support.largest_weight:.3g}.",
        figure,
    )


def _estimators(result: Comparison, each: Candidate, name: str, at: int) -> Iterator[Drawing]:
    shown = [one for one in each.estimates if one.measure == "quality"]
    own = next((one for one in result.incumbent if one.measure == "quality"), None)
    if not shown or own is None:
        return
    size = (7.4, 1.4 + _ROW * len(shown))
    figure, axes = new_axes(f"Estimators of quality · {one_line(each.label)}", size)
    axes.axvline(own.value, color=INK, linewidth=1.0, linestyle=(0, (4, 3)))
    colour = str(line_style(at)["color"])
    for row, one in enumerate(shown):
        for interval in one.intervals:
            thin = interval.method != "bootstrap"
            axes.plot(
                [interval.low, interval.high],
                [row, row],
                color=MUTED if thin else colour,
                linewidth=1.0 if thin else 3.0,
                zorder=2 if thin else 3,
            )
        axes.plot([one.value], [row], "o", color=colour, markersize=6, zorder=4)
    axes.set_yticks(np.arange(len(shown)), [one.estimator for one in shown])
    axes.invert_yaxis()
    axes.set_xlabel("quality; the dashed line is what was logged")
    yield Drawing(
        f"estimators-{name}",
        f"Thick bars are {result.level:.0%} bootstrap intervals, thin ones bounds that hold for "
        "any distribution, at any time, or for a log of a policy that learned. Where estimators "
        "are far apart, look at the weights and at the calibration below.",
        f"Estimates of the quality of {each.label}: "
        + ", ".join(f"{one.estimator} {one.value:.3f}" for one in shown)
        + f". As logged: {own.value:.3f}.",
        figure,
    )


def _path(each: Candidate, name: str, at: int) -> Iterator[Drawing]:
    path = each.path
    if path is None:
        return
    figure, axes = new_axes(f"Estimate so far · {one_line(each.label)}", (7.4, 3.4))
    colour = str(line_style(at)["color"])
    axes.fill_between(path.rows, path.low, path.high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(path.rows, path.value, color=colour, linewidth=1.8)
    axes.plot(path.rows, path.incumbent, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
    over_queries(axes, path.rows[-1])
    axes.set_xlabel("decisions judged")
    axes.set_ylabel("quality")
    _zoom(axes, [*path.value[2:], *path.incumbent[2:], path.low[-1], path.high[-1]])
    label_ends(
        axes,
        [
            EndLabel(path.value[-1], "dr", colour),
            EndLabel(path.incumbent[-1], AS_LOGGED, INK, muted=True),
        ],
    )
    yield Drawing(
        f"path-{name}",
        "The doubly robust estimate as decisions come, beside what was logged. The band holds the "
        "truth at all times at once, so it may be looked at as often as one likes.",
        f"At the end {each.label} is at {path.value[-1]:.3f}, between {path.low[-1]:.3f} and "
        f"{path.high[-1]:.3f}; as logged {path.incumbent[-1]:.3f}.",
        figure,
    )


def _zoom(axes: Axes, seen: Sequence[float]) -> None:
    margin = 0.08 * (max(seen) - min(seen)) or 0.01
    axes.set_ylim(min(seen) - margin, max(seen) + margin)


def _calibration(result: Comparison) -> Iterator[Drawing]:
    if not result.calibration:
        return
    figure, axes = new_axes("Calibration of the direct method", (5.6, 4.2))
    expected = [each.expected for each in result.calibration]
    observed = [each.observed for each in result.calibration]
    ends = [min(*expected, *observed), max(*expected, *observed)]
    axes.plot(ends, ends, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.errorbar(
        expected,
        observed,
        yerr=[1.96 * each.error for each in result.calibration],
        fmt="o",
        color=LINE_COLOURS[0],
        linewidth=1.2,
    )
    axes.set_xlabel("quality that the model expected")
    axes.set_ylabel("quality that came")
    yield Drawing(
        "calibration",
        "Tenths of the decisions by what the model expected of them before it saw them. On the "
        "dashed line it is right on average; off it, the direct method is biased and doubly robust "
        "estimates have more to put right.",
        "Expected and observed quality: "
        + ", ".join(f"{e:.3f} and {o:.3f}" for e, o in zip(expected, observed, strict=True))
        + ".",
        figure,
    )
