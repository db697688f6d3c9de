"""Our own JSON lines, plain or gzipped: a `rows.Row` a line."""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import msgspec

from bandit_service.errors import BadLog
from bandit_service.evaluation.logs.columns import rows_of
from bandit_service.evaluation.logs.rows import Batch, Row, batch_of

AT_ONCE = 20_000
_LEVEL = 4  # digits hardly shrink further, however long one tries
Reading = Callable[[bytes], Row]

_decode = msgspec.json.Decoder(Row).decode


def batches(path: Path, read: Reading = _decode, at_once: int = AT_ONCE) -> Iterator[Batch]:
    """What stands in the file. A line that cannot be read is told, not hidden; raises BadLog where
    the file itself is damaged."""
    rows: list[Row] = []
    lines: list[int] = []
    broken: list[tuple[int, str]] = []
    for number, line in numbered(path):
        try:
            rows.append(read(line))
            lines.append(number)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            broken.append((number, f"cannot be read: {' '.join(str(error).split())}"))
        if len(rows) + len(broken) >= at_once:
            yield batch_of(rows, lines, broken)
            rows, lines, broken = [], [], []
    if rows or broken:
        yield batch_of(rows, lines, broken)


def numbered(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, by their numbers from 1. Raises BadLog."""
    number = 0
    try:
        with opened(path) as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield number, line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadLog(f"{path}, line {number + 1}", f"the file is damaged: {error}") from error
    except OSError as error:
        raise BadLog(str(path), f"cannot be read: {error.strerror or error}") from error


def opened(path: Path) -> IO[bytes]:
    if path.name.endswith(".gz"):
        return gzip.open(path, "rb")  # type: ignore[return-value]  # reads bytes all the same
    return path.open("rb")


def written(batches: Iterable[Batch], path: Path, columns: Sequence[str] = ()) -> int:
    """Writes batches as they come and returns how many rows; only these columns, if any are
    named. Fields that say nothing are left out."""
    names = tuple(columns) or Row.__struct_fields__
    encode, count = msgspec.json.Encoder().encode_lines, 0
    squeezed = path.name.endswith(".gz")
    with gzip.open(path, "wb", _LEVEL) if squeezed else path.open("wb") as stream:
        for batch in batches:
            for rows in rows_of(batch, names):
                stream.write(encode(rows))
            count += len(batch)
    return count
