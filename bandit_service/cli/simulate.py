"""The command that runs policies over a table of real outcomes, and says how good they are."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bandit_service.cli import output
from bandit_service.cli import simulate_options as options
from bandit_service.cli.output import STDOUT

if TYPE_CHECKING:
    from bandit_service.evaluation.allowances import Allowance
    from bandit_service.evaluation.contestants import Contestant
    from bandit_service.evaluation.results import Result
    from bandit_service.evaluation.table import OutcomeTable

INTERRUPTED = 130  # as shells have it


def simulate(
    data: options.DataFolder = None,
    policy: options.Policies = None,
    arms: options.ArmsFile = None,
    seeds: options.Seeds = 20,
    order: options.Order = "shuffled",
    warmup: options.Warmup = 0.0,
    feedback_fraction: options.FeedbackFraction = 1.0,
    feedback_delay: options.FeedbackDelay = 0,
    jobs: options.Jobs = None,
    dials: options.Dials = 0,
    budget_usd_per_query: options.BudgetUsd = None,
    budget_joules_per_query: options.BudgetJoules = None,
    controller: options.Controller = None,
    dial: options.Dial = None,
    compare_with: options.CompareWith = None,
    json: options.JsonFile = None,
    html: options.HtmlFile = None,
    pictures: options.Pictures = None,
) -> None:
    """Run policies over a table of real outcomes, beside references that cannot be fooled.

    Every query of the set is routed and its outcome learned, by the engine that serves; then the
    same in another order, --seeds times. Numbers are means over these runs.
    """
    # Before numpy is loaded; see `serve`.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    check_outputs(json, html, pictures)
    budgets = _allowances(budget_usd_per_query or [], budget_joules_per_query or [], controller)
    from bandit_service.evaluation.dial import dialled
    from bandit_service.evaluation.study import dials_for, study

    contestants = _contestants(policy or ["default"], arms)
    table = _table(data)
    contestants = list(dialled(contestants, dial or (), table))
    swept = dials_for(table, dials)
    with _interruptible(), _progress() as progress:
        result = study(
            table,
            contestants,
            seeds=seeds,
            order=order,  # type: ignore[arg-type]  # what it may be, study checks
            warmup=warmup,
            feedback_fraction=feedback_fraction,
            feedback_delay=feedback_delay,
            jobs=_cores() if jobs is None else jobs,
            dials=swept,
            budgets=budgets,
            compared_with=compare_with,
            progress=progress,
        )
    _tell(result, json, html, pictures)


def _tell(result: "Result", json: str | None, html: Path | None, pictures: Path | None) -> None:
    """Where it was asked for."""
    from bandit_service.cli import simulation_output

    # The numbers first: a picture that fails loses nothing.
    if json is not None:
        output.write_json(result, json)
    if json != STDOUT:
        simulation_output.show(result)
    if html is not None:
        from bandit_service.evaluation.report import write_html

        write_html(result, html)
    if pictures is not None:
        from bandit_service.evaluation.pictures import write_pictures

        pictures.mkdir(exist_ok=True)
        write_pictures(result, pictures)


def _allowances(
    usd: list[float], joules: list[float], controller: str | None
) -> "tuple[Allowance, ...]":
    from bandit_service.errors import InvalidField
    from bandit_service.evaluation.allowances import allowances
    from policies.budget import DEFAULT

    if controller is not None and not (usd or joules):
        raise InvalidField(
            "--controller",
            f"{controller!r} has no budget to keep; give --budget-usd-per-query or "
            "--budget-joules-per-query, too",
        )
    return allowances(usd, joules, controller or DEFAULT)


def _contestants(policies: list[str], arms: Path | None) -> "list[Contestant]":
    from bandit_service.cli.policy_yaml import checked, read_arms
    from bandit_service.evaluation.contestants import with_arms
    from bandit_service.model import PolicyConfig

    contestants = [contestant(each) for each in policies]
    if arms is None:
        return contestants
    said = {"name": "arms", "arms": read_arms(arms)}
    return list(with_arms(contestants, checked(said, PolicyConfig, str(arms)).arms))


def contestant(policy: str) -> "Contestant":
    """A policy by name and settings, or as its YAML file has it. Raises InvalidField."""
    from bandit_service.cli.policy_yaml import checked, read_mapping
    from bandit_service.evaluation.contestants import configured, named
    from bandit_service.model import PolicyConfig

    path = Path(policy)
    if path.suffix not in (".yaml", ".yml") and not path.is_file():
        return named(policy)
    # Without arms it takes all of the table's.
    return configured(checked({"arms": []} | read_mapping(path), PolicyConfig, policy))


def _table(data: Path | None) -> "OutcomeTable":
    from bandit_service.evaluation.bundled import bundled_table
    from bandit_service.evaluation.loading import load

    return bundled_table() if data is None else load(data)


def check_outputs(json: str | None, html: Path | None, pictures: Path | None) -> None:
    """An hour of work should not be lost to a folder that is not there."""
    from importlib.util import find_spec

    from bandit_service.errors import InvalidField

    files = {"--json": None if json in (None, STDOUT) else Path(str(json)), "--html": html}
    for option, file in files.items():
        if file is None:
            continue
        if file.is_dir():
            raise InvalidField(option, f"{file} is a folder")
        _check_writable(option, file if file.exists() else file.absolute().parent)
    if pictures is not None:
        if pictures.exists() and not pictures.is_dir():
            raise InvalidField("--pictures", f"{pictures} is not a folder")
        there = pictures if pictures.exists() else pictures.absolute().parent
        _check_writable("--pictures", there)
    for option, wanted, package in (
        ("--html", html, "jinja2"),
        ("--html", html, "matplotlib"),
        ("--pictures", pictures, "matplotlib"),
    ):
        if wanted is not None and find_spec(package) is None:
            raise InvalidField(option, f"needs {package}: pip install 'bandit-service[evaluation]'")


def _check_writable(option: str, path: Path) -> None:
    from bandit_service.errors import InvalidField

    if not path.exists():
        raise InvalidField(option, f"there is no folder {path}")
    if not os.access(path, os.W_OK):
        raise InvalidField(option, f"{path} cannot be written to")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C is an answer too, not an error."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("bandit-service: interrupted, nothing was written", err=True)
        raise typer.Exit(INTERRUPTED) from None


def _cores() -> int:
    """Those that this process may use."""
    affinity: Any = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal's standard error; nothing where nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = TextColumn("runs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("runs", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
