"""`budget`: where the budgets of policies stand, as a table, JSON, or pictures."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bandit_service.cli import output
from bandit_service.cli.options import AsJson, Database, database_url

if TYPE_CHECKING:
    from bandit_service.ledger.summary import BudgetStanding


def budget(
    policy: Annotated[str | None, typer.Argument(help="Only this one.")] = None,
    database: Database = None,
    png: Annotated[Path | None, typer.Option(help="Draw pace and price into this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with all of it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what budgets have spent, at which pace, what is left, and the shadow price.

    Read from the database; a server may be writing it. What is not settled counts as spent.
    """
    from dataclasses import asdict

    now = time.time()
    found = _read(database_url(database), policy, now)
    if png is not None:
        _draw(found, png)
    if html is not None:
        _write_page(found, now, html)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], indent=2))
    elif not found:
        typer.echo("no budgets")
    else:
        _print(found)


def _read(url: str, policy: str | None, now: float) -> "list[BudgetStanding]":
    """Raises PolicyNotFound."""
    from bandit_service.ledger.summary import standings
    from bandit_service.store import open_log_reader

    reader = open_log_reader(url)
    try:
        made = []
        for name in [policy] if policy else reader.names():
            identity, config = reader.policy(name)
            windows = reader.windows(identity.id)
            since = min((window.start_time for window in windows), default=now)
            # The clocks of replicas and of the database may differ by a little.
            pages = reader.pages(identity.id, since - 60.0, now + 60.0) if windows else ()
            told = (
                (page.decisions, (one for each in page.outcomes.values() for one in each))
                for page in pages
            )
            made += standings(config, windows, told, now)
        return made
    finally:
        reader.close()


def _print(found: "list[BudgetStanding]") -> None:
    from bandit_service.evaluation.budget_page import COLUMNS, cells

    for at, each in enumerate(found):
        if at:
            typer.echo()
        named = ("budget", f"{each.budget} of policy {each.policy}")
        output.facts([named, *zip(COLUMNS, cells(each), strict=True)])


def _draw(found: "list[BudgetStanding]", png: Path) -> None:
    from bandit_service.errors import InvalidField

    try:
        from bandit_service.evaluation.pictures.ledger import rendered_budgets
    except ImportError:
        needed = "needs matplotlib: pip install 'bandit-service[evaluation]'"
        raise InvalidField("--png", needed) from None
    if not found:
        raise InvalidField("--png", "there are no budgets to draw")
    try:
        png.write_bytes(rendered_budgets(found, "png").data)
    except OSError as error:
        raise InvalidField("--png", f"{png} cannot be written: {error.strerror}") from error


def _write_page(found: "list[BudgetStanding]", now: float, html: Path) -> None:
    from bandit_service.errors import InvalidField
    from bandit_service.evaluation.budget_page import write_budgets

    if not found:
        raise InvalidField("--html", "there are no budgets to show")
    write_budgets(found, now, html)
