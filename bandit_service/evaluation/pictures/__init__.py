"""The pictures of a result: PNG files for papers and slides, SVG for the report.

`naming` shortens names, `styling` holds colours and type, `labels` keeps labels apart, `curves`,
`fronts` and `confusion` draw. Needs matplotlib, from the extra `evaluation`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bandit_service.errors import InvalidField
from bandit_service.evaluation.results import Result

if TYPE_CHECKING:
    from bandit_service.evaluation.pictures.rendering import Rendered

__all__ = ["rendered", "write_pictures"]


def write_pictures(result: Result, folder: Path) -> list[Path]:
    """One PNG a picture, in `folder`, which is made if need be. Returns the files written.

    What the result has no data for is left out. Equal results give equal bytes.
    Raises InvalidField where matplotlib is missing or the folder cannot be written.
    """
    pictures = rendered(result, "png")
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for picture in pictures:
            path = folder / f"{picture.name}.png"
            path.write_bytes(picture.data)
            written.append(path)
    except OSError as error:
        raise InvalidField(str(folder), f"cannot be written: {error.strerror}") from error
    return written


def rendered(result: Result, kind: Literal["png", "svg"]) -> "list[Rendered]":
    """All pictures that the result has data for, in the order of a report."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InvalidField(
            "pictures", "need matplotlib: pip install 'bandit-service[evaluation]'"
        ) from None
    from bandit_service.evaluation.pictures.rendering import render

    return render(result, kind)
