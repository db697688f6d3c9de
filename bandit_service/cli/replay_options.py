"""The options of `replay`, with what --help says of them."""

from pathlib import Path
from typing import Annotated

import typer

GATE_CLOSED = 8

_POLICY = (
    "arm:NAME (always that arm), challenger:NAME (by its logged chances), uniform, `default` (what "
    "a new policy gets), an algorithm with settings, such as linucb:width=0.2,floor=0.05, or a "
    "policy's YAML file. With --database, also `live`, as the policy is now, or with knobs turned: "
    "live,dial=3,floor=0.05; revision:3; and frozen:12, with what it knew at that checkpoint, "
    "judged by later decisions alone. Repeatable."
)

LogFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="LOG",
        help="Logged decisions: .jsonl[.gz] or .parquet as `export` writes them, .dsjson, .vw, "
        "or, with --mapping, any table.",
    ),
]
Candidates = Annotated[list[str] | None, typer.Option("--policy", "--candidate", help=_POLICY)]
Budgets = Annotated[
    list[float] | None,
    typer.Option(
        metavar="USD",
        help="Hold policies to this much money a query, by the price of a dollar at which their "
        "estimated spend meets it. Repeatable.",
    ),
]
GateText = Annotated[
    str,
    typer.Option(
        metavar="CONDITION",
        help='Such as "quality >= incumbent - 0.01 and cost_usd <= 0.8 * incumbent". '
        f"Ends with exit code {GATE_CLOSED} unless every policy surely meets it.",
    ),
]
LeastSize = Annotated[
    float, typer.Option(metavar="N", help="Below this effective size no gate opens.")
]
Training = Annotated[
    float,
    typer.Option(
        metavar="FRACTION",
        help="First part of the log, which teaches policies that learn; judged is the rest.",
    ),
]
Live = Annotated[
    bool,
    typer.Option("--live", help="Also let policies that learn live through the log, by rejection."),
]
Robust = Annotated[
    bool, typer.Option("--robust", help="Also estimate by MRDR, with a model a policy.")
]
Propensities = Annotated[
    str,
    typer.Option(
        metavar="SOURCE",
        help="logged; or estimated, from contexts, for a log that has none. Without any, only the "
        "direct method speaks.",
    ),
]
LoggerNames = Annotated[
    list[str] | None,
    typer.Option(
        "--logger",
        metavar="REVISION=POLICY",
        help="Of a log of several policies that did not learn: who drew the decisions of that "
        "revision (arm:NAME, challenger:NAME, uniform:floor=...). For each revision of the log; "
        "weights are then over the mixture of all of them.",
    ),
]
Form = Annotated[str, typer.Option("--format", help="auto, rows, vw, dsjson or open-bandit.")]
MappingFile = Annotated[
    Path | None, typer.Option(metavar="YAML", help="Says which column of a foreign log is what.")
]
VwCost = Annotated[
    str, typer.Option(help="What Vowpal Wabbit's cost is: negative quality, or a loss.")
]
LogPolicy = Annotated[str, typer.Option(metavar="NAME", help="Take only decisions of this policy.")]
Database = Annotated[
    str | None,
    typer.Option(help="Read the log of --log-policy from here: sqlite:///path or postgresql://"),
]
Since = Annotated[str, typer.Option(metavar="TIME", help="With --database: seconds, or ISO 8601.")]
Until = Annotated[str, typer.Option(metavar="TIME", help="Excluded.")]
Lenient = Annotated[bool, typer.Option("--lenient", help="Skip bad rows, and say how many.")]
Level = Annotated[float, typer.Option(help="Of intervals.")]
Resamples = Annotated[int, typer.Option(help="Of the bootstrap.")]
Seed = Annotated[int, typer.Option(help="Of all luck: equal seed and log, equal numbers.")]
JsonFile = Annotated[
    str | None, typer.Option(metavar="FILE", help="Write all numbers; - prints them instead.")
]
HtmlFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write a report with pictures.")
]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="Instead: derive decisions again from the database's journal and keys, and test "
        "how often each arm came. Of --log-policy, or of all policies.",
    ),
]
Sample = Annotated[
    int, typer.Option(min=1, metavar="N", help="With --verify: at most so many a policy.")
]
CheckpointKey = Annotated[
    Path | None, typer.Option(help="With --verify and frozen:12: file of keys, as the server has.")
]
