"""A comparison as it is printed: tables for people, JSON for programs."""

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import typer

from bandit_service.cli import output
from bandit_service.evaluation.offpolicy.results import (
    Candidate,
    Comparison,
    Estimate,
    Interval,
    Quantile,
)

NAMES = {
    "quality": "quality",
    "cost_usd": "USD/query",
    "latency_seconds": "s/query",
    "energy_joules": "J/query",
}


def show(result: Comparison) -> None:
    """The heading, then a table of everybody, then each candidate's estimators, then notes."""
    output.facts(_heading(result))
    for measure in NAMES:
        rows = list(_of_measure(result, measure))
        if rows:
            _table(
                (NAMES[measure], "value", f"{result.level:.0%} interval", "minus the log's own",
                 "interval"),
                rows,
            )  # fmt: skip
    _table(
        ("support", "ran", "effective size", "largest weight", "mean weight", "overlap"),
        [_support(each) for each in result.candidates],
    )
    for each in result.candidates:
        doubt = ", by estimated propensities" if result.propensity == "estimated" else ""
        typer.echo(f"{each.label}: estimators of quality{doubt}")
        typer.echo(f"  {each.description}")
        rows = [
            (
                one.estimator,
                _number(one.value),
                one.parameter,
                ", ".join(map(_named, one.intervals)),
            )
            for one in each.estimates
            if one.measure == "quality"
        ]
        _table(("estimator", "value", "clip or shrinkage", "intervals"), rows)
        for one in each.quantiles:
            typer.echo(f"  {_quantile(one)}")
        for note in each.notes:
            typer.echo(f"  note: {note}")
        _show_gate(each)
    _show_live(result)
    _show_duels(result)
    for note in result.notes:
        typer.echo(f"note: {note}")


def _heading(result: Comparison) -> list[tuple[str, object]]:
    count = f"{result.decisions:,} decisions among {len(result.arms)} arms"
    between = None
    if result.first_time is not None and result.last_time is not None:
        between = f"{_date(result.first_time)} to {_date(result.last_time)}"
    left = ", ".join(f"{count:,} {flag}" for flag, count in result.excluded.items())
    return [
        ("log", f"{result.source}: {count}"),
        ("logged by", result.policy),
        ("between", between),
        ("judged", f"{result.judged:,}, the first {result.training:,} taught"),
        ("left out", left),
        ("refused", result.refused or None),
        ("propensities", result.propensity),
        ("digest", result.digest[:16]),
    ]


def _date(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def _of_measure(result: Comparison, measure: str) -> Iterator[tuple[object, ...]]:
    for own in result.incumbent:
        if own.measure == measure:
            yield "as logged", _number(own.value), _between(own.intervals[0]), None, None
    for candidate in result.candidates:
        for difference in candidate.differences:
            if difference.measure != measure:
                continue
            lead = _lead(candidate, measure, difference.estimator)
            yield (
                result.named(candidate, difference.estimator),
                _number(lead.value),
                _between(lead.intervals[0]),
                f"{difference.value:+.4g}",
                _between(difference.intervals[0]),
            )


def _lead(candidate: Candidate, measure: str, estimator: str) -> Estimate:
    return next(
        one for one in candidate.estimates if one.measure == measure and one.estimator == estimator
    )


def _support(candidate: Candidate) -> tuple[object, ...]:
    support = candidate.support
    return (
        candidate.label,
        candidate.ran,
        f"{support.effective_size:,.0f} of {support.rows:,}",
        f"{support.largest_weight:.4g}",
        f"{support.mean_weight:.3f}",
        f"{support.overlap:.1%}",
    )


def _between(interval: Interval) -> str:
    if interval.low > interval.high:  # from two one-sided bounds, of which one must have failed
        return "nothing: its bounds cross"
    return f"{interval.low:.4g} to {interval.high:.4g}"


def _named(interval: Interval) -> str:
    return f"{_between(interval)} ({interval.method})"


def _quantile(one: Quantile) -> str:
    return f"{one.measure} p{100 * one.share:g}: {one.value:.4g}, {_between(one.interval)}"


def _show_gate(candidate: Candidate) -> None:
    gate = candidate.gate
    if gate is None:
        return
    typer.echo(f"  gate: {'open' if gate.passed else 'closed'}")
    for check in gate.checks:
        typer.echo(
            f"    {'holds' if check.passed else 'not sure'}: {check.condition} "
            f"(by {check.margin:+.4g}, surely by {check.bound:+.4g})"
        )
    if gate.problem:
        typer.echo(f"    {gate.problem}")


def _show_live(result: Comparison) -> None:
    for one in result.live:
        typer.echo(
            f"{one.label}, learning as it went: accepted {one.accepted:,} of {one.decisions:,}, "
            f"{one.clipped:.1%} of them clipped"
        )
        for estimate in one.estimates:
            shown = f"{estimate.value:.4g}, {_between(estimate.intervals[0])}"
            typer.echo(f"  {NAMES[estimate.measure]}: {shown}")
        if one.problem:
            typer.echo(f"  {one.problem}")


def _show_duels(result: Comparison) -> None:
    if result.duels:
        rows = [
            (
                f"{each.arm} beats {each.other}",
                f"{each.rate:.1%}",
                f"{each.interval.low:.1%} to {each.interval.high:.1%}",
                f"{each.effective_size:,.0f} of {each.duels:,}",
            )
            for each in result.duels
        ]
        _table(("duels", "of all queries", "interval", "effective size"), rows)


def _number(value: float) -> str:
    return f"{value:.4g}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A file or a pipe has no width to fit into."""
    output.table(columns, rows, width=None if sys.stdout.isatty() else 200)
