"""Where the queries went, against where they should have gone."""

from collections.abc import Iterator

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from bandit_service.evaluation.pictures.naming import file_names, one_line, short_names
from bandit_service.evaluation.pictures.styling import LINE_COLOURS, Drawing, new_axes
from bandit_service.evaluation.results import PolicyResult, Result

MOST_ARMS = 16  # of more, the cells are too small to read
LEAST_WRITTEN = 0.005
# Of one hue, from nearly white: read by its lightness alone. These are not the four roles of
# `styling`, because cells and the numbers in them stay as they are in the dark.
SHADES = LinearSegmentedColormap.from_list("shades", ["#f7fafc", "#9cc8e3", "#0072b2", "#003a5c"])
ON_PALE, ON_DEEP = "#101010", "#fcfcfc"
FRAME = LINE_COLOURS[1]


def confusion(result: Result) -> Iterator[Drawing]:
    """A heat map a policy, while there are few enough arms."""
    names = file_names(policy.policy for policy in result.policies)
    for policy in result.policies:
        if policy.confusion and len(result.arms) <= MOST_ARMS:
            yield _heat_map(result, policy, f"confusion-{names[policy.policy]}")


def _heat_map(result: Result, policy: PolicyResult, name: str) -> Drawing:
    count = len(result.arms)
    side = min(max(0.5 * count, 3.0), 6.0)
    title = f"Optimal arm against chosen arm\n{one_line(policy.policy)}"
    figure, axes = new_axes(title, (side + 2.6, side + 2.1))
    cells = np.array(policy.confusion)
    top = max(cells.max(), 1e-9)
    axes.pcolormesh(cells, cmap=SHADES, vmin=0, vmax=top, edgecolors="white", linewidth=1)
    for row, column in np.argwhere(cells >= LEAST_WRITTEN):
        share = cells[row, column]
        colour = ON_DEEP if share > 0.45 * top else ON_PALE
        axes.text(
            column + 0.5, row + 0.5, f"{100 * share:.0f}", color=colour, ha="center", va="center"
        )
    for place in range(count):
        corner = (place + 0.03, place + 0.03)
        axes.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, edgecolor=FRAME, linewidth=1.3))
    short = short_names(result.arms)
    arms = [short[arm] for arm in result.arms]
    axes.set_xticks(np.arange(count) + 0.5, arms, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(np.arange(count) + 0.5, arms)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.set_xlabel("chosen arm")
    axes.set_ylabel("optimal arm")
    return Drawing(
        name,
        f"Per cent of all queries, {policy.policy}: the row is the optimal arm (best quality, then "
        "cheapest), the column the chosen one. Framed cells were routed to the optimal arm.",
        f"Confusion of {policy.policy}: {100 * np.trace(cells):.0f} % of the queries went to the "
        "optimal arm. The table of arms holds the shares.",
        figure,
    )
