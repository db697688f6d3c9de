"""One HTML file that holds all of a comparison. It loads nothing and runs nothing."""

import os
from pathlib import Path
from typing import Any

from bandit_service.errors import InvalidField
from bandit_service.evaluation.offpolicy import report_tables
from bandit_service.evaluation.offpolicy.results import Candidate, Comparison


def write_html(result: Comparison, path: Path) -> None:
    """Writes the whole file or nothing. Equal results give equal bytes.

    Raises InvalidField where matplotlib or jinja2 is missing or `path` cannot be written.
    """
    text = as_html(result)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise InvalidField(str(path), f"cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def as_html(result: Comparison) -> str:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
        from markupsafe import Markup

        from bandit_service.evaluation.offpolicy.pictures import rendered
    except ImportError as error:
        raise InvalidField(
            "report", f"needs {error.name}: pip install 'bandit-service[evaluation]'"
        ) from None
    environment = Environment(
        loader=PackageLoader("bandit_service.evaluation"),
        autoescape=True,  # names of policies and arms are anybody's
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pictures = [
        # Drawn by us: names in it are outlines of letters, not text.
        {"name": p.name, "caption": p.caption, "alt": p.description, "svg": Markup(p.data.decode())}  # noqa: S704
        for p in rendered(result)
    ]
    return environment.get_template("replay.html.j2").render(_view(result), pictures=pictures)


def _view(result: Comparison) -> dict[str, Any]:
    return {
        "result": result,
        "sentences": [sentence(each, result) for each in result.candidates],
        "cautions": [(each.label, note) for each in result.candidates for note in each.notes],
        "measures": list(report_tables.measures(result)),
        "gates": report_tables.gates(result),
        "support": report_tables.support(result),
        "arms": report_tables.arms(result),
        "estimators": [report_tables.estimators(each) for each in result.candidates],
        "segments": [report_tables.segments(each) for each in result.candidates if each.segments],
        "live": report_tables.live(result),
        "settings": {
            "log": result.source,
            "SHA-256 of its decisions": result.digest,
            "logged by": result.policy or "not given",
            "decisions": f"{result.decisions:,}; the first {result.training:,} taught",
            "left out": ", ".join(f"{n:,} {flag}" for flag, n in result.excluded.items()) or "none",
            "refused": f"{result.refused:,}",
            "propensities": result.propensity.upper()
            if result.propensity == "estimated"
            else result.propensity,
            "seed": str(result.seed),
            "resamples": f"{result.resamples:,}",
            "level of intervals": f"{result.level:.0%}",
        },
    }


def sentence(candidate: Candidate, result: Comparison) -> str:
    """What there is to say of a candidate, in one sentence."""
    found = {each.measure: each for each in candidate.differences}
    if "quality" not in found:
        return f"The log knows no quality, so {candidate.label} cannot be judged by it."
    quality = found["quality"]
    between = quality.intervals[0]
    if between.low > 0.0:
        verdict = "would have earned more quality than was logged"
    elif between.high < 0.0:
        verdict = "would have earned less quality than was logged"
    else:
        verdict = "cannot be told from what was logged by quality"
    text = (
        f"{candidate.label} {verdict}: {quality.value:+.4f} "
        f"({between.low:+.4f} to {between.high:+.4f})"
    )
    own = {each.measure: each.value for each in result.incumbent}
    if "cost_usd" in found and own.get("cost_usd"):
        text += f", at {1.0 + found['cost_usd'].value / own['cost_usd']:.0%} of its cost"
    return text + "."
