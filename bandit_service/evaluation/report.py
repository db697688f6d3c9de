"""One HTML file that holds all of a result: words, tables, pictures. It loads nothing and runs
nothing, so it can be mailed, archived and printed.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bandit_service.errors import InvalidField
from bandit_service.evaluation import tables, wording
from bandit_service.evaluation.pictures import rendered
from bandit_service.evaluation.results import Result
from bandit_service.evaluation.wording import percent

if TYPE_CHECKING:
    from jinja2 import Environment


def write_html(result: Result, path: Path) -> None:
    """Writes the whole file or nothing. Equal results give equal bytes.

    Raises InvalidField where matplotlib or jinja2 is missing or `path` cannot be written.
    """
    write_whole(as_html(result), path)


def write_whole(text: str, path: Path) -> None:
    """The whole file or nothing. Raises InvalidField if `path` cannot be written."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidField(str(path), f"cannot be written: {reason}") from error
    finally:
        partial.unlink(missing_ok=True)


def environment() -> "Environment":
    """Where templates are made from. Raises InvalidField where jinja2 is missing."""
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError:
        raise InvalidField(
            "report", "needs jinja2: pip install 'bandit-service[evaluation]'"
        ) from None
    return Environment(
        loader=PackageLoader("bandit_service.evaluation"),
        autoescape=True,  # names of policies and arms are anybody's
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def as_html(result: Result) -> str:
    made = environment()
    from markupsafe import Markup

    pictures = [
        # Drawn by us: names in it are outlines of letters, not text.
        {"name": p.name, "caption": p.caption, "alt": p.description, "svg": Markup(p.data.decode())}  # noqa: S704
        for p in rendered(result, "svg")
    ]
    return made.get_template("report.html.j2").render(_view(result), pictures=pictures)


def _view(result: Result) -> dict[str, Any]:
    first = wording.lead(result)
    return {
        "result": result,
        "headline": wording.headline(first),
        "hull": wording.against_hull(result, first),
        "others": [
            f"{wording.headline(policy)} {wording.against_hull(result, policy)}".strip()
            for policy in result.policies
            if policy is not first
        ],
        "outcomes": tables.outcomes(result),
        "hindsight": [r for r in result.references if r.hindsight],
        "reference_notes": [r for r in result.references if r.note and r.kind != "arm"],
        "choices": tables.choices(result),
        "counted": tables.counted(result) if result.warmup else None,
        "differences": tables.differences(result.differences, "Whole streams"),
        "counted_differences": tables.differences(
            result.counted_differences, "The counted part only"
        ),
        "budgets": tables.budgets(result),
        "arms": tables.arms(result),
        "confusions": tables.confusions(result),
        "settings": _settings(result),
    }


def _settings(result: Result) -> dict[str, str]:
    seeds = sorted({policy.seeds for policy in result.policies})
    orders = {"shuffled": "shuffled anew for each seed", "file": "as in the file"}
    return {
        "data": result.data,
        "queries": f"{result.queries:,}",
        "arms": f"{len(result.arms)}",
        "tasks": f"{result.tasks}" if result.tasks else "not given",
        "seeds": " or ".join(str(count) for count in seeds),
        "order": orders[result.order],
        "warm-up": f"{percent(result.warmup)} of the stream" if result.warmup else "none",
        "feedback": f"on {percent(result.feedback_fraction).replace('.0', '')} of the queries",
        "feedback delay": f"{result.feedback_delay:,} queries" if result.feedback_delay else "none",
        "wins against": result.compared_with,
    }
