"""The options of `simulate`, with what --help says of them."""

from pathlib import Path
from typing import Annotated

import typer

_POLICY = (
    "`default` (what a new policy gets), a preset or an algorithm with settings, such as "
    "linucb:width=0.2,floor=0,half_life=500, or a policy's YAML file. Repeatable."
)

DataFolder = Annotated[
    Path | None,
    typer.Argument(
        metavar="DATA_DIR", help="Folder of a data set; without one, the bundled sample."
    ),
]
Policies = Annotated[list[str] | None, typer.Option(help=_POLICY)]
ArmsFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="YAML with a list under `arms:`: prices or embeddings that the table lacks.",
    ),
]
Seeds = Annotated[int, typer.Option(help="Runs of each policy, each in its own order.")]
Order = Annotated[str, typer.Option(help="shuffled, or file: as the rows stand.")]
Warmup = Annotated[
    float,
    typer.Option(metavar="FRACTION", help="Served and learned from, but not counted."),
]
FeedbackFraction = Annotated[
    float, typer.Option(metavar="FRACTION", help="Share of queries whose score comes back.")
]
FeedbackDelay = Annotated[
    int, typer.Option(metavar="N", help="Queries decided before feedback comes back.")
]
Jobs = Annotated[int | None, typer.Option(help="Processes; without it, one a core.")]
Dials = Annotated[
    int, typer.Option(help="Settings of quality_per_usd to sweep, beside 0; 0: no sweep.")
]
BudgetUsd = Annotated[
    list[float] | None,
    typer.Option(metavar="USD", help="Keep to this much money a query. Repeatable: a sweep."),
]
BudgetJoules = Annotated[
    list[float] | None,
    typer.Option(metavar="J", help="Keep to this much energy a query. Repeatable: a sweep."),
]
Controller = Annotated[
    str | None,
    typer.Option(
        help="What keeps the budgets: resolving, pacing, pacing_multiplicative, "
        "knapsack_threshold or virtual_queue. [default: resolving]"
    ),
]
Dial = Annotated[
    list[float] | None,
    typer.Option(
        metavar="0-10",
        help="From accuracy (0) to energy (10): every policy once more at it. Repeatable.",
    ),
]
CompareWith = Annotated[
    str | None,
    typer.Option(metavar="ARM", help="Count wins against it; without it, the best single arm."),
]
JsonFile = Annotated[
    str | None, typer.Option(metavar="FILE", help="Write all numbers; - prints them instead.")
]
HtmlFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write a report with pictures.")
]
Pictures = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Write the pictures as PNG files.")
]
