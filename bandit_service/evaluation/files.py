"""Reads CSV, plain or gzipped, and Parquet into Columns.

CSV is read by the standard library, not by pandas: it keeps every cell as the text it is (an id
may be "NA" or "007"), knows the number of each row, and needs nothing to be installed.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from bandit_service.errors import BadTable
from bandit_service.evaluation.columns import ADVICE, Columns

SUFFIXES = (".csv", ".csv.gz", ".parquet")

# A prompt with a whole document in it passes the csv module's 128 KiB; only a quote that is
# never closed would make a cell as long as this.
_LONGEST_CELL = 2**30


def find(folder: Path, stem: str) -> Path | None:
    """The file of a folder that holds a table, None if there is none. Raises BadTable for two."""
    found = [path for suffix in SUFFIXES if (path := folder / f"{stem}{suffix}").is_file()]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise BadTable(str(folder), f"has {names}; keep one of them")
    return found[0] if found else None


def read(path: Path) -> Columns:
    """Raises BadTable."""
    if not path.is_file():
        raise BadTable(str(path), "there is no such file")
    if path.name.endswith(".parquet"):
        return _read_parquet(path)
    if path.name.endswith((".csv", ".csv.gz")):
        return _read_csv(path)
    raise BadTable(str(path), f"expected a name that ends with one of {', '.join(SUFFIXES)}")


def _read_csv(path: Path) -> Columns:
    with _readable(path), _opened(path) as stream:
        csv.field_size_limit(_LONGEST_CELL)
        lines = csv.reader(stream, strict=True)
        header = next(lines, [])
        if not any(header):
            raise BadTable(str(path), "is empty, expected a header")
        for name in header:
            if header.count(name) > 1:
                raise BadTable(str(path), f"column {name!r} is there twice")
        rows, kept = _rows(path, lines, len(header))
    columns = zip(*kept, strict=True) if kept else [()] * len(header)
    return Columns(str(path), dict(zip(header, columns, strict=True)), rows)


def _rows(path: Path, lines: Any, width: int) -> tuple[list[int], list[list[str]]]:
    """The rows below the header with their numbers, empty lines left out."""
    rows, kept, number = [], [], 1
    try:
        for number, line in enumerate(lines, start=2):
            if len(line) == width:
                rows.append(number)
                kept.append(line)
            elif line:
                what = f"has {len(line)} cells, expected {width} as in the header"
                raise BadTable(f"{path}, row {number}", what)
    except csv.Error as error:
        raise BadTable(f"{path}, row {number + 1}", f"is not CSV: {error}") from error
    return rows, kept


def _opened(path: Path) -> IO[str]:
    # "utf-8-sig": spreadsheets put a byte order mark in front.
    if path.name.endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _read_parquet(path: Path) -> Columns:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise BadTable(str(path), f"reading Parquet needs pyarrow: {ADVICE}") from None
    try:
        with _readable(path):
            table = parquet.read_table(path)
            cells = {name: table[name].to_pylist() for name in table.column_names}
    except ArrowException as error:
        reason = " ".join(str(error).split())
        raise BadTable(str(path), f"cannot be read as Parquet: {reason}") from error
    return Columns(str(path), cells, range(table.num_rows))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except BadTable:
        raise
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadTable(str(path), f"is damaged: {error}") from error
    except UnicodeDecodeError as error:
        raise BadTable(str(path), "is not text in UTF-8") from error
    except csv.Error as error:
        raise BadTable(str(path), f"cannot be read as CSV: {error}") from error
    except OSError as error:
        raise BadTable(str(path), f"cannot be read: {error.strerror or error}") from error
