"""Live budgets as one HTML file: a table and a picture."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bandit_service.errors import InvalidField
from bandit_service.evaluation.report import environment, write_whole
from bandit_service.evaluation.tables import Table
from bandit_service.ledger.summary import BudgetStanding


def write_budgets(standings: Sequence[BudgetStanding], now: float, path: Path) -> None:
    """Raises InvalidField where matplotlib or jinja2 is missing or `path` cannot be written."""
    made = environment()
    try:
        from bandit_service.evaluation.pictures.ledger import rendered_budgets
    except ImportError:
        needed = "needs matplotlib: pip install 'bandit-service[evaluation]'"
        raise InvalidField(str(path), needed) from None
    from markupsafe import Markup

    picture = rendered_budgets(standings, "svg")
    shown = {
        "name": picture.name,
        "caption": picture.caption,
        "alt": picture.description,
        "svg": Markup(picture.data.decode()),  # noqa: S704 - drawn by us: names are outlines
    }
    text = made.get_template("budgets.html.j2").render(
        moment=f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M} UTC",
        standing=_table(standings),
        pictures=[shown],
    )
    write_whole(text, path)


def _table(standings: Sequence[BudgetStanding]) -> Table:
    rows = tuple((f"{each.policy} · {each.budget}", cells(each)) for each in standings)
    return Table("Where each budget stands in its present window.", ("budget", *COLUMNS), rows)


COLUMNS = (
    "amount",
    "spent",
    "remaining",
    "of window",
    "pace",
    "projection",
    "overrun",
    "price",
    "other calls",
)


def cells(each: BudgetStanding) -> tuple[str, ...]:
    """What is shown of one, a column each; a dash is not known."""
    return (
        f"{each.amount:.6g} {each.resource}",
        f"{each.spent:.6g}",
        f"{each.remaining:.6g}",
        f"{each.elapsed:.1%}",
        "-" if each.pace is None else f"{each.pace:.1%}",
        "-" if each.projection is None else f"{each.projection:.6g}",
        f"{each.overrun:.6g}",
        "-" if each.shadow_price is None else f"{each.shadow_price:.6g}",
        _others(each),
    )


def _others(each: BudgetStanding) -> str:
    told = [
        f"{kind} {amount:.6g}" for kind, amount in each.by_kind.items() if amount and kind != "own"
    ]
    return ", ".join(told) or "-"
