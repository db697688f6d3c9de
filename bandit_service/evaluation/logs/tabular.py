"""Rows of tables, as mappings from column to cell, with the numbers of their lines."""

import csv
import io
import zlib
from pathlib import Path
from typing import Any

import msgspec

from bandit_service.errors import BadLog
from bandit_service.evaluation.logs.json_lines import numbered, opened
from bandit_service.evaluation.logs.mapping import Mapped, Records

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def csv_records(path: Path, how: Mapped) -> Records:
    """The header is line 1. Raises BadLog."""
    try:
        with opened(path) as raw, io.TextIOWrapper(raw, "utf-8-sig", newline="") as stream:
            lines = csv.reader(stream, strict=True)
            header = next(lines, [])
            _check_columns(str(path), header, how)
            yield from _csv_rows(lines, header)
    except (EOFError, zlib.error) as error:
        raise BadLog(str(path), f"the file is damaged: {error}") from error
    except UnicodeDecodeError as error:
        raise BadLog(str(path), "is not text in UTF-8") from error
    except OSError as error:
        raise BadLog(str(path), f"cannot be read: {error.strerror or error}") from error


def _csv_rows(lines: Any, header: list[str]) -> Records:
    while True:
        try:
            cells = next(lines)
        except StopIteration:
            return
        except csv.Error as error:
            yield lines.line_num, f"is not CSV: {error}"
            continue
        if len(cells) == len(header):
            yield lines.line_num, dict(zip(header, cells, strict=True))
        elif cells:
            yield lines.line_num, f"has {len(cells)} cells, expected {len(header)}"


def json_records(path: Path) -> Records:
    """Raises BadLog."""
    for number, line in numbered(path):
        try:
            yield number, _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            yield number, f"cannot be read: {' '.join(str(error).split())}"


def parquet_records(path: Path, how: Mapped) -> Records:
    """Row 1 is the first. Raises BadLog."""
    from pyarrow import ArrowException, parquet

    seen = 0
    try:
        with parquet.ParquetFile(path) as file:
            _check_columns(str(path), file.schema_arrow.names, how)
            for part in file.iter_batches(columns=list(dict.fromkeys(how.columns()))):
                for record in part.to_pylist():
                    seen += 1
                    yield seen, record
    except (ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise BadLog(str(path), f"cannot be read as Parquet: {reason}") from error


def frame_records(frame: Any, how: Mapped) -> Records:
    """Of a pandas DataFrame; its index is ignored, row 1 is the first."""
    _check_columns("the DataFrame", [str(name) for name in frame.columns], how)
    names = list(dict.fromkeys(how.columns()))
    columns = [frame[name].tolist() for name in names]
    for number, cells in enumerate(zip(*columns, strict=True), start=1):
        yield number, dict(zip(names, cells, strict=True))


def _check_columns(source: str, there: list[str], how: Mapped) -> None:
    for name in how.columns():
        if name not in there:
            raise BadLog(source, f"needs a column {name!r}; its columns are: {', '.join(there)}")
