"""What happened along the stream: quality, regret, shares of the arms."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from bandit_service.evaluation.pictures.labels import EndLabel, label_ends
from bandit_service.evaluation.pictures.naming import file_names, one_line, short_names
from bandit_service.evaluation.pictures.styling import (
    AREA_COLOURS,
    INK,
    MUTED,
    NORMAL_DEVIATES_95,
    OTHERS,
    PAPER,
    Drawing,
    line_style,
    new_axes,
    over_queries,
)
from bandit_service.evaluation.results import Curve, PolicyResult, Result

LEVELS = {
    "oracle": "oracle",
    "offline_router": "offline router",
    "best_single": "best single",
    "random": "random",
}
SETTLING = 0.05  # of the stream: means over so few queries jump, and do not set the scale


def learning(result: Result) -> Iterator[Drawing]:
    """Mean quality so far, a line a policy, between the levels of the references."""
    shown = [policy for policy in result.policies if policy.curve.queries]
    if not shown:
        return
    figure, axes = new_axes(f"Mean quality so far · {one_line(result.data)}")
    labels = _lines(axes, result, lambda curve: (curve.quality, curve.quality_error))
    levels = [(LEVELS[r.kind], r.quality) for r in result.references if r.kind in LEVELS]
    for name, quality in levels:
        axes.axhline(quality, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        labels.append(EndLabel(quality, name, MUTED, muted=True))
    axes.set_ylim(*_scale(shown, [quality for _, quality in levels]))
    axes.set_ylabel("mean quality so far")
    _mark_warmup(axes, result)
    label_ends(axes, labels)
    yield Drawing(
        "learning",
        "Mean quality over all queries served so far, averaged over seeds. Bands are 95 % "
        "intervals (±1.96 standard errors); dashed lines are references on the whole set.",
        "Learning curves. At the end of the stream: "
        + _listed((p.policy, f"{p.curve.quality[-1]:.3f}") for p in shown)
        + (f". References: {_listed((n, f'{q:.3f}') for n, q in levels)}." if levels else "."),
        figure,
    )


def regret(result: Result) -> Iterator[Drawing]:
    """Regret so far, a line a policy."""
    shown = [policy for policy in result.policies if policy.curve.queries]
    if not shown:
        return
    figure, axes = new_axes(f"Regret so far · {one_line(result.data)}")
    labels = _lines(axes, result, lambda curve: (curve.regret, curve.regret_error))
    axes.set_ylim(bottom=0)
    axes.set_ylabel("regret so far (points of quality)")
    _mark_warmup(axes, result)
    label_ends(axes, labels)
    yield Drawing(
        "regret",
        "Quality lost so far against the best arm of each query, summed. Bands are 95 % "
        "intervals (±1.96 standard errors). The flatter, the better.",
        "Regret curves. At the end of the stream: "
        + _listed((p.policy, f"{p.curve.regret[-1]:,.0f}") for p in shown)
        + ".",
        figure,
    )


def shares(result: Result) -> Iterator[Drawing]:
    """How the queries were divided among the arms, a picture a policy."""
    names = file_names(policy.policy for policy in result.policies)
    short = short_names(result.arms)
    kept, layers_of = _layers(result)
    for policy in result.policies:
        if not policy.curve.queries or not policy.curve.shares:
            continue
        layers = layers_of(policy.curve)
        labels = [short[result.arms[arm]] for arm in kept]
        if len(layers) > len(kept):
            labels.append(f"{len(result.arms) - len(kept)} others")
        yield _share_picture(result, policy, f"shares-{names[policy.policy]}", layers, labels)


def _share_picture(
    result: Result,
    policy: PolicyResult,
    name: str,
    layers: Sequence[Sequence[float]],
    labels: Sequence[str],
) -> Drawing:
    """layers   (layers, m), the first at the bottom"""
    figure, axes = new_axes(f"Arm shares · {one_line(policy.policy)}")
    colours = [*AREA_COLOURS[: len(layers)], OTHERS][: len(layers)]
    if labels and labels[-1].endswith(" others"):
        colours[-1] = OTHERS
    # A share holds for the queries since the point before, so it is a step that ends at its point.
    stacked = np.column_stack([np.array(layers)[:, :1], np.array(layers)])
    queries = [0, *policy.curve.queries]
    axes.stackplot(
        queries, stacked, colors=colours, step="pre", linewidth=0.7, edgecolor=PAPER, alpha=0.9
    )
    over_queries(axes, policy.curve.queries[-1])
    axes.set_ylim(0, 1)
    axes.set_ylabel("share of queries")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.grid(visible=False)
    _mark_warmup(axes, result)
    last = stacked[:, -1]
    middles = np.cumsum(last) - last / 2
    texts = [f"{text}  {100 * share:.0f} %" for text, share in zip(labels, last, strict=True)]
    label_ends(axes, [EndLabel(y, t, c) for y, t, c in zip(middles, texts, colours, strict=True)])
    return Drawing(
        name,
        f"Which arms {policy.policy} chose, since the point before, averaged over seeds. "
        "The numbers are the last shares.",
        f"Arm shares over time for {policy.policy}. At the end of the stream: {', '.join(texts)}.",
        figure,
    )


def _layers(
    result: Result,
) -> tuple[list[int], Callable[[Curve], list[tuple[float, ...]]]]:
    """The arms shown one by one, the same for all policies, and how to divide a curve by them."""
    total = [
        sum(policy.arm_shares[arm].mean for policy in result.policies if arm in policy.arm_shares)
        for arm in result.arms
    ]
    by_share = sorted(range(len(result.arms)), key=lambda arm: -total[arm])
    kept = by_share[: len(AREA_COLOURS)]
    rest = by_share[len(AREA_COLOURS) :]

    def layers_of(curve: Curve) -> list[tuple[float, ...]]:
        layers = [tuple(row[arm] for row in curve.shares) for arm in kept]
        if rest:
            layers.append(tuple(sum(row[arm] for arm in rest) for row in curve.shares))
        return layers

    return kept, layers_of


def _lines(
    axes: Axes,
    result: Result,
    values: Callable[[Curve], tuple[Sequence[float], Sequence[float]]],
) -> list[EndLabel]:
    """A line with its band for each policy; returns their labels."""
    names = short_names(policy.policy for policy in result.policies)
    labels = []
    last = 1
    for index, policy in enumerate(result.policies):
        queries = np.array(policy.curve.queries)
        if not queries.size:
            continue
        style = line_style(index)
        means, errors = (np.array(part) for part in values(policy.curve))
        band = NORMAL_DEVIATES_95 * errors
        axes.plot(queries, means, linewidth=1.8, zorder=3, **style)  # type: ignore[arg-type]
        if band.any():
            axes.fill_between(
                queries,
                means - band,
                means + band,
                color=str(style["color"]),
                alpha=0.18,
                linewidth=0,
                zorder=2,
            )
        labels.append(EndLabel(means[-1], names[policy.policy], str(style["color"])))
        last = max(last, int(queries[-1]))
    over_queries(axes, last)
    return labels


def _scale(policies: Sequence[PolicyResult], levels: Sequence[float]) -> tuple[float, float]:
    """Ends of the y axis: everything but the first few queries is seen."""
    seen = list(levels)
    for policy in policies:
        curve = policy.curve
        for queries, mean, error in zip(
            curve.queries, curve.quality, curve.quality_error, strict=True
        ):
            if queries >= SETTLING * curve.queries[-1]:
                band = NORMAL_DEVIATES_95 * error
                seen += [mean - band, mean + band]
    low, high = min(seen), max(seen)
    margin = 0.05 * (high - low) or 0.01
    return low - margin, high + margin


def _mark_warmup(axes: Axes, result: Result) -> None:
    """Where the counted part begins."""
    if not result.warmup:
        return
    end = result.warmup * axes.get_xlim()[1]
    axes.axvline(end, color=INK, linewidth=1.0, linestyle=(0, (1, 1.5)), zorder=3)
    axes.annotate(
        "counted from here",
        (end, 0),
        xycoords=axes.get_xaxis_transform(),
        xytext=(4, 7),
        textcoords="offset points",
        size=8,
        bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
        zorder=4,
    )


def _listed(pairs: Iterator[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {value}" for name, value in pairs)
