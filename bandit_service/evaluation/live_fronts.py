"""A live policy's quality against what it takes, with the present setting on it: PNG, or a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bandit_service.errors import InvalidField
from bandit_service.evaluation.pictures.naming import one_line
from bandit_service.evaluation.pictures.rendering import Rendered, drawn
from bandit_service.evaluation.pictures.styling import INK, LINE_COLOURS, Drawing, house_style
from bandit_service.evaluation.report import environment, write_whole

ROW = 3.6  # inches


class Line(NamedTuple):
    """Points (amount, quality) of the settings that were swept, and of the present one, if its
    amount is known."""

    unit: str
    settings: Sequence[tuple[float, float]]
    present: Sequence[tuple[float, float]]


def draw_png(name: str, lines: Sequence[Line], path: Path) -> None:
    """Raises InvalidField where `path` cannot be written."""
    try:
        path.write_bytes(_rendered(name, lines, "png").data)
    except OSError as error:
        raise InvalidField("--png", f"{path} cannot be written: {error.strerror}") from error


def write_page(name: str, lines: Sequence[Line], path: Path) -> None:
    """One file that needs no other. Raises InvalidField where `path` cannot be written."""
    from markupsafe import Markup

    picture = _rendered(name, lines, "svg")
    shown = {
        "name": picture.name,
        "caption": picture.caption,
        "alt": picture.description,
        "svg": Markup(picture.data.decode()),  # noqa: S704 - drawn by us: names are outlines
    }
    made = environment().get_template("fronts.html.j2")
    write_whole(made.render(policy=name, pictures=[shown]), path)


def _rendered(name: str, lines: Sequence[Line], kind: Literal["png", "svg"]) -> Rendered:
    with house_style():
        figure = Figure(figsize=(7.4, ROW * len(lines)), layout="constrained")
        for axes, line in zip(
            figure.subplots(len(lines), 1, squeeze=False)[:, 0], lines, strict=True
        ):
            swept = sorted(line.settings)
            axes.plot(*zip(*swept, strict=True), color=LINE_COLOURS[0], marker="o", markersize=4)
            for amount, quality in line.present:
                axes.plot(amount, quality, color=INK, marker="D", markersize=8, zorder=5)
                axes.annotate(
                    "as it is", (amount, quality), xytext=(8, -12), textcoords="offset points"
                )
            axes.set_xlabel(line.unit)
            axes.set_ylabel("expected quality")
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))
            axes.margins(x=0.08, y=0.12)
        figure.suptitle(one_line(name))
        said = (
            f"{quality:.3f} at {amount:.4g} {line.unit}"
            for line in lines
            for amount, quality in line.present
        )
        drawing = Drawing(
            "fronts",
            "Up and to the left is better. Dots: what the policy would earn and take on its recent "
            "traffic at other settings. Diamond: as it is.",
            f"Expected quality of {name} as it is: {'; '.join(said) or 'not known'}.",
            figure,
        )
        (made,) = drawn(iter([drawing]), kind)
        return made
