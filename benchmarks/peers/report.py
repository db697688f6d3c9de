"""What was found, as tables and as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bandit_service.evaluation.results import Difference, Mean
from benchmarks.peers import judge
from benchmarks.peers.contestants import DEFAULT
from benchmarks.peers.judge import Score
from benchmarks.peers.streams import Stream

Scores = Mapping[str, Mapping[str, Score]]  # stream -> label -> score

_HEAD = (
    f"{'':<32}{'quality':>15}{'USD/query':>11}{'regret@' + str(judge.EARLY):>11}{'regret':>9}"
    f"{'decisions/s':>13}{'seeds':>7}  quality minus {DEFAULT}"
)


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One learner on one stream. `difference` is its quality minus that of `default`, paired."""

    learner: str
    seeds: int
    quality: Mean
    cost_usd: Mean | None = None
    early_regret: Mean
    regret: Mean
    decisions_per_second: float | None = None
    difference: Difference | None = None


def rows(stream: Stream, scores: Mapping[str, Score], *, seeds: Sequence[int]) -> list[Row]:
    """Of the references first, which are not timed, then of `scores` in their order."""
    made = [_row(name, found) for name, found in judge.references(stream, seeds).items()]
    default = scores.get(DEFAULT)
    for label, found in scores.items():
        versus = None
        if default is not None and label != DEFAULT:
            versus = judge.against(label, found, DEFAULT, default)
        made.append(_row(label, found, found.decisions_per_second, versus))
    return made


def _row(
    label: str, found: Score, speed: float | None = None, versus: Difference | None = None
) -> Row:
    means: dict[str, Any] = found.means()
    return Row(
        learner=label,
        seeds=len(found.seeds),
        decisions_per_second=speed,
        difference=versus,
        **means,
    )


def table(stream: Stream, found: Sequence[Row]) -> str:
    """A heading and a line a row."""
    steps, arms = len(next(iter(stream.orders.values()))), len(stream.table.arms)
    title = f"{stream.name}: {steps:,} queries, {arms} arms, {stream.contexts.shape[1]} features"
    if stream.dropped:
        title += f"; {stream.dropped:,} queries dropped, which lack an outcome"
    return "\n".join([title, _HEAD, *map(_line, found)])


def section(stream: Stream, found: Sequence[Row]) -> str:
    """The same as a section of a Markdown file."""
    title, *_ = table(stream, found).split("\n")
    lines = [
        f"### {title}",
        "",
        f"| learner | quality | USD a query | regret of the first {judge.EARLY} | regret | "
        f"decisions/s | orders | quality minus `{DEFAULT}` (95 %) |",
        "|---" * 8 + "|",
    ]
    for row in found:
        cells = row.learner, *_cells(row), str(row.seeds), _versus(row.difference)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cells(row: Row) -> list[str]:
    """Quality, cost, early regret, regret and speed; empty where it is not known."""
    error = row.quality.standard_error
    return [
        f"{row.quality.mean:.4f}" + ("" if error is None else f" ±{error:.4f}"),
        "" if row.cost_usd is None else f"{row.cost_usd.mean:.2e}",
        f"{row.early_regret.mean:.1f}",
        f"{row.regret.mean:.1f}",
        "" if row.decisions_per_second is None else f"{row.decisions_per_second:,.0f}",
    ]


def _line(row: Row) -> str:
    quality, cost, early, regret, speed = _cells(row)
    return (
        f"{row.learner:<32}{quality:>15}{cost:>11}{early:>11}{regret:>9}{speed:>13}"
        f"{row.seeds:>7}  {_versus(row.difference)}"
    ).rstrip()


def _versus(found: Difference | None) -> str:
    if found is None:
        return ""
    if found.low is None or found.high is None:
        return f"{found.difference:+.4f}"
    return f"{found.difference:+.4f} ({found.low:+.4f} to {found.high:+.4f})"
