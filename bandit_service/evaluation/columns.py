"""A table as it was given, column by column: cells that nobody has checked yet.

Every complaint is a BadTable of one line that names the source, the row and what was expected.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from bandit_service.errors import BadTable
from bandit_service.evaluation.table import Array

ADVICE = "pip install 'bandit-service[evaluation]'"


@dataclass(frozen=True, slots=True)
class Columns:
    """r rows. A cell is text, a number, or None; None, "" and a number NaN are unknown.

    source  what messages call the table: a path, or a name
    cells   column -> its r cells
    rows    (r,) the number by which messages call a row. In a CSV the header is row 1, as in a
            spreadsheet; elsewhere it is the position, from 0.
    """

    source: str
    cells: dict[str, Sequence[Any]]
    rows: Sequence[int]

    @classmethod
    def of_frame(cls, source: str, frame: Any) -> Self:
        """From a pandas DataFrame; its index is ignored."""
        names = [str(name) for name in frame.columns]
        cells = {}
        for place, name in enumerate(names):
            if name in cells:
                raise BadTable(source, f"column {name!r} is there twice")
            column = frame.iloc[:, place]
            values = column.to_numpy(dtype=object, copy=True)
            values[column.isna().to_numpy()] = None
            cells[name] = values.tolist()
        return cls(source, cells, range(len(frame)))

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, name: str) -> bool:
        return name in self.cells

    def bad(self, place: int, what: str) -> BadTable:
        """The complaint about the cells at a place, from 0."""
        return BadTable(f"{self.source}, row {self.rows[place]}", what)

    def require(self, *names: str) -> None:
        """Raises BadTable."""
        for name in names:
            if name not in self.cells:
                there = ", ".join(self.cells) or "none"
                raise BadTable(self.source, f"needs a column {name!r}; its columns are: {there}")

    def texts(self, name: str) -> list[str]:
        """(r,) as text; unknown is "". All "" where there is no such column."""
        cells = self.cells.get(name)
        if cells is None:
            return [""] * len(self)
        return ["" if cell is None else str(cell) for cell in cells]

    def ids(self, name: str) -> list[str]:
        """(r,) texts that must be there. Raises BadTable."""
        self.require(name)
        found = self.texts(name)
        if "" in found:
            raise self.bad(found.index(""), f"{name} is empty")
        return found

    def numbers(self, name: str, least: float = 0.0, most: float = np.inf) -> Array:
        """(r,), NaN where unknown. Raises BadTable for text, infinity, and what is out of range.

        A text "nan" is refused too: whoever wrote it may have meant unknown, or have divided by 0.
        """
        cells = self.cells.get(name)
        if cells is None:
            return np.full(len(self), np.nan)
        found = np.full(len(cells), np.nan)
        for place, cell in enumerate(cells):
            if cell is None or cell == "":
                continue
            try:
                found[place] = number = float(cell)
                if isinstance(cell, str) and np.isnan(number):
                    raise ValueError(cell)
            except (TypeError, ValueError, OverflowError):
                what = f"{name} is {_shortened(cell)}, expected a number, or nothing where unknown"
                raise self.bad(place, what) from None
        outside = np.flatnonzero(np.isinf(found) | (found < least) | (found > most))
        if outside.size:
            place = int(outside[0])
            raise self.bad(place, f"{name} is {cells[place]}, expected {_expected(least, most)}")
        return found


def _expected(least: float, most: float) -> str:
    if np.isfinite(most):
        return f"a number from {least:g} to {most:g}"
    return f"a number of at least {least:g}"


def _shortened(cell: Any) -> str:
    text = repr(cell)
    return text if len(text) <= 40 else f"{text[:37]}..."
