"""Live budgets: pace over the window, and the shadow price meanwhile."""

import warnings
from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from bandit_service.evaluation.pictures.naming import one_line
from bandit_service.evaluation.pictures.rendering import Rendered, drawn
from bandit_service.evaluation.pictures.styling import LINE_COLOURS, MUTED, Drawing, house_style
from bandit_service.ledger.summary import BudgetStanding

UNITS = {"usd": "USD", "joules": "J"}
ROW = 2.5  # inches


def rendered_budgets(standings: Sequence[BudgetStanding], kind: Literal["png", "svg"]) -> Rendered:
    """One picture of all of them, a row each: at least one."""
    with house_style(), warnings.catch_warnings():
        figure = Figure(figsize=(7.4, 0.4 + ROW * len(standings)), layout="constrained")
        axes = figure.subplots(len(standings), 2, squeeze=False)
        for (pace, price), standing in zip(axes, standings, strict=True):
            _pace(pace, standing)
            _price(price, standing)
        said = (
            f"{each.budget}: {each.spent:.4g} of {each.amount:.4g} {UNITS[each.resource]} spent, "
            f"{each.elapsed:.0%} of the window over"
            for each in standings
        )
        drawing = Drawing(
            "budgets",
            "Left: what was spent as the window went on; dashed: an even pace. Right: what a unit "
            "was worth to the controller, in points of quality.",
            "; ".join(said) + ".",
            figure,
        )
        (made,) = drawn(iter([drawing]), kind)
        return made


def _pace(axes: Axes, standing: BudgetStanding) -> None:
    unit = UNITS[standing.resource]
    axes.set_title(one_line(f"{standing.policy} · {standing.budget}"))
    axes.plot([0, 1], [0, standing.amount], color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.axhline(standing.amount, color=MUTED, linewidth=0.9)
    points = standing.history
    axes.step(
        [0.0, *(point.elapsed for point in points)],
        [0.0, *(point.spent for point in points)],
        where="post",
        color=LINE_COLOURS[0],
    )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, None)
    axes.set_xlabel("of the window")
    axes.set_ylabel(f"spent ({unit})")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _price(axes: Axes, standing: BudgetStanding) -> None:
    known = [(p.elapsed, p.shadow_price) for p in standing.history if p.shadow_price is not None]
    axes.plot([x for x, _ in known], [y for _, y in known], color=LINE_COLOURS[1])
    axes.set_xlim(0, 1)
    axes.set_ylim(0, None)
    axes.set_xlabel("of the window")
    axes.set_ylabel(f"quality a {UNITS[standing.resource]}")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
