"""Policies under budgets: what quality each buys, how evenly it is spent, and at what price."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from bandit_service.evaluation.pictures.labels import EndLabel, label_ends
from bandit_service.evaluation.pictures.naming import file_names, one_line, short_names
from bandit_service.evaluation.pictures.styling import (
    INK,
    MUTED,
    NORMAL_DEVIATES_95,
    Drawing,
    line_style,
    new_axes,
    over_queries,
)
from bandit_service.evaluation.results import BudgetResult, PolicyResult, Result

UNITS = {"cost_usd": "USD", "energy_joules": "J"}
NAMES = {"cost_usd": "money", "energy_joules": "energy"}
REFERENCES = {"hull": ("static hull", "-"), "offline_router": ("offline router", (0, (4, 3)))}
LOG_FROM = 20  # times the least
FIRST_SHOWN = 0.02  # of the stream: the pace of a handful of queries is nothing but luck


def fronts(result: Result) -> Iterator[Drawing]:
    """Quality for what was spent, a point a budget, beside what hindsight makes of the budgets."""
    for resource in UNITS:
        budgets = sorted({r.budget for r in result.budget_references if r.resource == resource})
        if budgets:
            yield _front(result, resource)


def _front(result: Result, resource: str) -> Drawing:
    name, unit = NAMES[resource], UNITS[resource]
    figure, axes = new_axes(f"Quality for the {name} spent · {one_line(result.data)}")
    said: list[str] = []
    spent: list[float] = []
    for kind, (label, dashes) in REFERENCES.items():
        points = sorted(
            (r.budget, r.quality)
            for r in result.budget_references
            if r.kind == kind and r.resource == resource
        )
        if points:
            at = np.array(points)
            axes.plot(
                at[:, 0],
                at[:, 1],
                color=INK,
                linewidth=1.2,
                linestyle=dashes,
                label=label,
                zorder=2,
            )
            spent += at[:, 0].tolist()
    names = short_names(policy.policy for policy in result.policies)
    for index, policy in enumerate(result.policies):
        kept = [each for each in policy.budgets if each.resource == resource]
        if not kept:
            continue
        x = [each.utilisation.mean * each.budget for each in kept]
        y = [each.quality.mean for each in kept]
        error = [NORMAL_DEVIATES_95 * (each.quality.standard_error or 0.0) for each in kept]
        axes.errorbar(
            x, y, yerr=error, marker="o", markersize=5, label=names[policy.policy],
            linewidth=1.3, elinewidth=1.3, zorder=4, **line_style(index),  # type: ignore[arg-type]
        )  # fmt: skip
        spent += x
        said += [f"{names[policy.policy]}: {q:.3f} at {c:.3g}" for c, q in zip(x, y, strict=True)]
    if max(spent) > LOG_FROM * min(spent):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axes.set_xlabel(f"spent ({unit} a query)")
    axes.set_ylabel("mean quality")
    axes.legend(frameon=False, loc="lower right")
    return Drawing(
        f"budget-front-{name}",
        "Quality of whole streams against what was spent, a point a budget, with 95 % intervals. "
        "Plain line: the static hull at the budgets; dashed: a router taught offline with every "
        "arm's outcomes.",
        f"Quality for {name} spent, {unit} a query. " + "; ".join(said) + ".",
        figure,
    )


def paces(result: Result) -> Iterator[Drawing]:
    """How much of an even pace had been spent as one stream went on, a line a budget."""
    for policy, resource, name in _swept(result):
        kept = _of(policy, resource)
        figure, axes = new_axes(f"Spent against budget, one stream · {one_line(policy.policy)}")
        axes.axhline(1.0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        labels = _lines(axes, kept, [each.pace.spent for each in kept])
        axes.set_ylabel("spent, of an even pace")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        over_queries(axes, kept[0].pace.queries[-1])
        label_ends(axes, labels)
        yield Drawing(
            f"budget-pace-{NAMES[resource]}-{name}",
            "What one stream had spent, as a share of what an even pace would have spent by then. "
            "Dashed: the budget.",
            "At the end of the stream: "
            + ", ".join(f"{_budget(e)} {e.pace.spent[-1]:.1%}" for e in kept)
            + ".",
            figure,
        )


def prices(result: Result) -> Iterator[Drawing]:
    """The shadow price as one stream went on, a line a budget."""
    for policy, resource, name in _swept(result):
        kept = [each for each in _of(policy, resource) if max(each.pace.price) > 0.0]
        if not kept:
            continue
        figure, axes = new_axes(f"Shadow price, one stream · {one_line(policy.policy)}")
        # The price of a budget: what a query's whole budget would be worth. Else a budget a
        # thousand times smaller, with a price a thousand times higher, hides all others.
        worth = [tuple(price * each.budget for price in each.pace.price) for each in kept]
        labels = _lines(axes, kept, worth)
        axes.set_yscale("log")
        axes.set_ylabel("price of a query's budget (points of quality)")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
        over_queries(axes, kept[0].pace.queries[-1])
        label_ends(axes, labels)
        yield Drawing(
            f"budget-price-{NAMES[resource]}-{name}",
            "The shadow price times the budget: what spending one query's budget has to bring.",
            "At the end of the stream, a unit is worth: "
            + ", ".join(f"{_budget(each)} {each.pace.price[-1]:.3g}" for each in kept)
            + ".",
            figure,
        )


def _swept(result: Result) -> Iterator[tuple[PolicyResult, str, str]]:
    """Policies with budgets of a resource, and their names as parts of a file's."""
    files = file_names(policy.policy for policy in result.policies)
    for policy in result.policies:
        for resource in UNITS:
            if _of(policy, resource):
                yield policy, resource, files[policy.policy]


def _of(policy: PolicyResult, resource: str) -> list[BudgetResult]:
    return [each for each in policy.budgets if each.resource == resource]


def _budget(each: BudgetResult) -> str:
    both = {each.resource: each.budget, **each.other_budgets}
    return ", ".join(f"{value:.3g} {UNITS[name]}" for name, value in both.items())


def _lines(
    axes: Axes, kept: Sequence[BudgetResult], values: Sequence[Sequence[float]]
) -> list[EndLabel]:
    labels = []
    for index, (each, line) in enumerate(zip(kept, values, strict=True)):
        style = line_style(index)
        first = int(np.searchsorted(each.pace.queries, FIRST_SHOWN * each.pace.queries[-1]))
        shown = np.array(line[first:], dtype=np.float64)
        shown[shown <= 0.0] = np.nan  # no price: nothing to be drawn on a logarithmic axis
        axes.plot(each.pace.queries[first:], shown, linewidth=1.4, **style)  # type: ignore[arg-type]
        seen = shown[np.isfinite(shown)]
        if len(seen):
            text = _budget(each)
            text += "" if np.isfinite(shown[-1]) else " (then none)"
            labels.append(EndLabel(float(seen[-1]), text, str(style["color"])))
    return labels
