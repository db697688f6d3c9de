"""From drawings to bytes, the same bytes for the same result."""

import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG

from bandit_service.evaluation.pictures.confusion import confusion
from bandit_service.evaluation.pictures.curves import learning, regret, shares
from bandit_service.evaluation.pictures.fronts import quality_cost, quality_energy
from bandit_service.evaluation.pictures.styling import (
    DOTS_PER_INCH,
    GRID,
    INK,
    MUTED,
    PAPER,
    Drawing,
    house_style,
)
from bandit_service.evaluation.results import Result

ROLES = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)", PAPER: "var(--paper)"}


@dataclass(frozen=True, slots=True)
class Rendered:
    """A finished picture. `data` is a PNG file, or an SVG element to stand inside HTML."""

    name: str
    caption: str
    description: str
    data: bytes


def render(result: Result, kind: Literal["png", "svg"]) -> list[Rendered]:
    with house_style():
        return drawn(_drawings(result), kind)


def drawn(drawings: Iterator[Drawing], kind: Literal["png", "svg"]) -> list[Rendered]:
    """Within `house_style`, as the drawings are only made here."""
    encode = _png if kind == "png" else _svg
    with warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; there is nothing to be done.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        return [
            Rendered(drawing.name, drawing.caption, drawing.description, encode(drawing))
            for drawing in drawings
        ]


def _drawings(result: Result) -> Iterator[Drawing]:
    for draw in (learning, quality_cost, quality_energy, regret, shares, confusion):
        yield from draw(result)


def _png(drawing: Drawing) -> bytes:
    file = io.BytesIO()
    FigureCanvasAgg(drawing.figure).print_figure(
        file, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None}
    )
    return file.getvalue()


def _svg(drawing: Drawing) -> bytes:
    """Without prologue, comments and fixed colours of text and paper; ids are its own."""
    drawing.figure.patch.set_visible(False)
    file = io.StringIO()
    unsaid = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    FigureCanvasSVG(drawing.figure).print_figure(file, format="svg", metadata=unsaid)
    text = file.getvalue()
    text = re.sub(r"<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href=", "href=")
    text = re.sub(r'(\bid="|\bhref="#|url\(#)', rf"\g<1>{drawing.name}-", text)
    text = re.sub(r' d="[^"]*"', _in_hundredths, text)
    for fixed, role in ROLES.items():
        text = text.replace(fixed, role)
    return re.sub(r"\n\s*", "\n", text).encode()


def _in_hundredths(path: re.Match[str]) -> str:
    """The same path, to a hundredth of a point: a third of the size."""
    return re.sub(r"(\.\d\d)\d+", r"\1", path[0])
