"""A simulation's result as it is printed: tables for people, JSON for programs."""

import sys
from collections.abc import Iterator, Sequence

import typer

from bandit_service.cli import budget_output as budgets
from bandit_service.cli import output
from bandit_service.evaluation.results import Difference, Mean, Measures, Point, Reference, Result

HINDSIGHT = " *"
_EARNED = (
    "policy or reference",
    "quality",
    "USD/query",
    "J/query",
    "s/query",
    "of best's\nquality",
    "of its\ncost",
)
_KEPT = (
    "policy",
    "budget",
    "spent",
    "at most",
    "quality",
    "hull *\nat spent",
    "hull *\nat budget",
    "offline\nrouter *",
    "oracle *",
    "counted\nquality",
    "its hull *",
)
_CHOICES = "policy", "regret", "right arm"
_OF_WHOLE_STREAMS = "static hull", "decisions/s"
_MEASURES = {"quality": "quality", "cost_usd": "USD/query", "regret": "regret"}


def show(result: Result) -> None:
    """The tables, then what a reader should know."""
    output.facts(_heading(result))
    if result.warmup:
        typer.echo(f"\nafter the first {result.warmup:.3g} of each stream:")
        counted = {policy.policy: policy.counted for policy in result.policies}
        _table(_EARNED, [_earned(*each) for each in counted.items()])
        _table(_CHOICES, [_choices(*each) for each in counted.items()])
        _differences(result.counted_differences)
        typer.echo("whole streams:")
    whole = {policy.policy: policy.whole for policy in result.policies}
    _table(_EARNED, [*(_earned(*each) for each in whole.items()), *_references(result)])
    _table(
        (*_CHOICES, *_OF_WHOLE_STREAMS),
        [
            (
                *_choices(policy.policy, policy.whole),
                _number(result.hull_quality.get(policy.policy), ".4f"),
                _number(policy.decisions_per_second, ",.0f"),
            )
            for policy in result.policies
        ],
    )
    for reference in result.references:
        if reference.note:
            typer.echo(f"{_name(reference)}: {reference.note}")
    if result.hull_quality:
        typer.echo(
            "static hull *: quality of the best mix of arms that looks at no query and costs no "
            "more than the policy"
        )
    if any(reference.hindsight for reference in result.references):
        typer.echo("* hindsight: chosen by outcomes that no policy sees in time")
    typer.echo()
    if any(policy.dials for policy in result.policies):
        _table(("policy", "quality/USD", "quality", "USD/query", "area"), list(_dials(result)))
    if result.budget_references:
        _table(_KEPT, list(budgets.rows(result)))
        typer.echo(
            "hulls *: quality of the best mix of arms that looks at no query, for what was spent "
            "and for the budget\n"
        )
    _differences(result.differences)
    for note in result.notes:
        typer.echo(f"note: {note}")


def _heading(result: Result) -> list[tuple[str, object]]:
    heard = f"on {result.feedback_fraction:.3%} of queries".replace(".000%", "%")
    if result.feedback_delay:
        heard += f", after {result.feedback_delay} further ones"
    counts = f"{result.queries:,} queries, {len(result.arms)} arms"
    return [
        ("data", f"{result.data}: {counts}" + (f", {result.tasks} tasks" * bool(result.tasks))),
        ("streams", f"{max(policy.seeds for policy in result.policies)} of each, {result.order}"),
        ("feedback", heard),
        ("wins", f"against {result.compared_with}: " + "; ".join(_wins(result))),
    ]


def _wins(result: Result) -> Iterator[str]:
    for policy in result.policies:
        of = policy.counted
        yield f"{policy.policy} {of.wins.mean:.1%}, losses {of.losses.mean:.1%}"


def _earned(policy: str, of: Measures) -> tuple[str, ...]:
    return (
        policy,
        _mean(of.quality, ".4f"),
        _mean(of.cost_usd, ".4g"),
        _mean(of.energy_joules, ".4g"),
        _mean(of.latency_seconds, ".4g"),
        f"{of.quality_of_best.mean:.1%}",
        output.cell(None) if of.cost_of_best is None else f"{of.cost_of_best.mean:.1%}",
    )


def _choices(policy: str, of: Measures) -> tuple[str, ...]:
    return policy, _mean(of.regret, ".1f"), _mean(of.routing_accuracy, ".1%")


def _references(result: Result) -> Iterator[tuple[str, ...]]:
    best = next(each for each in result.references if each.kind == "best_single")
    for each in result.references:
        yield (
            _name(each),
            f"{each.quality:.4f}",
            _number(each.cost_usd),
            _number(each.energy_joules),
            _number(each.latency_seconds),
            _share(each.quality, best.quality),
            _share(each.cost_usd, best.cost_usd),
        )


def _name(reference: Reference) -> str:
    return reference.name + HINDSIGHT * reference.hindsight


def _share(amount: float | None, of: float | None) -> str:
    return f"{amount / of:.1%}" if amount is not None and of else output.cell(None)


def _dials(result: Result) -> Iterator[tuple[str, ...]]:
    for policy in result.policies:
        for at, point in enumerate(policy.dials):
            yield (policy.policy if at == 0 else "", *_point(point), _area(policy.area, at))


def _point(point: Point) -> tuple[str, str, str]:
    return _number(point.quality_per_usd), f"{point.quality:.4f}", _number(point.cost_usd)


def _area(area: float | None, at: int) -> str:
    return "" if area is None or at else f"{area:.4f}"


def _differences(found: Sequence[Difference]) -> None:
    if found:
        columns = ("paired by seed", "measure", "difference", f"{found[0].level:.0%} interval")
        _table(columns, [_difference(each) for each in found])


def _difference(each: Difference) -> tuple[str, ...]:
    between = ""
    if each.low is not None and each.high is not None:
        between = f"{each.low:+.4g} to {each.high:+.4g}"
    pair, measure = f"{each.first} - {each.second}", _MEASURES[each.measure]
    return pair, measure, f"{each.difference:+.4g}", between


def _mean(mean: Mean | None, form: str) -> str:
    if mean is None:
        return output.cell(None)
    error = mean.standard_error
    return format(mean.mean, form) + ("" if error is None else f" ± {_error(error, form)}")


def _error(error: float, form: str) -> str:
    """One digit is enough beside significant digits.

    >>> _error(12.3, ".4g"), _error(0.00231, ".4g"), _error(0.00231, ".4f")
    ('10', '0.002', '0.0023')
    """
    return f"{float(f'{error:.1g}'):g}" if form.endswith("g") else format(error, form)


def _number(number: float | None, form: str = ".4g") -> str:
    return output.cell(None) if number is None else format(number, form)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Without the columns where nothing is known. Names break where they must, numbers never.

    A file or a pipe has no width to fit into.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    nothing = {"", output.cell(None)}
    kept = [at for at in range(len(columns)) if any(row[at] not in nothing for row in rows)]
    made = Table(box=SIMPLE_HEAD, pad_edge=False)
    for at in kept:
        made.add_column(columns[at], overflow="fold", no_wrap=at > 0)
    for row in rows:
        made.add_row(*(row[at] for at in kept))
    width = None if sys.stdout.isatty() else output.UNBOUNDED
    Console(highlight=False, markup=False, width=width).print(made)
